internal import Curl
internal import GatewayCore
internal import Synchronization

/// A running answer of an API over HTTP. One reader.
final class ProviderExchange<Answer: ProviderAnswer>: PaidExchange {
    private struct State {
        var answer: Answer
        /// The answer is over: nil for its proper end, or why it broke.
        var end: ProviderError??
    }

    /// How long the end of the body is waited for after the end mark, so that the connection can be used again.
    private static var tailLimit: Duration { .milliseconds(250) }
    private static var maxDrainSeconds: Double { 600 }

    private let response: CurlResponse
    private let redaction: Redaction
    private let state: Mutex<State>

    init(_ response: CurlResponse, answer: Answer, redaction: Redaction) {
        self.response = response
        self.redaction = redaction
        state = Mutex(State(answer: answer))
    }

    var result: PaidResult { get async { state.withLock { $0.answer.result } } }

    func next() async throws -> PaidChunk? {
        while true {
            let (end, isDone) = state.withLock { ($0.end, $0.answer.isDone) }
            if let end {
                if let error = end { throw error }
                return nil
            }
            if isDone {
                await readTail()
                continue
            }
            let piece: AnswerPiece
            do throws(CurlError) {
                piece = take(try await response.next())
            } catch {
                let error = ProviderError(error, redaction)
                // A cancelled task ends this wait only: another one may drain.
                if !Task.isCancelled { state.withLock { $0.end = .some(error) } }
                throw error
            }
            if !piece.bytes.isEmpty { return PaidChunk(bytes: piece.bytes, text: piece.text) }
        }
    }

    func drain(seconds: Double) async -> PaidResult {
        // A task of its own, because the caller's may be cancelled already: that is when draining is needed.
        await Task { [self] in
            let limit = seconds.isFinite ? min(max(seconds, 0), Self.maxDrainSeconds) : 0
            if limit > 0 {
                await response.cancelled(after: .seconds(limit)) {
                    while (try? await next()) != nil {}
                }
            }
            response.cancel()
            return await result
        }.value
    }

    func cancel() async { response.cancel() }

    private func take(_ bytes: [UInt8]?) -> AnswerPiece {
        state.withLock { s in
            let piece = bytes.map { s.answer.push($0) } ?? s.answer.finish()
            if let fault = piece.fault {
                var error = ProviderError(code: .interrupted, message: redaction.clean(fault))
                error.isForeign = true
                s.end = .some(error)
                response.cancel()
            } else if bytes == nil {
                s.end = .some(nil)
            }
            return piece
        }
    }

    /// All that counts has arrived. What is left is the end of the body, which mostly is there already.
    private func readTail() async {
        await response.cancelled(after: Self.tailLimit) {
            while let more = try? await response.next(), !more.isEmpty {}
        }
        response.cancel()
        state.withLock { $0.end = .some(nil) }
    }
}
