import Testing

@testable import WireFormat

@Suite("OpenAI to Anthropic: what frameworks send back with a reply, and who is named as speaking")
struct EchoedReplyTests {
    private static let user = RequestTranslationTests.user
    private static let block = #"{"type":"thinking","thinking":"hm","signature":"s"}"#
    private static let call = #"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#
    private static let result = #"{"role":"tool","tool_call_id":"c","content":"1"}"#
    private static let budget = #""thinking":{"type":"enabled","budget_tokens":2000}"#

    private static func translated(_ messages: String..., rest: String = "") throws -> String {
        try toMessages(#"{"model":"m","messages":[\#(messages.joined(separator: ","))]\#(rest)}"#)
    }

    @Test(
        "What a reply has beside its words stays out, thoughts without a signature included",
        arguments: [
            #""reasoning_content":"hm""#, #""reasoning":"hm""#, #""reasoning_details":[{"type":"reasoning.text"}]"#,
            #""annotations":[{"type":"url_citation"}]"#, #""annotations":[]"#, #""parsed":{"a":1}"#, #""parsed":null"#,
            #""provider_specific_fields":{"parsed":null,"reasoning":"hm"}"#, #""provider_specific_fields":{}"#,
            #""provider_specific_fields":null"#, #""refusal":null,"audio":null,"function_call":null"#,
            #""tool_calls":[],"thinking_blocks":[]"#,
        ])
    func left(field: String) throws {
        let said = #"{"role":"assistant","content":[{"type":"text","text":"Yes"}]}"#
        let turn = #"{"role":"assistant","content":"Yes",\#(field)}"#
        #expect(try Self.translated(Self.user, turn).hasSuffix(#"},\#(said)]}"#))
        // Alone it is no turn, which Anthropic would refuse.
        let silent = #"{"role":"assistant","content":null,\#(field)}"#
        #expect(try Self.translated(Self.user, silent, Self.user) == Self.translated(Self.user, Self.user))
    }

    @Test("Signed thoughts go back once, beside LiteLLM's own copy of them or in it alone")
    func kept() throws {
        let copy = #""provider_specific_fields":{"thinking_blocks":[\#(Self.block)]}"#
        let own = #""thinking_blocks":[\#(Self.block)],"reasoning_content":"hm""#
        let expected = #"{"role":"assistant","content":[\#(Self.block),{"type":"text","text":"Yes"}]}"#
        for fields in [own, copy, own + "," + copy] {
            let turn = #"{"role":"assistant","content":"Yes",\#(fields)}"#
            #expect(try Self.translated(Self.user, turn).contains(expected), "\(fields)")
        }
    }

    @Test("Calls that come back without their thought are gone on from without a budget for more, in that turn alone")
    func budgets() throws {
        func hasBudget(_ messages: String..., other: String? = nil) throws -> Bool {
            let list = ([Self.user] + messages).joined(separator: ",")
            let thinking = other ?? Self.budget
            return try Self.translated(list, rest: "," + thinking).contains(thinking)
        }
        let lost = #"{"role":"assistant","reasoning_content":"hm","tool_calls":[\#(Self.call)]}"#
        let thought = #"{"role":"assistant","thinking_blocks":[\#(Self.block)],"tool_calls":[\#(Self.call)]}"#
        let words = #"{"role":"assistant","content":"Yes"}"#
        #expect(try !hasBudget(lost, Self.result))
        #expect(try !hasBudget(thought, Self.result, Self.user, lost, Self.result))
        #expect(try !hasBudget(lost, Self.result, Self.user))
        // Claude may call again without another thought.
        #expect(try hasBudget(thought, Self.result, lost, Self.result))
        #expect(try hasBudget(lost, Self.result, words, Self.user))
        #expect(try hasBudget(thought, Self.result))
        #expect(try hasBudget(words, Self.user))
        // Without a budget it decides itself, and wants none back.
        #expect(try hasBudget(lost, Self.result, other: #""thinking":{"type":"adaptive"}"#))
    }

    private static func said(_ role: String, _ name: String?, _ text: String) -> String {
        let field = name.map { #","name":"\#($0)""# } ?? ""
        return #"{"role":"\#(role)","content":"\#(text)"\#(field)}"#
    }

    private static func texts(_ messages: String...) throws -> [String] {
        let body = #"{"model":"m","messages":[\#(messages.joined(separator: ","))]}"#
        return try ChatCompletionRequest(Array(body.utf8)).messages.map(\.text)
    }

    @Test("A name that all messages of a role have tells nobody apart, and is left out")
    func oneSpeaker() throws {
        let named = [
            Self.said("user", "user", "a"), Self.said("assistant", "bot", "b"), Self.said("user", "user", "c"),
        ]
        let plain = [Self.said("user", nil, "a"), Self.said("assistant", nil, "b"), Self.said("user", nil, "c")]
        #expect(
            try Self.translated(named[0], named[1], named[2]) == Self.translated(plain[0], plain[1], plain[2]))
        #expect(try Self.texts(named[0], named[1], named[2]) == ["a", "b", "c"])
    }

    @Test("Names of several speakers stand before what they say, for an SLM as in Anthropic's format")
    func speakers() throws {
        let parts =
            #"{"role":"user","name":"Al","content":[{"type":"text","text":"b"},"#
            + #"{"type":"image_url","image_url":{"url":"u"}}]}"#
        let messages = [
            Self.said("system", nil, "s"), Self.said("system", "example", "e"), Self.said("user", "Bo", "a"), parts,
            Self.said("assistant", nil, "c"), Self.said("user", nil, "d"),
        ]
        let body = #"{"model":"m","messages":[\#(messages.joined(separator: ","))]}"#
        let expected =
            #"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Bo: a"}]},"#
            + #"{"role":"user","content":[{"type":"text","text":"Al:"},{"type":"text","text":"b"},"#
            + #"{"type":"image","source":{"type":"url","url":"u"}}]},"#
            + #"{"role":"assistant","content":[{"type":"text","text":"c"}]},"#
            + #"{"role":"user","content":[{"type":"text","text":"d"}]}],"#
            + #""system":[{"type":"text","text":"s"},{"type":"text","text":"example: e"}]}"#
        #expect(try toMessages(body) == expected)
        let read = try ChatCompletionRequest(Array(body.utf8))
        #expect(read.messages.map(\.text) == ["s", "example: e", "Bo: a", "Al: b", "c", "d"])
    }

    @Test("A list without calls is none: any SLM can answer after it")
    func noCalls() throws {
        let turn = #"{"role":"assistant","content":"Yes","tool_calls":[],"function_call":null}"#
        let body = #"{"model":"m","messages":[\#(Self.user),\#(turn),\#(Self.user)]}"#
        let request = try ChatCompletionRequest(Array(body.utf8))
        #expect(request.forSLM == .text && request.messages[1].toolCalls == nil)
    }
}
