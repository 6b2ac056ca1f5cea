internal import GatewayCore
internal import WireFormat

/// What an Anthropic answer has said so far.
typealias AnthropicAnswer = EventAnswer<AnthropicReader>

/// Events and messages, and what they say of usage.
struct AnthropicReader: AnswerReader {
    static let names = (event: "one of a message", body: "a message")
    /// What was said of the counts so far: not to be relied on before the answer's end is known.
    private var usage: AnthropicUsage?
    private(set) var result: PaidResult
    /// `message_stop` was seen.
    private(set) var isDone = false

    init(providerRequestID: String?) { result = PaidResult(providerRequestID: providerRequestID) }

    mutating func read(_ event: SSEEvent) throws(WireFormatError) -> (text: String, error: String?) {
        let known = try AnthropicEvent(event.data)
        note(known)
        return (known.text, known.error?.message)
    }

    mutating func read(body: [UInt8]) throws(WireFormatError) -> (text: String, error: String?) {
        let message = try AnthropicMessage(body)
        usage = message.usage
        result.finishReason = FinishReason.openAI(message.stopReason)
        settle()
        return (message.text, message.error?.message)
    }

    private mutating func note(_ event: AnthropicEvent) {
        if let later = event.usage { usage = usage?.replaced(by: later) ?? later }
        if let reason = event.stopReason { result.finishReason = FinishReason.openAI(reason) }
        if event.type == "message_stop" { isDone = true }
        // Counts of a `message_start`, or of an answer that goes on, are not yet what is charged.
        if result.finishReason != nil, event.type == "message_delta" || event.type == "message_stop" { settle() }
    }

    private mutating func settle() {
        guard let counts = usage?.field.counts else {
            result.usage = nil
            return
        }
        result.usage = TokenUsage(counts, raw: usage?.raw)
    }
}
