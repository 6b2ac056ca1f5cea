package import Foundation

/// How one try to deliver ended.
package enum DeliveryOutcome: Hashable, Sendable {
    /// The receiver has it: an answer 2xx, or 250 of a mail server.
    case delivered
    /// The receiver does not want this: an answer 3xx or 4xx. Trying again seldom helps.
    case refused(String)
    /// It may pass: no connection, no answer in time, an answer 408, 425, 429 or 5xx. The wait is what was asked for.
    case failed(String, retryAfter: Duration?)
    /// The receiver wants nothing any more: an answer 410.
    case gone(String)
}

/// One destination's queue: what is sent next, when again after a failure, and what is given up.
///
/// A pure state machine. Deliveries go out one at a time, in their order: one that fails blocks those behind it until
/// it arrives or is given up. Answers to anything but the delivery that is under way change nothing, so that repeated,
/// late and exchanged answers do no harm; only "delivered" is believed at any time, for it is true at any time.
package struct DeliveryStateMachine: Sendable {
    /// When it is tried again, and when no more.
    package struct Policy: Hashable, Sendable {
        /// Bound of the wait after the first failure; it doubles with each further one.
        package var baseDelay = Duration.seconds(5)
        package var maxDelay = Duration.seconds(15 * 60)
        /// A receiver that asks for a longer wait is not waited for longer than this.
        package var maxRetryAfter = Duration.seconds(3600)
        /// Tries of one delivery.
        package var maxAttempts = 150
        /// Refusals of one delivery.
        package var maxRefusals = 5
        /// A delivery that has waited longer is given up after its next failure.
        package var maxAge = Duration.seconds(24 * 3600)
        package init() {}
    }

    /// A delivery that waits.
    package struct Item: Hashable, Sendable {
        package var id: Int64
        /// Tries so far that failed, refusals among them.
        package var attempts: Int
        package var refusals: Int
        package var queuedAt: Date
        package init(id: Int64, attempts: Int = 0, refusals: Int = 0, queuedAt: Date) {
            self.id = id
            self.attempts = attempts
            self.refusals = refusals
            self.queuedAt = queuedAt
        }
    }

    /// What is to be done now.
    package enum Action: Hashable, Sendable {
        /// Send this delivery and report its end.
        case send(Item)
        /// Nothing before this moment.
        case wait(until: Date)
        /// One is under way.
        case listen
        /// Nothing waits.
        case rest
    }

    /// What a try's end means.
    package enum Verdict: Hashable, Sendable {
        case delivered
        case tryAgain(after: Duration)
        /// To the dead letters; what is behind it goes on.
        case giveUp
        /// To the dead letters, and nothing more is sent to this destination until a person says so.
        case pause
        /// An answer to something that is over.
        case ignored
    }

    private let policy: Policy
    private var queue: [Item] = []
    private var underWay: Int64?
    private var retryAt: Date?
    private var isPaused = false

    package init(policy: Policy = Policy(), retryAt: Date? = nil) {
        self.policy = policy
        self.retryAt = retryAt
    }

    /// Deliveries that wait or are under way.
    package var count: Int { queue.count }
    package var isEmpty: Bool { queue.isEmpty }

    /// Adds deliveries in their order; those that are there already are not added again.
    package mutating func enqueue(_ items: [Item]) {
        let known = Set(queue.map(\.id))
        queue += items.filter { !known.contains($0.id) }
        // One whose transaction ended late may come before those that are there, never before one under way.
        let start = underWay == nil ? 0 : 1
        queue[start...].sort { $0.id < $1.id }
    }

    /// What is to be done now. `send` counts as sent.
    package mutating func next(now: Date) -> Action {
        guard !isPaused, let head = queue.first else { return .rest }
        if underWay != nil { return .listen }
        if let retryAt, now < retryAt { return .wait(until: retryAt) }
        underWay = head.id
        return .send(head)
    }

    /// A try has ended, or an answer has come a second time.
    package mutating func ended(
        _ id: Int64, _ outcome: DeliveryOutcome, now: Date, using generator: inout some RandomNumberGenerator
    ) -> Verdict {
        guard let index = queue.firstIndex(where: { $0.id == id }) else { return .ignored }
        if outcome == .delivered {
            if underWay == id {
                underWay = nil
                retryAt = nil
            }
            queue.remove(at: index)
            return .delivered
        }
        guard underWay == id, var head = queue.first else { return .ignored }
        underWay = nil
        head.attempts += 1
        queue[0] = head
        var wish: Duration?
        switch outcome {
        case .gone:
            isPaused = true
            queue.removeFirst()
            return .pause
        case .refused:
            head.refusals += 1
            queue[0] = head
        case .failed(_, let retryAfter): wish = retryAfter
        case .delivered: break
        }
        guard head.refusals < policy.maxRefusals, head.attempts < policy.maxAttempts,
            now.timeIntervalSince(head.queuedAt) < policy.maxAge / .seconds(1)
        else {
            queue.removeFirst()
            return .giveUp
        }
        let wait = max(delay(after: head.attempts, using: &generator), min(wish ?? .zero, policy.maxRetryAfter))
        retryAt = now.addingTimeInterval(wait / .seconds(1))
        return .tryAgain(after: wait)
    }

    /// A try was broken off by this side: it says nothing about the receiver.
    package mutating func abandoned(_ id: Int64) {
        if underWay == id { underWay = nil }
    }

    /// Between half and the whole of the bound, so that what failed together does not come back together.
    private func delay(after attempts: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        let bound = min(policy.baseDelay * (1 << min(max(attempts - 1, 0), 20)), policy.maxDelay)
        let fraction = Double(generator.next() >> 11) / 0x1p53
        return bound * (0.5 + fraction / 2)
    }
}
