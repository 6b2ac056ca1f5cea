/// When a failed paid call is tried again. Every try has a hold of its own.
///
/// Only calls that cannot have been charged are tried again: a broken connection after the request was sent may have
/// been, and another try would pay twice.
package struct RetryPolicy: Hashable, Sendable {
    /// Tries in all, the first included.
    package var maxAttempts = 3
    /// Bound of the wait before the second try; it doubles with each further one.
    package var baseDelay: Duration = .milliseconds(200)
    package var maxDelay: Duration = .seconds(5)
    /// A provider that wants a longer wait than this is not waited for.
    package var maxRetryAfter: Duration = .seconds(10)
    package init() {}

    /// What to do after a failure.
    package enum Verdict: Hashable, Sendable {
        case retry(after: Duration)
        case giveUp
    }

    /// - Parameters:
    ///   - attempt: Tries made so far, from 1.
    ///   - generator: Spreads the waits, so that clients which failed together do not come back together.
    package func verdict(
        _ error: ProviderError, attempt: Int, using generator: inout some RandomNumberGenerator
    ) -> Verdict {
        guard attempt < maxAttempts, !error.mayHaveCharged, Self.isWorthRetrying(error) else { return .giveUp }
        if let seconds = error.retryAfterSeconds {
            let wish = Duration.seconds(max(seconds, 0))
            return wish <= maxRetryAfter ? .retry(after: wish) : .giveUp
        }
        let doublings = min(max(attempt - 1, 0), 20)
        let bound = min(baseDelay * (1 << doublings), maxDelay)
        // Between half and the whole of the bound; 53 bits are what a double holds.
        let fraction = Double(generator.next() >> 11) / 0x1p53
        return .retry(after: bound * (0.5 + fraction / 2))
    }

    /// Errors that can pass: no connection, rate limits, and the provider's own failures.
    private static func isWorthRetrying(_ error: ProviderError) -> Bool {
        guard error.code == .status else { return error.code == .unreachable }
        return [408, 409, 429, 500, 502, 503, 504, 529].contains(error.status ?? 0)
    }
}
