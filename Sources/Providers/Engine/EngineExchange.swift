internal import Foundation
internal import GatewayCore
internal import WireFormat

/// One answer of a model that is served at home, in the form of an OpenAI-compatible provider's.
actor EngineExchange: PaidExchange {
    private enum Piece: Sendable {
        case text(String)
        case end(StepDraft)
    }

    private let call: PaidCall
    private let writer: ChatCompletionWriter
    private let pieces: AsyncThrowingStream<Piece, any Error>
    private let work: Task<Void, Never>
    /// Pieces that were taken and not delivered yet.
    private var ahead: [Piece] = []
    private var text = ""
    private var hasBegun = false
    private var hasEnded = false
    private var known = PaidResult()

    /// - Parameter write: answers, and hands out the text as it comes.
    init(
        call: PaidCall,
        write: @escaping @Sendable (_ onText: @escaping @Sendable (String) -> Void) async throws -> StepDraft
    ) {
        self.call = call
        // The ledger's entry has it: that is where an auditor sees who wrote a step.
        let id = "\(call.fusion == nil ? "chatcmpl" : "fusion")-\(call.requestID)"
        writer = ChatCompletionWriter(
            id: id, created: Int64(Date().timeIntervalSince1970), model: call.model.model)
        known.providerRequestID = id
        // Bounded by the most tokens of an answer: each is at most one piece.
        let (pieces, continuation) = AsyncThrowingStream.makeStream(of: Piece.self)
        self.pieces = pieces
        work = Task {
            do {
                let draft = try await write { continuation.yield(.text($0)) }
                continuation.yield(.end(draft))
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
    }

    /// Waits for the first piece.
    func begin() async throws {
        if let first = try await take() { ahead.append(first) }
    }

    func next() async throws -> PaidChunk? {
        guard !hasEnded else { return nil }
        while true {
            let piece = ahead.isEmpty ? try await take() : ahead.removeFirst()
            switch piece {
            case nil: throw Self.providerError(CancellationError())
            case .text(let piece):
                text += piece
                if call.isStream { return chunk(piece) }
            case .end(let draft):
                hasEnded = true
                note(draft)
                return last(draft)
            }
        }
    }

    func drain(seconds: Double) async -> PaidResult {
        let limit = Task {
            try await Task.sleep(for: .seconds(seconds))
            self.cancel()
        }
        while (try? await next()) != nil {}
        limit.cancel()
        return known
    }

    func cancel() { work.cancel() }

    var result: PaidResult { known }

    // MARK: Pieces

    private func take() async throws -> Piece? {
        var iterator = pieces.makeAsyncIterator()
        do {
            return try await iterator.next()
        } catch {
            hasEnded = true
            throw Self.providerError(error)
        }
    }

    private func note(_ draft: StepDraft) {
        // A template may add what no bound on the client's text knows of; the bill is the gateway's own, and it asks
        // for no more than was held.
        let input = min(Int64(draft.promptTokens), call.maxInputTokens)
        known.usage = TokenUsage(
            input: input, cachedInput: min(Int64(draft.reusedTokens), input),
            output: min(Int64(draft.tokens.count), call.maxOutputTokens))
        known.finishReason =
            switch draft.end {
            case .answer: "stop"
            case .length: "length"
            case .boundary: "boundary"
            }
    }

    private func chunk(_ piece: String) -> PaidChunk {
        var bytes: [UInt8] = []
        if !hasBegun { writer.appendRole(to: &bytes) }
        hasBegun = true
        writer.appendContent(piece, to: &bytes)
        return PaidChunk(bytes: bytes, text: piece)
    }

    /// What is left of the answer, with its usage.
    private func last(_ draft: StepDraft) -> PaidChunk {
        let counts = TokenCounts(
            prompt: known.usage?.input ?? 0, cached: known.usage?.cachedInput ?? 0,
            completion: known.usage?.output ?? 0)
        let reason = known.finishReason ?? "stop"
        guard call.isStream else {
            return PaidChunk(
                bytes: writer.completion(text: draft.text, finishReason: reason, usage: counts), text: draft.text)
        }
        var bytes: [UInt8] = []
        if !hasBegun { writer.appendRole(to: &bytes) }
        let rest = String(draft.text.dropFirst(text.count))
        if !rest.isEmpty { writer.appendContent(rest, to: &bytes) }
        writer.appendFinish(reason, to: &bytes)
        writer.appendUsage(counts, gboost: nil, to: &bytes)
        ChatCompletionWriter.appendDone(to: &bytes)
        return PaidChunk(bytes: bytes, text: rest)
    }

    /// The engine's failures as a provider's that does not charge for them; only an answer that was given up midway
    /// has used what nobody has counted.
    private static func providerError(_ error: any Error) -> ProviderError {
        switch error as? LocalModelError {
        case .unavailable(let why): ProviderError(code: .status, status: 503, message: why)
        case .interrupted: ProviderError(code: .status, status: 502, message: "the engine host ended")
        case .overloaded(let seconds):
            ProviderError(code: .status, status: 429, retryAfterSeconds: seconds, message: "the engine's queue is full")
        case .contextExceeded(let tokens, let limit):
            ProviderError(
                code: .status, status: 400, message: "messages: \(tokens) tokens do not fit the model's \(limit)")
        // A fused step ends where its route's steps do: this model, which all tenants may have, is not to blame.
        case .invalid(let why), .unusablePattern(let why): ProviderError(code: .status, status: 400, message: why)
        case .deadlineExceeded: ProviderError(code: .status, status: 504, message: "the engine took too long")
        case nil: ProviderError(code: .interrupted, message: "the answer was given up")
        }
    }
}
