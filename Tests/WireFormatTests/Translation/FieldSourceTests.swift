import Testing

@testable import WireFormat

@Suite("A field of a translated request is named as the client wrote it")
struct FieldSourceTests {
    private static let url = #"{"type":"image","source":{"type":"url","url":"https://a/b.png"}}"#
    private static let data = #"{"type":"image","source":{"type":"base64","media_type":"text/plain","data":"QUJD"}}"#
    private static let turns = """
        {"role":"user","content":"Hi"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"a"},
         {"type":"tool_use","id":"c","name":"f","input":{}},{"type":"tool_use","id":"d","name":"g","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"1"},
         {"type":"tool_result","tool_use_id":"e"},{"type":"text","text":"Look"},\(url),\(data)]},
        {"role":"assistant","content":[]},{"role":"user","content":[\(url)]}
        """

    private static func source(_ param: String, system: String = "") throws -> String {
        let body = #"{"model":"m","max_tokens":5\#(system),"messages":[\#(turns)]}"#
        return MessagesToChat.source(of: param, in: try MessagesRequest(Array(body.utf8)))
    }

    @Test(
        "however many messages it is there, and with a system before them",
        arguments: [
            ("messages[0].content", "messages[0].content"),
            ("messages[1].content[0].text", "messages[1].content[1].text"),
            ("messages[1].tool_calls[1].function.arguments", "messages[1].content[3].input"),
            ("messages[1].tool_calls[0].id", "messages[1].content[2].id"),
            ("messages[3].tool_call_id", "messages[2].content[1].tool_use_id"),
            ("messages[4].content[1].image_url.url", "messages[2].content[3].source.url"),
            ("messages[4].content[2].image_url.url", "messages[2].content[4].source.media_type"),
            ("messages[6].content", "messages[4].content"),
            ("messages[6].content[0].image_url.url", "messages[4].content[0].source.url"),
        ])
    func messages(param: String, name: String) throws {
        #expect(try Self.source(param) == name)
        for system in [#""s""#, #"[{"type":"text","text":"s"}]"#] {
            let number = try #require(param.dropFirst("messages[".count).first?.wholeNumberValue)
            let later = "messages[\(number + 1)" + param.dropFirst("messages[0".count)
            #expect(try Self.source(later, system: #","system":\#(system)"#) == name)
        }
        #expect(try Self.source(param, system: #","system":[]"#) == name)
    }

    @Test("A system is none of the messages; what is no part of one keeps its name")
    func others() throws {
        let system = #","system":[{"type":"text","text":"s"},\#(Self.url)]"#
        #expect(try Self.source("messages[0].content", system: system) == "system")
        #expect(try Self.source("messages[0].content[1].image_url.url", system: system) == "system[1].source.url")
        for param in ["messages", "tools[0].name", "messages[7].content", "messages[0].content[0].text", "stop"] {
            #expect(try Self.source(param) == param)
        }
    }

    @Test("The names are those of the messages as they are translated")
    func translated() throws {
        let body = #"{"model":"m","max_tokens":5,"system":"s","messages":[\#(Self.turns)]}"#
        let chat = try JSONDocument(Array(toChat(body).utf8)).root
        let messages = chat["messages"]?.elements ?? []
        #expect(
            messages.map { $0["role"]?.string } == [
                "system", "user", "assistant", "tool", "tool", "user", "assistant", "user",
            ])
        #expect(messages[5]["content"]?.elements.map { $0["type"]?.string } == ["text", "image_url", "image_url"])
    }
}
