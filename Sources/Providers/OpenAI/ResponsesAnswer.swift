internal import GatewayCore
internal import WireFormat

/// What an answer of OpenAI's Responses API has said so far.
typealias ResponsesAnswer = EventAnswer<ResponsesReader>

/// Events and bodies of a response, and what its end says of usage.
struct ResponsesReader: AnswerReader {
    static let names = (event: "one of a response", body: "a response")
    private(set) var result: PaidResult
    private(set) var isDone = false
    /// The request has a mark for an hour: see `PaidCall.hasHourMark`.
    var hasHourMark = false

    init(providerRequestID: String?) { result = PaidResult(providerRequestID: providerRequestID) }

    mutating func read(_ event: SSEEvent) throws(WireFormatError) -> (text: String, error: String?) {
        if event.isDone { return ("", nil) }
        let known = try ResponsesEvent(event: event.data)
        if known.finishReason != nil { note(known) }
        return (known.text, known.error?.message)
    }

    mutating func read(body: [UInt8]) throws(WireFormatError) -> (text: String, error: String?) {
        let known: ResponsesEvent
        do throws(WireFormatError) { known = try ResponsesEvent(body: body) } catch {
            // Answered and charged for, however much it is: the client gets it as it came.
            guard error.code == .limitExceeded else { throw error }
            known = ResponsesEvent(beyondLimits: body)
        }
        note(known)
        return (known.text, known.error?.message)
    }

    private mutating func note(_ event: ResponsesEvent) {
        isDone = true
        result.finishReason = event.finishReason
        result.usage = event.usage.counts.map {
            TokenUsage(hasHourMark ? $0.withHourWrites : $0, raw: event.usageText)
        }
    }
}
