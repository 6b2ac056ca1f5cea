package import Foundation
package import GatewayCore
internal import Synchronization

/// This gateway's count of what local models answer: a `LocalLimiter` behind a lock, with a clock.
package final class LocalLimits: Sendable {
    private let limiter = Mutex(LocalLimiter())
    private let now: @Sendable () -> Date

    package init(now: @escaping @Sendable () -> Date = { Date() }) { self.now = now }

    /// Tests and counts a request; whoever is admitted must call `finish` once.
    package func admit(_ limits: [LocalLimit], tokens: Int64) -> LocalLimiter.Admission {
        let time = now()
        return limiter.withLock { $0.admit(limits, tokens: tokens, now: time) }
    }

    package func finish(_ ticket: LocalLimiter.Ticket, tokens: Int64) {
        limiter.withLock { $0.finish(ticket, tokens: tokens) }
    }
}
