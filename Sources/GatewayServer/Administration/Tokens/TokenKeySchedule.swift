/// When keys are read again. Pure: told what time it is.
///
/// A token with an unknown key is no reason to ask at any rate that somebody likes to send such tokens at.
struct TokenKeySchedule: Sendable, Hashable {
    typealias Instant = ContinuousClock.Instant

    /// What keys are wanted for.
    enum Occasion: Hashable, Sendable {
        /// Any token.
        case use
        /// One whose key is not among them.
        case unknownKey
    }

    /// What is done before the keys that are known are used.
    enum Way: Hashable, Sendable {
        case use
        /// They are read anew meanwhile, and nobody waits for that.
        case useAndRead
        case readFirst
    }

    /// Keys that could not be read anew for so long are no longer used: an identity provider that takes one back must
    /// be heard some time.
    static let lifetime = Duration.seconds(24 * 60 * 60)

    /// How long keys are used without asking.
    var freshness: Duration
    /// After a try that failed, those that are known are used for so long.
    var patience: Duration
    /// Between two tries for unknown keys.
    var reserve: Duration
    /// Between two tries while none are known that can be used.
    var impatience: Duration
    /// Whether keys that are not fresh are read before they are used: where reading takes no time.
    var readsFirst = false
    private var triedAt: Instant?
    private var readAt: Instant?

    /// Of an address: each read is a call to somebody else's server.
    static let address = TokenKeySchedule(
        freshness: .seconds(600), patience: .seconds(30), reserve: .seconds(30), impatience: .seconds(5))
    /// Of a file: to see that it did not change costs next to nothing.
    static let file = TokenKeySchedule(
        freshness: .seconds(1), patience: .seconds(1), reserve: .zero, impatience: .seconds(1),
        readsFirst: true)

    init(
        freshness: Duration, patience: Duration, reserve: Duration, impatience: Duration, readsFirst: Bool = false
    ) {
        self.freshness = freshness
        self.patience = patience
        self.reserve = reserve
        self.impatience = impatience
        self.readsFirst = readsFirst
    }

    /// Whether the keys that are known can be used without asking.
    func isFresh(at now: Instant) -> Bool {
        readAt.map { $0.duration(to: now) < freshness } ?? false
    }

    /// Whether the keys that are known can be used at all.
    func isUsable(at now: Instant) -> Bool {
        readAt.map { $0.duration(to: now) < Self.lifetime } ?? false
    }

    /// How to come to keys for a token.
    func way(at now: Instant) -> Way {
        if isFresh(at: now) { return .use }
        return readsFirst || !isUsable(at: now) ? .readFirst : .useAndRead
    }

    /// Whether to ask now.
    func isDue(for occasion: Occasion, at now: Instant) -> Bool {
        guard let triedAt else { return true }
        let wait = triedAt.duration(to: now)
        guard isUsable(at: now) else { return wait >= impatience }
        return switch occasion {
        case .use: !isFresh(at: now) && wait >= patience
        case .unknownKey: wait >= reserve
        }
    }

    mutating func begin(at now: Instant) { triedAt = now }

    /// Keys were read, or found to be as they were.
    mutating func succeed(at now: Instant) { readAt = now }
}
