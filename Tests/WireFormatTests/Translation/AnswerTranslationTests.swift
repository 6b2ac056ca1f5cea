import Testing

@testable import WireFormat

@Suite("An answer of one format is the same answer in the other")
struct AnswerTranslationTests {
    @Test("An OpenAI completion becomes a message: thinking, text, calls, stop reason, usage without the cache")
    func completion() throws {
        let body = #"""
            {"id":"c-1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi",
            "reasoning_content":"hm","tool_calls":[{"id":"t1","type":"function","function":{"name":"f",
            "arguments":"{\"a\":1}"}},{"id":"t2","type":"function","function":{"name":"g","arguments":"{oops"}}]},
            "finish_reason":"tool_calls"}],"usage":{"prompt_tokens":20,"completion_tokens":9,
            "prompt_tokens_details":{"cached_tokens":16},"completion_tokens_details":{"reasoning_tokens":4}}}
            """#
        let expected =
            #"{"id":"c-1","type":"message","role":"assistant","model":"m","content":["#
            + #"{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"Hi"},"#
            + #"{"type":"tool_use","id":"t1","name":"f","input":{"a":1}},"#
            + #"{"type":"tool_use","id":"t2","name":"g","input":{"malformed_arguments":"{oops"}}],"#
            + #""stop_reason":"tool_use","stop_sequence":null,"#
            + #""usage":{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":16,"#
            + #""output_tokens":9,"output_tokens_details":{"thinking_tokens":4}},"gboost":{}}"#
        #expect(text(try CompletionToMessage.body(Array(body.utf8), gboost: Array("{}".utf8))) == expected)
    }

    @Test("A text in parts, with thoughts among them, is read part by part")
    func parts() throws {
        let message =
            #"{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]},"#
            + #"{"type":"text","text":"Nine"},{"type":"text","text":"teen."}]}"#
        let body = Array(#"{"choices":[{"message":\#(message),"finish_reason":"stop"}]}"#.utf8)
        let expected =
            #""content":[{"type":"thinking","thinking":"Hm","signature":""},{"type":"text","text":"Nineteen."}]"#
        let translated = text(try CompletionToMessage.body(body, gboost: nil))
        #expect(translated.contains(expected), "\(translated)")
        #expect(AssistantTurn.read(body)?.turn == AssistantTurn(text: "Nineteen."))
        #expect(try OpenAICompletion(body).text == "Nineteen.")
    }

    @Test("A message becomes an OpenAI completion: thinking twice, text, calls, usage with the cache")
    func message() throws {
        let body = #"""
            {"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
            {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},
            {"type":"tool_use","id":"t1","name":"f","input":{"a": 1}}],"stop_reason":"tool_use","usage":
            {"input_tokens":4,"cache_creation_input_tokens":3,"cache_read_input_tokens":16,"output_tokens":9}}
            """#
        let expected =
            #"{"id":"msg_1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":"#
            + #"{"role":"assistant","content":"Hi","refusal":null,"reasoning_content":"hm","thinking_blocks":"#
            + #"[{"type":"thinking","thinking":"hm","signature":"s"}],"tool_calls":[{"id":"t1","type":"function","#
            + #""function":{"name":"f","arguments":"{\"a\": 1}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"#
            + #""usage":{"prompt_tokens":23,"completion_tokens":9,"total_tokens":32,"prompt_tokens_details":"#
            + #"{"cached_tokens":16,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":0}}}"#
        #expect(text(try MessageToCompletion.body(Array(body.utf8), created: 7, gboost: nil)) == expected)
    }

    @Test(
        "A call ends in tool_use, also where OpenAI says stop of one that the client insisted on",
        arguments: [("stop", "tool_use"), ("tool_calls", "tool_use"), ("length", "max_tokens")])
    func forced(finish: String, stop: String) throws {
        let call = #"{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}}"#
        let body =
            #"{"id":"c","model":"m","choices":[{"message":{"content":null,"tool_calls":[\#(call)]},"#
            + #""finish_reason":"\#(finish)"}]}"#
        let message = text(try CompletionToMessage.body(Array(body.utf8), gboost: nil))
        #expect(message.contains(#""stop_reason":"\#(stop)""#), "\(message)")
        let chunk =
            #"data: {"id":"c","model":"m","choices":[{"delta":{"tool_calls":[\#(call)]},"#
            + #""finish_reason":"\#(finish)"}]}"# + "\n\n"
        var relay = ChunksToEvents()
        let said = text(try relay.pass(Array(chunk.utf8)) + relay.finish(gboost: Array("{}".utf8)))
        #expect(said.contains(#""stop_reason":"\#(stop)""#), "\(said)")
    }

    @Test(
        "Stop reasons",
        arguments: [
            ("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"), ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"), ("tool_use", "tool_calls"), ("refusal", "content_filter"),
        ])
    func toOpenAI(anthropic: String, openAI: String) {
        #expect(FinishReason.openAI(anthropic) == openAI)
        #expect(FinishReason.openAI(FinishReason.anthropic(openAI)) == openAI)
    }
}

@Suite("A stream of one format is the same stream in the other, event by event")
struct StreamTranslationTests {
    private static func chunk(_ delta: String, _ finish: String = "null", usage: String = "") -> String {
        #"data: {"id":"c-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":"#
            + delta + #","finish_reason":"# + finish + "}]" + usage + "}\n\n"
    }
    private static func event(_ type: String, _ members: String = "") -> String {
        "event: \(type)\ndata: {\"type\":\"\(type)\"\(members.isEmpty ? "" : ",")\(members)}\n\n"
    }
    private static func started(_ index: Int, _ block: String) -> String {
        event("content_block_start", #""index":\#(index),"content_block":\#(block)"#)
    }
    private static func delta(_ index: Int, _ delta: String) -> String {
        event("content_block_delta", #""index":\#(index),"delta":\#(delta)"#)
    }
    private static func stopped(_ index: Int) -> String { event("content_block_stop", #""index":\#(index)"#) }
    private static let textBlock = #"{"type":"text","text":""}"#
    private static let usage = #"{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"#
    private static let messageStart = event(
        "message_start",
        #""message":{"id":"c-1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"#
            + #""stop_sequence":null,"usage":"# + usage + #""output_tokens":0}}"#)

    private static func end(_ reason: String, usage: String) -> String {
        event(
            "message_delta", #""delta":{"stop_reason":"\#(reason)","stop_sequence":null},"usage":\#(usage),"gboost":{}"#
        )
            + event("message_stop")
    }

    /// Runs a stream through, cut at every place in turn; all cuts must come to the same.
    private static func run(_ pieces: [String], _ make: () -> ChunksToEvents) throws -> String {
        var relay = make()
        var out = ""
        for piece in pieces { out += text(try relay.pass(Array(piece.utf8))) }
        return out + text(relay.finish(gboost: Array("{}".utf8)))
    }

    @Test("Chunks to events: reasoning, then text, each in a block of its own; the usage at the end")
    func texts() throws {
        let said = try Self.run(
            [
                Self.chunk(#"{"role":"assistant","content":""}"#), Self.chunk(#"{"reasoning_content":"h"}"#),
                Self.chunk(#"{"reasoning_content":"m"}"#), Self.chunk(#"{"content":"Hi"}"#),
                ": keep-alive\n\n", Self.chunk(#"{"content":"!"}"#) + Self.chunk("{}", #""length""#),
                #"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}"# + "\n\ndata: [DONE]\n\n",
            ], ChunksToEvents.init)
        let thinking = #"{"type":"thinking","thinking":"","signature":""}"#
        let expected = [
            Self.messageStart, Self.started(0, thinking), Self.delta(0, #"{"type":"thinking_delta","thinking":"h"}"#),
            Self.delta(0, #"{"type":"thinking_delta","thinking":"m"}"#), Self.stopped(0),
            Self.started(1, Self.textBlock), Self.delta(1, #"{"type":"text_delta","text":"Hi"}"#),
            Self.delta(1, #"{"type":"text_delta","text":"!"}"#), Self.stopped(1),
            Self.end(
                "max_tokens",
                usage:
                    #"{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}"#
            ),
        ]
        #expect(said == expected.joined())
    }

    @Test("Chunks to events: parallel calls whose deltas come interleaved are blocks one after the other")
    func parallelCalls() throws {
        func call(_ index: Int, _ rest: String) -> String {
            Self.chunk(#"{"tool_calls":[{"index":\#(index),\#(rest)}]}"#)
        }
        func arguments(_ text: String) -> String { #""function":{"arguments":"\#(text)"}"# }
        let said = try Self.run(
            [
                call(0, #""id":"a","type":"function","function":{"name":"f","arguments":""}"#),
                call(1, #""id":"b","type":"function","function":{"name":"g","arguments":"{"}"#),
                call(0, arguments("{}")), call(1, arguments("}")), Self.chunk("{}", #""tool_calls""#),
            ], ChunksToEvents.init)
        func block(_ id: String, _ name: String) -> String {
            #"{"type":"tool_use","id":"\#(id)","name":"\#(name)","input":{}}"#
        }
        let expected = [
            Self.messageStart, Self.started(0, block("a", "f")),
            Self.delta(0, #"{"type":"input_json_delta","partial_json":"{}"}"#), Self.stopped(0),
            Self.started(1, block("b", "g")), Self.delta(1, #"{"type":"input_json_delta","partial_json":"{}"}"#),
            Self.stopped(1), Self.end("tool_use", usage: Self.usage + #""output_tokens":0}"#),
        ]
        #expect(said == expected.joined())
    }

    @Test(
        "Chunks to events: calls without a number, or all with the same one, are told apart by their ids",
        arguments: ["", #""index":0,"#])
    func unnumberedCalls(number: String) throws {
        func call(_ rest: String) -> String { Self.chunk(#"{"tool_calls":[{\#(number)\#(rest)}]}"#) }
        func begun(_ id: String, _ name: String) -> String {
            call(#""id":"\#(id)","type":"function","function":{"name":"\#(name)","arguments":"{"}"#)
        }
        let more = call(#""function":{"arguments":"}"}"#)
        let said = try Self.run(
            [begun("a", "f"), more, begun("b", "g"), more, Self.chunk("{}", #""tool_calls""#)], ChunksToEvents.init)
        func block(_ id: String, _ name: String) -> String {
            #"{"type":"tool_use","id":"\#(id)","name":"\#(name)","input":{}}"#
        }
        func input(_ index: Int, _ piece: String) -> String {
            Self.delta(index, #"{"type":"input_json_delta","partial_json":"\#(piece)"}"#)
        }
        let expected = [
            Self.messageStart, Self.started(0, block("a", "f")), input(0, "{"), input(0, "}"), Self.stopped(0),
            Self.started(1, block("b", "g")), input(1, "{}"), Self.stopped(1),
            Self.end("tool_use", usage: Self.usage + #""output_tokens":0}"#),
        ]
        #expect(said == expected.joined())
    }

    @Test("Chunks to events: several calls of one chunk keep their places, with numbers, ids, both or neither")
    func callsTogether() throws {
        func call(_ number: String, _ id: String, _ name: String) -> String {
            #"{\#(number)\#(id)"function":{"name":"\#(name)","arguments":"{}"}}"#
        }
        for (numbers, ids) in [
            ([#""index":0,"#, #""index":1,"#], [#""id":"a","#, #""id":"b","#]),
            ([#""index":0,"#, #""index":1,"#], ["", ""]), (["", ""], [#""id":"a","#, #""id":"b","#]),
            (["", ""], ["", #""id":"","#]),
        ] {
            let calls = [call(numbers[0], ids[0], "f"), call(numbers[1], ids[1], "g")].joined(separator: ",")
            let said = try Self.run([Self.chunk(#"{"tool_calls":[\#(calls)]}"#)], ChunksToEvents.init)
            for name in ["f", "g"] { #expect(said.contains(#""name":"\#(name)","input":{}"#), "\(said)") }
            #expect(said.split(separator: #""partial_json":"{}""#).count == 3, "\(said)")
        }
    }

    @Test("Chunks to events: a text in parts is a text, and a thought among them is one")
    func partsOfText() throws {
        let thought = #"{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}"#
        let said = try Self.run(
            [
                Self.chunk(#"{"content":[\#(thought)]}"#), Self.chunk(#"{"content":[{"type":"text","text":"Hi"}]}"#),
                Self.chunk(#"{"content":"!"}"#), Self.chunk("{}", #""stop""#),
            ], ChunksToEvents.init)
        let expected = [
            Self.messageStart, Self.started(0, #"{"type":"thinking","thinking":"","signature":""}"#),
            Self.delta(0, #"{"type":"thinking_delta","thinking":"Hm"}"#), Self.stopped(0),
            Self.started(1, Self.textBlock), Self.delta(1, #"{"type":"text_delta","text":"Hi"}"#),
            Self.delta(1, #"{"type":"text_delta","text":"!"}"#), Self.stopped(1),
            Self.end("end_turn", usage: Self.usage + #""output_tokens":0}"#),
        ]
        #expect(said == expected.joined())
    }

    @Test("Chunks to events: thoughts are signed or come whole, without the numbers that OpenAI's clients need")
    func thoughts() throws {
        let signed = #"{"index":0,"type":"thinking","thinking":"h","signature":"s"}"#
        let said = try Self.run(
            [
                Self.chunk(#"{"reasoning_content":"h"}"#), Self.chunk(#"{"thinking_blocks":[\#(signed)]}"#),
                Self.chunk(#"{"thinking_blocks":[{"index":1,"type":"redacted_thinking","data":"x"}]}"#),
                Self.chunk(#"{"content":"Hi"}"#), Self.chunk("{}", #""stop""#),
            ], ChunksToEvents.init)
        let expected = [
            Self.messageStart, Self.started(0, #"{"type":"thinking","thinking":"","signature":""}"#),
            Self.delta(0, #"{"type":"thinking_delta","thinking":"h"}"#),
            Self.delta(0, #"{"type":"signature_delta","signature":"s"}"#), Self.stopped(0),
            Self.started(1, #"{"type":"redacted_thinking","data":"x"}"#), Self.stopped(1),
            Self.started(2, Self.textBlock), Self.delta(2, #"{"type":"text_delta","text":"Hi"}"#), Self.stopped(2),
            Self.end("end_turn", usage: Self.usage + #""output_tokens":0}"#),
        ]
        #expect(said == expected.joined())
    }

    @Test("Chunks to events: a signed thought without text is a block of its own, and signs no other")
    func silentThoughts() throws {
        let signed = Self.chunk(#"{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"g"}]}"#)
        let said = try Self.run(
            [
                signed, Self.chunk(#"{"content":"Hi"}"#), signed,
                Self.chunk(#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#), signed,
                Self.chunk(#"{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}"#),
                Self.chunk("{}", #""tool_calls""#),
            ], ChunksToEvents.init)
        func thought(_ index: Int) -> String {
            Self.started(index, #"{"type":"thinking","thinking":"","signature":""}"#)
                + Self.delta(index, #"{"type":"signature_delta","signature":"g"}"#) + Self.stopped(index)
        }
        let expected = [
            Self.messageStart, thought(0), Self.started(1, Self.textBlock),
            Self.delta(1, #"{"type":"text_delta","text":"Hi"}"#), Self.stopped(1), thought(2),
            Self.started(3, #"{"type":"tool_use","id":"a","name":"f","input":{}}"#),
            Self.delta(3, #"{"type":"input_json_delta","partial_json":"{"}"#),
            Self.delta(3, #"{"type":"input_json_delta","partial_json":"}"}"#), Self.stopped(3), thought(4),
            Self.end("tool_use", usage: Self.usage + #""output_tokens":0}"#),
        ]
        #expect(said == expected.joined())
    }

    private static let startUsage = #"{"input_tokens":9,"cache_read_input_tokens":3,"output_tokens":1}"#
    private static let eventsAndChunks: [(String, String)] = [
        (
            event("message_start", #""message":{"id":"c-1","model":"m","usage":\#(startUsage)}"#),
            chunk(#"{"role":"assistant","content":""}"#)
        ),
        (event("ping"), ": ping\n\n"),
        (started(0, #"{"type":"thinking","thinking":"","signature":""}"#), ""),
        (
            delta(0, #"{"type":"thinking_delta","thinking":"hm"}"#),
            chunk(#"{"reasoning_content":"hm"}"#)
        ),
        (delta(0, #"{"type":"signature_delta","signature":"s"}"#), ""),
        (
            stopped(0),
            chunk(#"{"thinking_blocks":[{"index":0,"type":"thinking","thinking":"hm","signature":"s"}]}"#)
        ),
        (
            started(1, #"{"type":"redacted_thinking","data":"x"}"#),
            chunk(#"{"thinking_blocks":[{"index":1,"type":"redacted_thinking","data":"x"}]}"#)
        ),
        (stopped(1), ""),
        (started(2, textBlock), ""),
        (delta(2, #"{"type":"text_delta","text":"Hi"}"#), chunk(#"{"content":"Hi"}"#)),
        (stopped(2), ""),
        (
            started(3, #"{"type":"tool_use","id":"t1","name":"f","input":{}}"#),
            chunk(
                #"{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}}]}"#)
        ),
        (
            delta(3, #"{"type":"input_json_delta","partial_json":"{\"a\":1}"}"#),
            chunk(#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}"#)
        ),
        (stopped(3), ""),
        (
            started(4, #"{"type":"tool_use","id":"t2","name":"g","input":{"b":2}}"#),
            chunk(
                #"{"tool_calls":[{"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":""}}]}"#)
        ),
        (stopped(4), chunk(#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"b\":2}"}}]}"#)),
        (event("something_new", #""x":1"#), ""),
        (
            event(
                "message_delta", #""delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":0,"output_tokens":8}"#
            ),
            ""
        ),
        (event("message_stop"), ""),
    ]

    @Test("Events to chunks: every kind of event")
    func events() throws {
        var relay = EventsToChunks(created: 7, wantsUsage: true)
        for (event, chunk) in Self.eventsAndChunks { #expect(text(try relay.pass(Array(event.utf8))) == chunk) }
        // The delta's explicit zero replaces the start's nine; what it does not name stays.
        let usage =
            #"{"prompt_tokens":3,"completion_tokens":8,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":3},"#
            + #""completion_tokens_details":{"reasoning_tokens":0}}"#
        let head = #"data: {"id":"c-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[]"#
        #expect(
            text(relay.finish(gboost: Array("{}".utf8)))
                == Self.chunk("{}", #""tool_calls""#) + head + #","usage":\#(usage),"gboost":{}}"# + "\n\n"
                + "data: [DONE]\n\n")
    }

    @Test(
        "Events to chunks: a call of which only an empty piece comes has an empty object of arguments",
        arguments: [#","input":{}"#, ""])
    func silentCall(input: String) throws {
        var relay = EventsToChunks(created: 7, wantsUsage: false)
        let events =
            Self.started(0, #"{"type":"tool_use","id":"t1","name":"f"\#(input)}"#)
            + Self.delta(0, #"{"type":"input_json_delta","partial_json":""}"#) + Self.stopped(0)
        let said = text(try relay.pass(Array(events.utf8)))
        #expect(said.contains(#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#), "\(said)")
    }

    @Test("A thinking block beyond its bound ends the translation")
    func bound() throws {
        var relay = EventsToChunks(created: 7, wantsUsage: false)
        let piece = String(repeating: "x", count: 1 << 20)
        let event = Array(Self.delta(0, #"{"type":"thinking_delta","thinking":"\#(piece)"}"#).utf8)
        #expect(throws: WireFormatError.self) { for _ in 0...4 { _ = try relay.pass(event) } }
    }
}
