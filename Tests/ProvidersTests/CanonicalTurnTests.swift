import Testing
import WireFormat

@testable import Providers

@Suite("Turns and limits of chats that are written in a vendor's own format")
struct CanonicalTurnTests {
    private static let user = #"{"role":"user","content":"x"}"#
    private static let blank = #"{"role":"user","content":[{"type":"text","text":""}]}"#
    private static let claude = "us.anthropic.claude-opus-4-6-v1"

    /// The same chat as Bedrock and as Google are sent it.
    private static func both(_ messages: String, _ rest: String = "") throws -> [String] {
        let body = Array(#"{"model":"m","messages":[\#(messages)]\#(rest)}"#.utf8)
        return [
            String(decoding: try ConverseRequest.body(body, model: claude), as: UTF8.self),
            String(decoding: try GeminiRequest.body(body, model: "gemini-3-pro"), as: UTF8.self),
        ]
    }

    @Test(
        "An assistant's turn that says nothing is left out",
        arguments: [
            #""content":"""#, #""content":null"#, #""content":[]"#, #""content":[{"type":"text","text":""}]"#,
            #""content":"","refusal":"","tool_calls":[]"#,
        ])
    func silent(fields: String) throws {
        for said in try Self.both(Self.user + #",{"role":"assistant",\#(fields)},"# + Self.user) {
            #expect(!said.contains(#""role":"assistant""#) && !said.contains(#""role":"model""#), "\(said)")
            #expect(!said.contains(#""content":[]"#) && !said.contains(#""parts":[]"#))
        }
    }

    @Test("Thoughts alone go back where thoughts do")
    func thoughts() throws {
        let block = #"{"type":"thinking","thinking":"t","signature":"g"}"#
        let said = try Self.both(Self.user + #",{"role":"assistant","thinking_blocks":[\#(block)]}"#)
        #expect(said[0].contains("reasoningContent") && !said[1].contains(#""role":"model""#))
    }

    @Test(
        "A user's turn without anything in it is named where it stands alone, and so is a chat without turns",
        arguments: [
            (#"{"role":"user","content":""}"#, "messages[0].content"),
            (user + #",{"role":"assistant","content":"y"},"# + blank, "messages[2].content"),
            (blank + #",{"role":"assistant","content":"y"},"# + user, "messages[0].content"),
            (#"{"role":"system","content":"s"}"#, "messages"), (#"{"role":"assistant","content":""}"#, "messages"),
        ])
    func empty(messages: String, param: String) {
        let body = Array(#"{"model":"m","messages":[\#(messages)]}"#.utf8)
        let converse = #expect(throws: WireFormatError.self) { try ConverseRequest.body(body, model: Self.claude) }
        let gemini = #expect(throws: WireFormatError.self) { try GeminiRequest.body(body, model: "gemini-3-pro") }
        #expect(converse?.param == param && gemini?.param == param)
    }

    @Test("A user's turn without anything in it is left out behind another of the user's, or a tool's result")
    func blankBehind() throws {
        let call = #"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#
        let result = #"{"role":"tool","tool_call_id":"c","content":"1"}"#
        let called = Self.user + #",{"role":"assistant","tool_calls":[\#(call)]},"# + result
        for turns in [Self.user, called] {
            #expect(try Self.both(turns + "," + Self.blank) == Self.both(turns))
            let longer = turns + "," + Self.user
            #expect(try Self.both(turns + "," + Self.blank + "," + Self.user) == Self.both(longer))
        }
        // Before one, it is a part of that one's turn.
        for before in ["", Self.user + #",{"role":"assistant","content":"y"},"#] {
            #expect(
                try Self.both(before + Self.blank + "," + Self.blank + "," + Self.user) == Self.both(before + Self.user)
            )
        }
    }

    @Test(
        "An image that Bedrock does not take is named where the client wrote it, whatever is no turn before it",
        arguments: [
            ("", "messages[0]"), (#"{"role":"system","content":"s"},"#, "messages[1]"),
            (
                #"{"role":"system","content":"s"},"# + blank + "," + user + #",{"role":"assistant","content":""},"#,
                "messages[4]"
            ),
        ])
    func image(before: String, message: String) {
        let image = #"{"type":"image_url","image_url":{"url":"data:image/tiff;base64,QUJD"}}"#
        let content = #"[{"type":"text","text":""},\#(image)]"#
        let body = Array(#"{"model":"m","messages":[\#(before){"role":"user","content":\#(content)}]}"#.utf8)
        let error = #expect(throws: WireFormatError.self) { try ConverseRequest.body(body, model: Self.claude) }
        #expect(error?.param == message + ".content[1].image_url.url" && error?.code == .untranslatable)
    }

    @Test("Of a client of Anthropic's it is named by the client's own field")
    func anthropicImage() throws {
        let image = #"{"type":"image","source":{"type":"base64","media_type":"image/tiff","data":"QUJD"}}"#
        let body =
            #"{"model":"m","max_tokens":9,"system":"s","messages":[\#(Self.user),{"role":"assistant","content":"y"},"#
            + #"{"role":"user","content":[{"type":"text","text":"z"},\#(image)]}]}"#
        let request = try MessagesRequest(Array(body.utf8))
        let chat = try MessagesToChat.body(request, keepsThinking: true)
        let error = #expect(throws: WireFormatError.self) { try ConverseRequest.body(chat, model: Self.claude) }
        let name = MessagesToChat.source(of: try #require(error?.param), in: request)
        #expect(name == "messages[2].content[1].source.media_type")
    }

    @Test("What frameworks send back with a reply is left out, and of several speakers each is named")
    func echoes() throws {
        let reply =
            #"{"role":"assistant","content":"y","reasoning":"hm","reasoning_details":[{}],"annotations":[{}],"#
            + #""parsed":{},"provider_specific_fields":{"a":1}}"#
        let plain = #"{"role":"assistant","content":"y"}"#
        let turns = Self.user + "," + plain + "," + Self.user
        #expect(try Self.both(Self.user + "," + reply + "," + Self.user) == Self.both(turns))
        let bo = Self.user.replacing("}", with: #","name":"Bo"}"#)
        #expect(try Self.both(bo + "," + plain + "," + bo) == Self.both(turns))
        for said in try Self.both(bo + "," + plain + "," + Self.user) {
            #expect(said.contains(#"{"text":"Bo: x"}"#) && said.contains(#"{"text":"x"}"#), "\(said)")
        }
    }

    @Test(
        "Calls that come back without their thought are gone on from without a budget for more: Claude refuses one",
        arguments: [
            ("anthropic.claude-haiku-4-5-20251001-v1:0", #""reasoning_effort":"low","max_tokens":9000"#, true),
            (claude, #""thinking":{"type":"enabled","budget_tokens":1024}"#, true),
            (claude, #""thinking":{"type":"enabled","budget_tokens":1024},"reasoning_effort":"low""#, true),
            (claude, #""reasoning_effort":"low""#, false), (claude, #""thinking":{"type":"adaptive"}"#, false),
            ("amazon.nova", #""thinking":{"type":"enabled"}"#, false),
        ])
    func lostThoughts(model: String, wish: String, isLost: Bool) throws {
        let call = #"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#
        let result = #"{"role":"tool","tool_call_id":"c","content":"1"}"#
        for thought in ["", #","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"g"}]"#] {
            let turn = #"{"role":"assistant","tool_calls":[\#(call)]\#(thought)}"#
            let body = #"{"model":"m","messages":[\#(Self.user),\#(turn),\#(result)],\#(wish)}"#
            let said = String(decoding: try ConverseRequest.body(Array(body.utf8), model: model), as: UTF8.self)
            #expect(said.contains(#""thinking":{"#) == !(isLost && thought.isEmpty), "\(said)")
            #expect(said.contains(#""effort":"low""#) == (model == Self.claude && wish.contains("effort")), "\(said)")
            #expect(!said.contains(#""additionalModelRequestFields":{}"#), "\(said)")
        }
    }

    @Test("Stop strings are bounded by the vendor, not by OpenAI's format", arguments: [5, 6, 2500, 2501])
    func stops(count: Int) {
        let list = (0..<count).map { #""s\#($0)""# }.joined(separator: ",")
        let body = Array(#"{"model":"m","messages":[\#(Self.user)],"stop":[\#(list)]}"#.utf8)
        func param(_ work: () throws(WireFormatError) -> [UInt8]) -> String? {
            do throws(WireFormatError) {
                _ = try work()
                return nil
            } catch { return error.param }
        }
        let converse = param { () throws(WireFormatError) in try ConverseRequest.body(body, model: Self.claude) }
        let gemini = param { () throws(WireFormatError) in try GeminiRequest.body(body, model: "gemini-3-pro") }
        #expect(converse == (count > 2500 ? "stop" : nil) && gemini == (count > 5 ? "stop" : nil))
    }

    @Test("Anthropic's greatest effort reaches Claude on Bedrock, and nobody else there")
    func greatestEffort() throws {
        let body =
            #"{"model":"m","max_tokens":9,"stop_sequences":["a","b","c","d","e"],"output_config":{"effort":"max"},"#
            + #""messages":[\#(Self.user)]}"#
        let chat = try MessagesToChat.body(
            MessagesRequest(Array(body.utf8)), keepsThinking: true, hasOwnLimits: true)
        let said = String(decoding: try ConverseRequest.body(chat, model: Self.claude), as: UTF8.self)
        #expect(said.contains(#""output_config":{"effort":"max"}"#) && said.contains(#"["a","b","c","d","e"]"#))
        let error = #expect(throws: WireFormatError.self) {
            try ConverseRequest.body(chat, model: "openai.gpt-oss-120b-1:0")
        }
        #expect(error?.param == "reasoning_effort")
    }
}
