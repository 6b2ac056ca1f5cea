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
    func appendEnd(_ finishReason: String, usage: TokenCounts, gboost: [UInt8], to out: inout [UInt8]) {
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
                FinishReason.anthropic(finishReason), usage: usage, gboost: gboost, to: &out)
        }
    }

    /// The whole answer as one body.
    func whole(text: String, finishReason: String, usage: TokenCounts, gboost: [UInt8]) -> [UInt8] {
        switch self {
        case .chat(let writer, _):
            writer.completion(text: text, finishReason: finishReason, usage: usage, gboost: gboost)
        case .messages(let writer):
            writer.message(
                content: [MessagesWriter.textBlock(text)], stopReason: FinishReason.anthropic(finishReason),
                usage: usage, gboost: gboost)
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
