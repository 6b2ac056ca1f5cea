/// Keeps retries a small share of the calls: a provider in trouble must not get several times its load.
///
/// A pure state machine: every first try pays a tenth of a retry in, every retry takes a whole one out.
package struct RetryBudget: Hashable, Sendable {
    /// Retries that may follow each other when nothing else happens: also what a new budget starts with.
    package static let maxRetries = 10
    /// First tries for which one retry is allowed in the long run.
    package static let callsPerRetry = 10

    /// In tenths of a retry.
    private var balance = maxRetries * callsPerRetry
    package init() {}

    /// Retries that could be made now.
    package var retries: Int { balance / Self.callsPerRetry }

    /// A call is tried for the first time.
    package mutating func called() { balance = min(balance + 1, Self.maxRetries * Self.callsPerRetry) }

    /// Takes a retry out; false: there is none.
    package mutating func takeRetry() -> Bool {
        guard balance >= Self.callsPerRetry else { return false }
        balance -= Self.callsPerRetry
        return true
    }
}
