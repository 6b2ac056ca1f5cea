import Testing
import WireFormat

@testable import SimulatedProvider

@Suite("Answers are written as each format's clients read them")
struct WireJSONTests {
    /// More tokens than two calls have.
    private static let limits = 1...24

    private static func reply(maxTokens: Int, tools: [String] = []) -> (ChatRequest, SimulatedReply) {
        var request = ChatRequest(
            model: "m", messages: [.init(role: "user", content: "x")], isStream: true, maxTokens: maxTokens, stop: [])
        request.tools = tools.map { .init(name: $0) }
        return (request, SimulatedReply(full: "One two three, four.", request: request))
    }

    private static func root(_ text: some StringProtocol) throws -> JSONValue {
        try JSONDocument(Array(text.utf8)).root
    }

    private static func raw(_ value: JSONValue?) -> String? {
        value.map { String(decoding: $0.rawBytes, as: UTF8.self) }
    }

    /// The objects that a tool is called with, wherever an answer has them.
    private static func calls(in value: JSONValue, _ name: String) -> [String] {
        if value.kind == .array { return value.elements.flatMap { calls(in: $0, name) } }
        if let call = value[name], call.kind == .object { return [raw(call) ?? ""] }
        return value.members.flatMap { calls(in: $0.value, name) }
    }

    @Test("Arguments that are an object have the members that are whole")
    func objects() {
        let whole = #"{"place":"Zü,}\"","list":[1,{"a":2}],"days":3}"#
        #expect(SimulatedReply.object(whole) == whole)
        for (cut, kept) in [
            ("", "{}"), ("{", "{}"), (#"{"place":"Zü,}"#, "{}"), (#"{"place":"Zü,}\"""#, "{}"),
            (#"{"place":"Zü,}\"","#, #"{"place":"Zü,}\""}"#),
            (#"{"place":"Zü,}\"","list":[1,{"a":2}]"#, #"{"place":"Zü,}\""}"#),
            (#"{"place":"Zü,}\"","list":[1,{"a":2}],"days":"#, #"{"place":"Zü,}\"","list":[1,{"a":2}]}"#),
        ] { #expect(SimulatedReply.object(cut) == kept) }
    }

    @Test(
        "A call that max_tokens cuts is an object where the format has one",
        arguments: [
            (.messages, "input"), (.gemini(model: "m", isStream: false), "args"),
            (.converse(model: "m", isStream: false), "input"),
        ] as [(SimulatedWire, String)])
    func cutCalls(wire: SimulatedWire, name: String) throws {
        let all = SimulatedReply.arguments.joined()
        for limit in Self.limits {
            let (request, reply) = Self.reply(maxTokens: limit, tools: ["weather", "news"])
            let whole = wire.json(number: 1, request: request, now: 0).whole(reply, usage: nil)
            let calls = Self.calls(in: try Self.root(whole), name)
            #expect(calls.count == reply.tools.count && reply.outputTokens <= limit)
            #expect(calls.allSatisfy { ["{}", #"{"place":"Zürich"}"#, all].contains($0) }, "\(calls)")
            // Only the last can be the cut one.
            #expect(calls.dropLast().allSatisfy { $0 == all })
            #expect(calls.last == all || reply.finishReason == "length")
        }
    }

    @Test("Gemini's stream makes the calls of its whole answer")
    func cutStream() throws {
        let wire = SimulatedWire.gemini(model: "m", isStream: true)
        for limit in Self.limits {
            let (request, reply) = Self.reply(maxTokens: limit, tools: ["weather", "news"])
            let json = wire.json(number: 1, request: request, now: 0)
            let chunks = json.events(reply.pieces).filter { $0.hasPrefix("data: ") }
            let streamed = try chunks.flatMap { Self.calls(in: try Self.root($0.dropFirst(6)), "args") }
            #expect(streamed == Self.calls(in: try Self.root(json.whole(reply, usage: nil)), "args"))
        }
    }

    @Test("OpenAI's arguments are a text, and may be cut within it")
    func cutText() throws {
        let (request, reply) = Self.reply(maxTokens: 6, tools: ["weather"])
        let whole = SimulatedWire.chat.json(number: 1, request: request, now: 0).whole(reply, usage: nil)
        _ = try Self.root(whole)
        #expect(whole.contains(#""arguments":"{\"place\":\"Zürich"}"#), "\(whole)")
    }

    // MARK: Responses

    /// The events of a response's whole stream.
    private static func events(maxTokens: Int, tools: [String] = []) throws -> (SimulatedReply, [SSEEvent], String) {
        let (request, reply) = Self.reply(maxTokens: maxTokens, tools: tools)
        let json = SimulatedWire.responses.json(number: 1, request: request, now: 0)
        let usage = SimulatedUsage(input: 3, output: reply.outputTokens)
        let text =
            json.first(nil, isStale: false) + json.events(reply.pieces).joined()
            + json.end(reply, usage: usage, isInChoices: false)
        var parser = SSEParser()
        return (reply, try parser.push(Array(text.utf8)), json.whole(reply, usage: usage))
    }

    private static let message = [
        "response.output_item.added", "response.content_part.added", "response.output_text.delta",
        "response.output_text.done", "response.content_part.done", "response.output_item.done",
    ]
    private static let call = [
        "response.output_item.added", "response.function_call_arguments.delta",
        "response.function_call_arguments.done", "response.output_item.done",
    ]

    @Test(
        "A response's stream opens and ends each item, counts its events, and ends with the whole answer",
        arguments: [
            (100, [], message, "completed"), (2, [], message, "incomplete"),
            (100, ["f", "g"], call + call, "completed"), (4, ["f", "g"], call, "incomplete"),
        ] as [(Int, [String], [String], String)])
    func responses(maxTokens: Int, tools: [String], items: [String], status: String) throws {
        let (reply, events, whole) = try Self.events(maxTokens: maxTokens, tools: tools)
        let objects = try events.map { try JSONDocument($0.data).root }
        #expect(objects.map { $0["sequence_number"]?.integer } == (0..<events.count).map { Int64($0) })
        #expect(objects.map { $0["type"]?.string } == events.map(\.name))
        // Of deltas that follow one another, one.
        let names = events.compactMap(\.name)
        let kinds = names.indices.filter { $0 == 0 || names[$0] != names[$0 - 1] }.map { names[$0] }
        #expect(kinds == ["response.created", "response.in_progress"] + items + ["response.\(status)"])
        #expect(Self.raw(objects.last?["response"]) == whole)
        let done = objects.filter { $0["type"]?.string == "response.output_item.done" }.map { Self.raw($0["item"]) }
        let output = try Self.root(whole)["output"]?.elements ?? []
        #expect(done == output.map { Self.raw($0) } && !output.isEmpty)
        #expect(output.last?["status"]?.string == status)
        // The gateway's reader: the text is said once, in the deltas.
        let known = try events.map { try ResponsesEvent(event: $0.data) }
        #expect(known.map(\.text).joined() == reply.text)
        #expect(try ResponsesEvent(body: Array(whole.utf8)).text == reply.text)
        #expect(known.compactMap(\.finishReason).count == 1)
        #expect(known.last?.usage.counts == TokenCounts(prompt: 3, completion: Int64(reply.outputTokens)))
    }
}
