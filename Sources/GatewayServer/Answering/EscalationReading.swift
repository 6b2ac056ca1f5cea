internal import GatewayCore
internal import WireFormat

/// Reads what an LLM writes for an escalation, and lets a streaming client read the rest of an answer along.
struct EscalationReading {
    /// nil: nobody reads along.
    var rest: RestStream?
    /// nil: the provider keeps to it.
    let bound: TextBound?
    /// Everything that the LLM wrote.
    private(set) var text = ""
    /// The provider's bytes, where they are kept.
    private(set) var body: [UInt8] = []
    private(set) var failure: ProviderError?

    init(rest: RestStream?, bound: TextBound?) {
        self.rest = rest
        self.bound = bound
    }

    /// Tokens of what the LLM wrote, as far as it is taken.
    func tokens(_ result: PaidResult) -> Int {
        let written = result.tokens(of: text)
        return min(written, bound?.tokens ?? written)
    }

    /// Reads to the end, also when the client leaves: the provider goes on charging.
    /// - Parameter send: takes pieces for the client; false: it has left.
    mutating func read(
        _ exchange: any PaidExchange, keepsBytes: Bool, limits: GatewayLimits, send: (String) async -> Bool
    ) async -> PaidResult {
        var hasClient = true
        do {
            while hasClient, failure == nil, let chunk = try await exchange.next() {
                text += chunk.text
                if keepsBytes { body += chunk.bytes }
                if max(text.utf8.count, body.count) > limits.maxEscalationBytes {
                    failure = ProviderError(code: .interrupted, message: "the reply is too long")
                } else if let piece = rest?.take(chunk.text), !piece.isEmpty {
                    hasClient = await send(piece)
                }
            }
        } catch {
            failure = PaidHop.providerError(error)
        }
        guard hasClient else { return await exchange.drain(seconds: limits.drainSeconds) }
        let result = await exchange.result
        if failure == nil, let piece = rest?.finish(.init(reason: result.finishReason)), !piece.isEmpty {
            _ = await send(piece)
        }
        return result
    }
}

/// The bound of an LLM's text where it may think besides. To its provider both are one, and a model that thinks little
/// could write what was left of its thoughts.
struct TextBound: Sendable {
    /// More than a token of most texts has, so that none is cut that keeps to the bound: a stream is let out before its
    /// tokens are counted.
    private static let mostBytesPerToken = 10
    let tokens: Int

    var streamedBytes: Int { tokens * Self.mostBytesPerToken }

    /// What of a text is within the bound, in proportion to its bytes; nil: all of it.
    func cut(_ text: String, _ result: PaidResult) -> String? {
        let (bytes, written) = (text.utf8.count, result.tokens(of: text))
        guard written > tokens else { return nil }
        var most = bytes * tokens / written
        // Where thoughts are not counted by themselves they may be in the count of the text.
        if result.credibleUsage?.reasoning ?? 0 == 0 { most = max(most, tokens * PaidResult.bytesPerToken) }
        return most < bytes ? text.prefix(bytes: most) : nil
    }
}

extension PaidResult {
    /// Of English text, about: where a provider does not count.
    fileprivate static let bytesPerToken = 4

    /// The provider's counts, where they can be relied on.
    var credibleUsage: TokenUsage? { usage.flatMap { $0.isCredible ? $0 : nil } }

    /// Tokens of the text that an LLM wrote, without its thoughts. A stream that broke and some providers do not say:
    /// were it nothing, the answer could become nearly twice as long as the client allows.
    func tokens(of text: String) -> Int {
        credibleUsage.map { Int($0.output - $0.reasoning) }
            ?? (text.utf8.count + Self.bytesPerToken - 1) / Self.bytesPerToken
    }
}
