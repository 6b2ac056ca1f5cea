import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Testing
import WireFormat

@testable import GatewayServer

@Suite("Tools and schemas on a boosted route")
struct StructuredAnswerTests {
    static let tool = """
        {"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":\
        {"city":{"type":"string"}},"required":["city"]}}}
        """
    static let call =
        "Let me see.\n<tool_call>\n"
        + "{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>"

    private static func body(_ more: String = "", tools: String = #","tools":[\#(tool)]"#) -> String {
        #"{"model":"math","messages":[{"role":"user","content":"Rain?"}]\#(tools)\#(more)}"#
    }

    private static func fixture(
        _ steps: [String] = [call], limit: NanoUSD = NanoUSD(NanoUSD.perDollar), scores: [Double] = [0.99],
        format: ToolCallFormat? = .tagged, scripts: [FakeProvider.Script] = []
    ) -> Fixture {
        Fixture(limit: limit, scripts: scripts, steps: steps, scores: scores, format: format)
    }

    private static func object(_ response: TestResponse) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any])
    }

    private static func choice(_ response: TestResponse) throws -> (message: [String: Any], reason: String?) {
        let choice = try #require((try object(response)["choices"] as? [[String: Any]])?.first)
        return (try #require(choice["message"] as? [String: Any]), choice["finish_reason"] as? String)
    }

    private static func calls(_ response: TestResponse) throws -> [String] {
        try (choice(response).message["tool_calls"] as? [[String: Any]] ?? []).map { call in
            let function = try #require(call["function"] as? [String: String])
            return "\(function["name"] ?? "") \(function["arguments"] ?? "")"
        }
    }

    @Test("An SLM's call becomes tool_calls; it was given the tools and drafted in one piece")
    func calls() async throws {
        let fixture = Self.fixture()
        let response = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(response.status == .ok && response.headers[.servedBy] == "slm")
        #expect(try Self.calls(response) == [#"weather {"city": "Bern"}"#])
        let (message, reason) = try Self.choice(response)
        #expect(message["content"] as? String == "Let me see." && reason == "tool_calls")
        let id = try #require((message["tool_calls"] as? [[String: Any]])?.first?["id"] as? String)
        #expect(id.hasPrefix("call_") && id.count <= 40)
        let request = try #require(fixture.slm.requests.first)
        #expect(request.boundary == nil && request.tools == "[\(Self.tool)]" && request.sampling.jsonSchema == nil)
        #expect(fixture.provider.calls.isEmpty)
    }

    @Test("In a stream a call is one chunk, complete, and its text is there once")
    func streams() async throws {
        let response = try await DirectAnswerTests.post(Self.fixture(), Self.body(#","stream":true"#))
        let lines = String(buffer: response.body).split(separator: "\n").filter { $0.hasPrefix("data: {") }
        let chunks = try lines.map { line in
            try #require(
                JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any])
        }
        let choices = chunks.compactMap { ($0["choices"] as? [[String: Any]])?.first }
        let deltas = choices.compactMap { $0["delta"] as? [String: Any] }
        #expect(deltas.compactMap { $0["content"] as? String }.joined() == "Let me see.")
        let calls = deltas.compactMap { $0["tool_calls"] as? [[String: Any]] }
        #expect(calls.count == 1)
        let function = try #require(calls.first?.first?["function"] as? [String: String])
        #expect(function == ["name": "weather", "arguments": #"{"city": "Bern"}"#])
        #expect(choices.last?["finish_reason"] as? String == "tool_calls")
        #expect(String(buffer: response.body).hasSuffix("data: [DONE]\n\n"))
    }

    @Test("Anthropic's clients get tool_use, whole and streamed, and no empty text before it")
    func anthropic() async throws {
        let call = String(Self.call.drop { $0 != "<" })
        let tool = #"{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}"#
        func body(_ more: String) -> String {
            #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"Rain?"}],"#
                + #""tools":[\#(tool)]\#(more)}"#
        }
        let whole = try await MessagesEndpointTests.post(Self.fixture([call]), body(""), isAnthropic: false)
        let object = try Self.object(whole)
        let content = try #require(object["content"] as? [[String: Any]])
        #expect(object["stop_reason"] as? String == "tool_use" && content.count == 1)
        #expect(content.first?["input"] as? [String: String] == ["city": "Bern"])
        #expect((object["id"] as? String)?.hasPrefix("msg_") == true)
        let stream = try await MessagesEndpointTests.post(
            Self.fixture([call]), body(#","stream":true"#), isAnthropic: false)
        let text = MessagesEndpointTests.text(stream)
        #expect(text.contains("tool_use") && text.contains("input_json_delta") && text.contains("event: message_stop"))
        #expect(!text.contains("text_delta") && !text.contains(#""type":"text""#))
    }

    @Test("A call that cannot be read goes to the LLM with the client's own tools, and the LLM's call comes back")
    func escalates() async throws {
        let message = """
            {"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_x",\
            "type":"function","function":{"name":"weather","arguments":"{\\"city\\":\\"Basel\\"}"}}]},\
            "finish_reason":"tool_calls"}],"usage":{"prompt_tokens":100,"completion_tokens":10}}
            """
        let script = FakeProvider.Script(
            chunks: [PaidChunk(bytes: Array(message.utf8), text: "")],
            result: PaidResult(usage: TokenUsage(input: 100, output: 10), finishReason: "tool_calls"))
        for broken in ["<tool_call>\n{\"name\": \"weather\", \"argu", "<tool_call>{\"name\": \"else\"}</tool_call>"] {
            let fixture = Self.fixture([broken], scripts: [script])
            let response = try await DirectAnswerTests.post(fixture, Self.body(#","stream":false"#))
            #expect(response.status == .ok && response.headers[.servedBy] == "llm")
            #expect(try Self.calls(response) == [#"weather {"city":"Basel"}"#])
            let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
            #expect(sent.contains(Self.tool) && !sent.contains("Steps accepted"))
            #expect(fixture.ledger.snapshot.settled == 1_300_000)
            // Nothing to pay with: what the SLM wrote is the answer, as it stands.
            let poor = Self.fixture([broken], limit: .zero, scripts: [script])
            let kept = try await DirectAnswerTests.post(poor, Self.body())
            #expect(kept.status == .ok && kept.headers[.degraded] == "budget_exhausted")
            #expect(try Self.choice(kept).message["content"] as? String == broken)
        }
    }

    /// With a tool, from a client of Anthropic's.
    private static func message(_ more: String) -> String {
        let tool = #"{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}"#
        return #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"Rain?"}],"#
            + #""tools":[\#(tool)]\#(more)}"#
    }

    @Test("An answer that the LLM's provider filtered is told as such, and a call in it is not to be run")
    func filtered() async throws {
        let call = #"{"id":"c","type":"function","function":{"name":"weather","arguments":"{"}}"#
        for (calls, isStream) in [("", false), ("", true), (#","tool_calls":[\#(call)]"#, false)] {
            let body =
                #"{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"I can"\#(calls)},"#
                + #""finish_reason":"content_filter"}],"usage":{"prompt_tokens":100,"completion_tokens":10}}"#
            let script = FakeProvider.Script(
                chunks: [PaidChunk(bytes: Array(body.utf8), text: "I can")],
                result: PaidResult(usage: TokenUsage(input: 100, output: 10), finishReason: "content_filter"))
            let more = isStream ? #","stream":true"# : ""
            let response = try await DirectAnswerTests.post(
                Self.fixture(["Dunno."], scores: [0.02], scripts: [script]), Self.body(more))
            let text = String(buffer: response.body)
            #expect(text.contains(#""finish_reason":"content_filter""#) && text.contains("I can"))
            let refusal = try await MessagesEndpointTests.post(
                Self.fixture(["Dunno."], scores: [0.02], scripts: [script]), Self.message(more), isAnthropic: false)
            #expect(MessagesEndpointTests.text(refusal).contains(#""stop_reason":"refusal""#))
        }
    }

    @Test("Anthropic's clients are told at which stop sequence the SLM's text ended", arguments: [true, false])
    func stopSequence(isStream: Bool) async throws {
        var fixture = Self.fixture()
        fixture.services.models = CuttingModels(slm: CuttingSLM(steps: ["It rains.@@@ Done"], format: .tagged))
        let body = Self.message(#","stop_sequences":["@@@"],"stream":\#(isStream)"#)
        let text = MessagesEndpointTests.text(
            try await MessagesEndpointTests.post(fixture, body, isAnthropic: false))
        #expect(text.contains("It rains.") && !text.contains("Done"))
        #expect(text.contains(#""stop_reason":"stop_sequence","stop_sequence":"@@@""#))
    }

    @Test("A stream's escalation asks in one piece")
    func escalatesStream() async throws {
        let fixture = Self.fixture(["Dunno."], scores: [0.02], scripts: [completion("It rains.")])
        let response = try await DirectAnswerTests.post(
            fixture, Self.body(#","stream":true,"stream_options":{"include_usage":true}"#))
        let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(!sent.contains("stream") && fixture.provider.calls.first?.isStream == false)
        #expect(String(buffer: response.body).contains("It rains."))
        #expect(!String(buffer: response.body).contains("Dunno."))
    }

    @Test("A call that must be made is drafted by its schema; one that is named allows no other")
    func forced() async throws {
        for (choice, format) in [
            (#""required""#, ToolCallFormat.tagged), (#"{"type":"function","function":{"name":"weather"}}"#, .plain),
        ] {
            let word = format == .plain ? "parameters" : "arguments"
            let fixture = Self.fixture(["{\"name\":\"weather\",\"\(word)\":{\"city\":\"Bern\"}}"], format: format)
            let response = try await DirectAnswerTests.post(fixture, Self.body(#","tool_choice":\#(choice)"#))
            #expect(try Self.calls(response) == [#"weather {"city":"Bern"}"#])
            let schema = try #require(fixture.slm.requests.first?.sampling.jsonSchema)
            let object = try #require(JSONSerialization.jsonObject(with: Data(schema.utf8)) as? [String: Any])
            let first = try #require((object["anyOf"] as? [[String: Any]])?.first)
            #expect(first["required"] as? [String] == ["name", word])
        }
        let none = Self.fixture(["No call."])
        let answer = try await DirectAnswerTests.post(none, Self.body(#","tool_choice":"none""#))
        #expect(try Self.choice(answer).message["content"] as? String == "No call.")
        #expect(none.slm.requests.first?.sampling.jsonSchema == nil)
    }

    @Test("A stop string ends a text: a call that must be made is not cut by it")
    func forcedPastStop() async throws {
        var fixture = Self.fixture()
        let call = #"{"name":"weather","arguments":{"city":"Bern"}}"#
        fixture.services.models = CuttingModels(slm: CuttingSLM(steps: [call], format: .tagged))
        let response = try await DirectAnswerTests.post(
            fixture, Self.body(#","tool_choice":"required","stop":["Bern"]"#))
        #expect(try Self.calls(response) == [#"weather {"city":"Bern"}"#] && fixture.provider.calls.isEmpty)
    }

    @Test("A schema reaches the SLM, and with tools to choose from neither is left out: the LLM gets both")
    func schemas() async throws {
        let schema = #"{"type":"object","properties":{}}"#
        let wanted = #"{"type":"json_schema","json_schema":{"name":"a","schema":\#(schema)}}"#
        let fixture = Self.fixture(["{}"], format: nil)
        let response = try await DirectAnswerTests.post(
            fixture, Self.body(#","response_format":\#(wanted)"#, tools: ""))
        #expect(response.headers[.servedBy] == "slm")
        #expect(fixture.slm.requests.first?.sampling.jsonSchema == #"{"type":"object","properties":{}}"#)
        let object = Self.fixture(["{}"], format: nil)
        _ = try await DirectAnswerTests.post(
            object, Self.body(#","response_format":{"type":"json_object"}"#, tools: ""))
        #expect(object.slm.requests.first?.sampling.jsonSchema == #"{"type":"object"}"#)
        let both = Self.fixture(scripts: [completion("{}")])
        _ = try await DirectAnswerTests.post(both, Self.body(#","response_format":\#(wanted)"#))
        #expect(both.slm.requests.isEmpty && both.provider.calls.count == 1)
    }

    @Test("A schema that no grammar holds is the LLM's, or refused by its keyword where the route may not escalate")
    func unheld() async throws {
        let schema = #"{"type":"object","properties":{"a":{"type":"integer","multipleOf":5}},"required":["a"]}"#
        let format = #"{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":\#(schema)}}"#
        let tools = #","tools":[{"type":"function","function":{"name":"f","parameters":\#(schema)}}]"#
        var settings = RouteSettings()
        settings.escalationForbidden = true
        for (body, field) in [
            (Self.body(#","response_format":\#(format)"#, tools: ""), "response_format"),
            (Self.body(#","tool_choice":"required""#, tools: tools), "tools"),
        ] {
            let fixture = Self.fixture(scripts: [completion("Ten.")])
            let response = try await DirectAnswerTests.post(fixture, body)
            #expect(response.status == .ok && response.headers[.servedBy] == "llm" && fixture.slm.requests.isEmpty)
            let reason = fixture.ledger.snapshot.settlements.first?.escalation.reason
            #expect(reason == "the SLM cannot take \(field) with multipleOf")
            let closed = Fixture(steps: ["x"], settings: settings)
            let refusal = try await DirectAnswerTests.post(closed, body)
            let text = String(buffer: refusal.body)
            #expect(refusal.status == .badRequest && text.contains("cannot take \(field) with multipleOf"))
            #expect(closed.provider.calls.isEmpty && closed.slm.requests.isEmpty)
        }
        // A call that need not be made is not drafted by its schema.
        let free = Self.fixture(["No call."])
        let answer = try await DirectAnswerTests.post(free, Self.body(tools: tools))
        #expect(answer.headers[.servedBy] == "slm" && free.provider.calls.isEmpty)
    }

    @Test("What the SLM has no form for is the LLM's, or refused by name where the route may not escalate")
    func refused() async throws {
        let odd = [
            Self.body(tools: #","tools":[{"type":"custom","custom":{"name":"x"}}]"#),
            Self.body(#","functions":[{"name":"f"}]"#, tools: ""),
            Self.body(
                #","tool_choice":"required""#,
                tools: ##","tools":[{"type":"function","function":{"name":"f","parameters":{"$ref":"#/a"}}}]"##),
        ]
        for body in odd {
            let fixture = Self.fixture(scripts: [completion("LLM.")])
            let response = try await DirectAnswerTests.post(fixture, body)
            #expect(response.status == .ok && fixture.slm.requests.isEmpty, "\(body)")
        }
        var settings = RouteSettings()
        settings.escalationForbidden = true
        let closed = Fixture(steps: ["x"], settings: settings)
        let response = try await DirectAnswerTests.post(closed, Self.body())
        #expect(response.status == .badRequest && String(buffer: response.body).contains("cannot take tools"))
        #expect(closed.provider.calls.isEmpty && closed.slm.requests.isEmpty)
    }

    @Test("Calls and results of earlier turns reach the SLM")
    func turns() async throws {
        let calls = #"[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{}"}}]"#
        let body = """
            {"model":"math","messages":[{"role":"user","content":"Rain?"},{"role":"assistant","content":null,\
            "tool_calls":\(calls)},{"role":"tool","tool_call_id":"c1","content":"grey"}],"tools":[\(Self.tool)]}
            """
        let fixture = Self.fixture(["It is grey."])
        let response = try await DirectAnswerTests.post(fixture, body)
        #expect(try Self.choice(response).message["content"] as? String == "It is grey.")
        let messages = try #require(fixture.slm.requests.first).messages
        #expect(messages[1].toolCalls == calls && messages[2].toolCallID == "c1" && messages[2].content == "grey")
    }

    @Test(
        "Calls are read as the template's models write them",
        arguments: [
            (ToolCallFormat.tagged, "plain text", 0, "plain text"),
            (.tagged, "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call><tool_call>{\"name\":\"g\"}", 2, ""),
            (.tagged, "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}", 1, ""),
            (.tagged, "a {\"name\":\"f\",\"arguments\":{}}", 0, "a {\"name\":\"f\",\"arguments\":{}}"),
            (.plain, "{\"name\":\"f\",\"parameters\":{\"a\":\"}\"}}; {\"name\":\"g\",\"parameters\":{}}\n", 2, ""),
            (.plain, "{\"rows\":[1]}", 0, "{\"rows\":[1]}"),
            (.plain, "{\"name\":\"h\",\"parameters\":{}}", -1, ""),
            (.plain, "{\"name\":\"f\",\"parameters\":[1]}", -1, ""),
            (.tagged, "<tool_call>f()</tool_call>", -1, ""),
        ])
    func reading(format: ToolCallFormat, text: String, calls: Int, rest: String) {
        let turn = ToolCallReader(format: format, tools: ["f", "g"], prefix: "call_").turn(text)
        #expect((turn?.calls.count ?? -1) == calls)
        #expect((turn?.text ?? "") == rest)
        #expect(turn?.calls.map(\.name) ?? [] == Array(["f", "g"].prefix(max(calls, 0))))
    }
}
