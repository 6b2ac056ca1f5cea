internal import WireFormat

/// Writes the gateway's own answers in the client's format.
enum AnswerWriter: Sendable {
    case chat(ChatCompletionWriter, includesUsage: Bool)
    case messages(MessagesWriter)

    /// Appends the beginning of a stream.
    func appendStart(to out: inout [UInt8]) {
        switch self {
        case .chat(let writer, _): writer.appendRole(to: &out)
        case .messages(let writer):
            writer.appendStart(to: &out)
            MessagesWriter.appendBlockStart(.text, index: 0, to: &out)
        }
    }

    /// Appends a piece of the text.
    func appendText(_ text: String, to out: inout [UInt8]) {
        switch self {
        case .chat(let writer, _): writer.appendContent(text, to: &out)
        case .messages: MessagesWriter.appendDelta(text, of: .text, index: 0, to: &out)
        }
    }

    /// Appends the end of a stream.
    /// - Parameter stop: the client's stop string that ended it, for which one format has words.
    func appendEnd(
        _ finishReason: String, stop: String?, usage: TokenCounts, gboost: [UInt8], to out: inout [UInt8]
    ) {
        switch self {
        case .chat(let writer, let includesUsage):
            if includesUsage {
                writer.appendFinish(finishReason, to: &out)
                writer.appendUsage(usage, gboost: gboost, to: &out)
            } else {
                // Clients that did not ask for usage may not expect a chunk without choices.
                writer.appendFinish(finishReason, gboost: gboost, to: &out)
            }
            ChatCompletionWriter.appendDone(to: &out)
        case .messages:
            MessagesWriter.appendBlockStop(index: 0, to: &out)
            MessagesWriter.appendEnd(
                Self.stopReason(finishReason, stop), stopSequence: stop, usage: usage, gboost: gboost, to: &out)
        }
    }

    /// The whole answer as one body.
    func whole(
        text: String, finishReason: String, stop: String?, usage: TokenCounts, gboost: [UInt8]
    ) -> [UInt8] {
        switch self {
        case .chat(let writer, _):
            writer.completion(text: text, finishReason: finishReason, usage: usage, gboost: gboost)
        case .messages(let writer):
            writer.message(
                content: [MessagesWriter.textBlock(text)], stopReason: Self.stopReason(finishReason, stop),
                stopSequence: stop, usage: usage, gboost: gboost)
        }
    }

    private static func stopReason(_ finishReason: String, _ stop: String?) -> String {
        stop == nil ? FinishReason.anthropic(finishReason) : "stop_sequence"
    }
}

extension AnswerWriter {
    /// A whole turn, with calls of tools, as one body.
    func whole(_ turn: AssistantTurn, finishReason: String, usage: TokenCounts, gboost: [UInt8]) -> [UInt8] {
        let writer = completions
        let body = writer.completion(
            message: turn.message, finishReason: finishReason, usage: usage, gboost: gboost)
        guard case .messages = self else { return body }
        // What is written here is well formed: its translation cannot fail.
        return (try? CompletionToMessage.body(body, gboost: gboost)) ?? body
    }

    /// The same as a whole stream.
    func stream(_ turn: AssistantTurn, finishReason: String, usage: TokenCounts, gboost: [UInt8]) -> [UInt8] {
        let writer = completions
        var out: [UInt8] = []
        writer.appendRole(to: &out)
        turn.append(to: &out, by: writer)
        guard case .chat(_, let includesUsage) = self else {
            writer.appendFinish(finishReason, to: &out)
            writer.appendUsage(usage, gboost: nil, to: &out)
            ChatCompletionWriter.appendDone(to: &out)
            var translation = ChunksToEvents()
            let events = (try? translation.pass(out)) ?? []
            return events + translation.finish(gboost: gboost)
        }
        writer.appendFinish(finishReason, gboost: includesUsage ? nil : gboost, to: &out)
        if includesUsage { writer.appendUsage(usage, gboost: gboost, to: &out) }
        ChatCompletionWriter.appendDone(to: &out)
        return out
    }

    /// Turns are written in OpenAI's form first: it has one for calls of tools that everything else is made of.
    private var completions: ChatCompletionWriter {
        switch self {
        case .chat(let writer, _): writer
        case .messages(let writer): ChatCompletionWriter(id: writer.id, created: 0, model: writer.model)
        }
    }
}

extension ClientWire {
    /// Appends an error to a stream that has begun, as the client's library raises it.
    func appendError(_ refusal: GatewayRefusal, to out: inout [UInt8]) {
        switch self {
        case .openAI: ChatCompletionWriter.appendError(refusal.envelope, to: &out)
        case .anthropic: MessagesWriter.appendError(refusal.envelope, to: &out)
        }
    }
}
