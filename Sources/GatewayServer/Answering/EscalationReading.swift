internal import GatewayCore
internal import WireFormat

/// Reads what an LLM writes for an escalation, and lets a streaming client read the rest of an answer along.
struct EscalationReading {
    /// nil: nobody reads along.
    var rest: RestStream?
    /// Everything that the LLM wrote.
    private(set) var text = ""
    /// The provider's bytes, where they are kept.
    private(set) var body: [UInt8] = []
    private(set) var failure: ProviderError?

    init(rest: RestStream?) { self.rest = rest }

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
