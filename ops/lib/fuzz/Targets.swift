import GatewayCore
import WireFormat

/// Everything that reads bytes from outside, each with what it promises about them.
enum Targets {
    typealias Target = @Sendable ([UInt8]) -> Void
    static let all: [String: Target] = [
        "json": json, "sse": sse, "chat-request": chatRequest, "messages-request": messagesRequest,
        "plain-request": plainRequest, "chunks-to-events": chunksToEvents, "events-to-chunks": eventsToChunks,
        "bodies": bodies, "openai-answer": openAIAnswer, "anthropic-answer": anthropicAnswer,
        "responses-answer": responsesAnswer,
    ]

    /// Reading: what is accepted can be walked, and an edited object is still one with the new value in it.
    static func json(_ input: [UInt8]) {
        guard let document = try? JSONDocument(input) else { return }
        walk(document.root, within: input.count)
        guard var editor = try? JSONObjectEditor(document) else { return }
        editor.set("max_tokens", integer: 17)
        editor.remove("model")
        guard let edited = try? JSONDocument(editor.bytes) else { return promise(false, "an edited object is none") }
        promise(edited.root["max_tokens"]?.integer == 17, "the edit is not in it")
        promise(edited.root["model"] == nil, "what was removed is in it")
    }

    private static func walk(_ value: JSONValue, within count: Int) {
        promise(value.range.upperBound <= count, "a range beyond the text")
        switch value.kind {
        case .string:
            promise(String(validating: value.utf8 ?? [0xFF], as: UTF8.self) != nil, "a string that is no UTF-8")
            var written: [UInt8] = []
            JSONWriter.append(value.string ?? "", to: &written)
            let again = try? JSONDocument(written)
            promise(again?.root.string == value.string, "a string that is not read as it was written")
        case .number: _ = (value.integer, value.double)
        default: break
        }
        for element in value.elements { walk(element, within: count) }
        for member in value.members { walk(member.value, within: count) }
    }

    /// The events are the same wherever the stream is cut, and their raw bytes are the stream.
    static func sse(_ input: [UInt8]) {
        let cut = CutInput(input)
        let once = events([cut.whole])
        let parts = events(cut.pieces)
        promise(once.map(\.data) == parts.map(\.data), "cut elsewhere, other events")
        promise(once.map(\.name) == parts.map(\.name), "cut elsewhere, other names")
        promise(parts.flatMap(\.raw).elementsEqual(cut.whole.prefix(parts.flatMap(\.raw).count)), "bytes got lost")
    }

    private static func events(_ pieces: [[UInt8]]) -> [SSEEvent] {
        var parser = SSEParser(maxEventBytes: 1 << 20)
        var events: [SSEEvent] = []
        for piece in pieces {
            guard let found = try? parser.push(piece) else { return events }
            events += found
        }
        if let last = parser.finish() { events.append(last) }
        return events
    }

    /// A request that is taken can be sent on with exactly the bound that was held for, in both formats.
    static func chatRequest(_ input: [UInt8]) {
        guard let request = try? ChatCompletionRequest(input) else { return }
        _ = (request.obstacleForSLM, request.outputLimit)
        if let body = try? ChatToMessages.body(request) {
            guard let other = try? MessagesRequest(body, needsMaxTokens: false) else {
                return promise(false, "a translation that is no messages request")
            }
            _ = try? MessagesToChat.body(other)
        }
        paid(
            try? request.paidBody(model: "m", maxTokens: 17, limitField: .maxCompletionTokens), "max_completion_tokens")
        paid(try? request.paidBody(model: "m", maxTokens: 17), "max_tokens")
    }

    static func messagesRequest(_ input: [UInt8]) {
        guard let request = try? MessagesRequest(input) else { return }
        if let body = try? MessagesToChat.body(request) {
            promise((try? ChatCompletionRequest(body)) != nil, "a translation that is no chat request")
        }
        paid(try? request.paidBody(model: "m", maxTokens: 17), "max_tokens")
    }

    static func plainRequest(_ input: [UInt8]) {
        for kind in PlainRequest.Kind.allCases {
            guard let request = try? PlainRequest(input, kind: kind) else { continue }
            let field = kind == .responses ? "max_output_tokens" : "max_tokens"
            paid(try? request.paidBody(model: "m", maxTokens: 17), kind == .embeddings ? nil : field)
        }
    }

    private static func paid(_ body: [UInt8]?, _ field: String?) {
        guard let body else { return }
        guard let document = try? JSONDocument(body) else { return promise(false, "a paid body that is no JSON") }
        promise(document.root["model"]?.string == "m", "a paid body for another model")
        if let field { promise(document.root[field]?.integer == 17, "a paid body with another \(field)") }
    }

    /// What a client is sent is a stream of events with JSON in them, whatever the provider sent.
    static func chunksToEvents(_ input: [UInt8]) {
        let cut = CutInput(input)
        var parser = SSEParser(maxEventBytes: 1 << 20)
        var relay = ChunksToEvents()
        var sent: [UInt8] = []
        for piece in cut.pieces {
            guard let found = try? parser.push(piece) else { return }
            for event in found {
                guard let bytes = try? relay.pass(event.raw) else { return }
                sent += bytes
            }
        }
        sent += relay.finish(gboost: Array("{}".utf8))
        checkStream(sent)
    }

    static func eventsToChunks(_ input: [UInt8]) {
        let cut = CutInput(input)
        var parser = SSEParser(maxEventBytes: 1 << 20)
        var relay = EventsToChunks(created: 1, wantsUsage: true)
        var sent: [UInt8] = []
        for piece in cut.pieces {
            guard let found = try? parser.push(piece) else { return }
            for event in found {
                guard let bytes = try? relay.pass(event.raw) else { return }
                sent += bytes
            }
        }
        sent += relay.finish(gboost: Array("{}".utf8))
        checkStream(sent)
    }

    private static func checkStream(_ sent: [UInt8]) {
        for event in events([sent]) where !event.data.isEmpty && !event.isDone {
            promise(isJSON(event.data), "an event without JSON: \(String(decoding: event.data, as: UTF8.self))")
        }
    }

    static func bodies(_ input: [UInt8]) {
        let facts = Array("{}".utf8)
        if let body = try? MessageToCompletion.body(input, created: 1, gboost: facts) {
            promise(isJSON(body), "a completion that is no JSON")
        }
        if let body = try? CompletionToMessage.body(input, gboost: facts) {
            promise(isJSON(body), "a message that is no JSON")
        }
    }

    // MARK: - Answers and what they say of usage

    static func openAIAnswer(_ input: [UInt8]) {
        answer(input) { OpenAIAnswer(isStream: $0, providerRequestID: nil, maxEventBytes: 1 << 20) }
        var embeddings = EmbeddingsAnswer(providerRequestID: nil)
        for piece in CutInput(input).pieces { _ = embeddings.push(piece) }
        _ = embeddings.finish()
        check(embeddings.result)
    }

    static func anthropicAnswer(_ input: [UInt8]) {
        answer(input) { AnthropicAnswer(isStream: $0, providerRequestID: nil, maxEventBytes: 1 << 20) }
    }

    static func responsesAnswer(_ input: [UInt8]) {
        answer(input) { ResponsesAnswer(isStream: $0, providerRequestID: nil, maxEventBytes: 1 << 20) }
    }

    /// The same usage and text wherever the wire cuts; counts that are never negative.
    private static func answer(_ input: [UInt8], _ make: (Bool) -> some ProviderAnswer) {
        let cut = CutInput(input)
        for isStream in [true, false] {
            let once = read([cut.whole], make(isStream))
            let parts = read(cut.pieces, make(isStream))
            promise(once.result == parts.result, "cut elsewhere, another result")
            if once.fault == nil, parts.fault == nil { promise(once.text == parts.text, "cut elsewhere, another text") }
            check(parts.result)
        }
    }

    private static func read(
        _ pieces: [[UInt8]], _ answer: some ProviderAnswer
    ) -> (text: String, result: PaidResult, fault: String?) {
        var answer = answer
        var text = ""
        var fault: String?
        for piece in pieces where !answer.isDone && fault == nil {
            let read = answer.push(piece)
            text += read.text
            fault = read.fault
        }
        if fault == nil {
            let last = answer.finish()
            text += last.text
            fault = last.fault
        }
        return (text, answer.result, fault)
    }

    private static func check(_ result: PaidResult) {
        guard let usage = result.usage else { return }
        for count in Mirror(reflecting: usage).children.compactMap({ $0.value as? Int64 }) {
            promise(count >= 0, "a negative count: \(usage)")
        }
    }
}
