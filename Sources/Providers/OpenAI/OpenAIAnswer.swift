internal import GatewayCore
internal import WireFormat

/// What an OpenAI-compatible answer has said so far.
typealias OpenAIAnswer = EventAnswer<OpenAIReader>

/// Chunks and completions, and what they say of usage.
struct OpenAIReader: AnswerReader {
    static let names = (event: "a chunk", body: "a completion")
    private(set) var result: PaidResult
    /// `[DONE]` was seen: nothing that follows counts.
    private(set) var isDone = false
    /// The request has a mark for an hour: see `PaidCall.hasHourMark`.
    var hasHourMark = false
    /// Counts that were stated before the answer's end: what a stream that broke had counted is not what is charged.
    private var counted: TokenUsage?
    /// Of the last chunk that was parsed and was nothing but text.
    private var template: ChunkTemplate?

    init(providerRequestID: String?) { result = PaidResult(providerRequestID: providerRequestID) }

    mutating func read(_ event: SSEEvent) throws(WireFormatError) -> (text: String, error: String?) {
        if event.isDone {
            isDone = true
            result.usage = counted
            return ("", nil)
        }
        if let text = template?.text(of: event.data) { return (text, nil) }
        let chunk = try OpenAIChunk(event.data)
        template = chunk.textRange.flatMap { ChunkTemplate(event.data, text: $0) }
        note(chunk.usage, chunk.usageText, chunk.finishReason)
        // Some state the counts so far with every chunk; those at the end come with its reason, or without a choice.
        let isAlone = !chunk.hasChoices && chunk.usage != .absent
        if chunk.error == nil, result.finishReason != nil || isAlone { result.usage = counted }
        return (chunk.text, chunk.error?.message)
    }

    mutating func read(body: [UInt8]) throws(WireFormatError) -> (text: String, error: String?) {
        let completion: OpenAICompletion
        do throws(WireFormatError) { completion = try OpenAICompletion(body) } catch {
            // Answered and charged for, however much it is: the client gets it as it came.
            guard error.code == .limitExceeded else { throw error }
            completion = OpenAICompletion(beyondLimits: body)
        }
        note(completion.usage, completion.usageText, completion.finishReason)
        result.usage = counted
        return (completion.text, completion.error?.message)
    }

    /// The last usage wins; counts are never added up. Counts that cannot be relied on are none, so that the whole
    /// hold is settled.
    private mutating func note(_ usage: UsageField, _ raw: String?, _ finishReason: String?) {
        switch usage {
        case .absent: break
        case .invalid: counted = nil
        case .valid(let counts): counted = TokenUsage(hasHourMark ? counts.withHourWrites : counts, raw: raw)
        }
        if let finishReason { result.finishReason = finishReason }
    }
}

extension TokenUsage {
    /// - Parameter raw: the provider's own usage object.
    init(_ counts: TokenCounts, raw: String?) {
        self.init(
            input: counts.prompt, cachedInput: counts.cached, cacheWrite5m: counts.cacheWrite - counts.cacheWrite1h,
            cacheWrite1h: counts.cacheWrite1h, output: counts.completion, reasoning: counts.reasoning, raw: raw)
    }
}
