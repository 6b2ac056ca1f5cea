internal import Synchronization

/// How much of the engines' time may go into reading what LLMs wrote: a small part of what answers take, one at a time.
final class ReadingAllowance: Sendable {
    /// The arithmetic, without a clock.
    struct Account: Hashable, Sendable {
        /// Part of the time that drafting takes.
        static let share = 0.03
        /// Time that may be saved up; a new gateway begins with it.
        static let most = Duration.seconds(5)

        private var credit = Account.most
        private var isReading = false

        /// An engine drafted for an answer.
        mutating func worked(_ time: Duration) { credit = min(credit + time * Self.share, Self.most) }

        /// Whether a reading may begin; true takes the place.
        mutating func begin() -> Bool {
            guard !isReading, credit > .zero else { return false }
            isReading = true
            return true
        }

        /// A reading took this long. What it took too much is saved before the next.
        mutating func end(_ time: Duration) {
            isReading = false
            credit -= time
        }
    }

    private let account = Mutex(Account())

    func worked(_ time: Duration) { account.withLock { $0.worked(time) } }

    /// Runs a reading, if one may begin.
    func read(_ body: () async -> Double?) async -> Double? {
        guard account.withLock({ $0.begin() }) else { return nil }
        let started = ContinuousClock.now
        let result = await body()
        account.withLock { $0.end(ContinuousClock.now - started) }
        return result
    }
}
