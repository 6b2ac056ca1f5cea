/// The breaker of a provider that tenants share: what one of them does keeps no other away.
///
/// Where nobody answered (no connection, no head in time) it does not matter who asked: the provider is down for all.
/// A failure that the provider answered with may be of one tenant's own making, by a request that it fails at, sent
/// again and again. A row of such failures keeps that tenant away, by a breaker of its own, and nobody else until
/// another tenant's failure joins it. The same goes for a trial: one that a single tenant failed at decides nothing,
/// and the next is another's. Where there is one tenant only, its breaker is the provider's.
///
/// A pure state machine, made of `CircuitBreaker`s.
package struct SharedBreaker: Sendable {
    /// Tenants with a breaker of their own; whoever has asked for nothing for longest makes way for another.
    package static let mostTenants = 256
    /// Who last asked so long before the latest has no say in `state`.
    private static let recent = Duration.seconds(600)

    /// How an admitted call ended.
    package enum End: Hashable, Sendable, CaseIterable {
        /// By an answer, or a refusal such as 400 or 429: a sign of life.
        case answered
        /// The provider answered, with a failure, or its answer broke off.
        case failed
        /// There was no connection, or nothing came.
        case unanswered
    }

    /// Permission for one call of a tenant's; hand it back with its end.
    package struct Permit: Hashable, Sendable {
        fileprivate let tenantID: Int64
        fileprivate let common: CircuitBreaker.Permit
        fileprivate let own: CircuitBreaker.Permit
    }

    private struct Own: Sendable {
        var breaker: CircuitBreaker
        var asked: Duration
    }

    /// Whose the failures in a row are that the provider answered with.
    private enum Row: Sendable {
        case nobodys
        /// They are not counted against the provider yet.
        case one(tenantID: Int64, failures: Int)
        case several
    }

    private let settings: CircuitBreaker.Settings
    private var common: CircuitBreaker
    private var tenants: [Int64: Own] = [:]
    private var row = Row.nobodys
    private var lastAsked = Duration.zero

    package init(_ settings: CircuitBreaker.Settings = CircuitBreaker.Settings()) {
        self.settings = settings
        common = CircuitBreaker(settings)
    }

    /// The provider's, for metrics and notices: it is also closed to all where it is closed to each tenant that asks.
    package var state: CircuitBreaker.State {
        guard common.state == .closed else { return common.state }
        var state: CircuitBreaker.State?
        for own in tenants.values where lastAsked - own.asked <= Self.recent {
            switch own.breaker.state {
            case .closed: return .closed
            case .halfOpen: state = .halfOpen
            case .open: state = state ?? .open
            }
        }
        return state ?? .closed
    }

    /// Whether a call of the tenant's may be made at `now`; nil: not now.
    package mutating func admit(_ tenantID: Int64, now: Duration) -> Permit? {
        lastAsked = max(lastAsked, now)
        var own = tenants[tenantID] ?? Own(breaker: CircuitBreaker(settings), asked: now)
        own.asked = now
        defer { keep(own, of: tenantID) }
        guard own.breaker.wouldAdmit(now: now), let shared = common.admit(now: now),
            let permit = own.breaker.admit(now: now)
        else { return nil }
        return Permit(tenantID: tenantID, common: shared, own: permit)
    }

    private mutating func keep(_ own: Own, of tenantID: Int64) {
        if tenants[tenantID] == nil, tenants.count >= Self.mostTenants,
            let oldest = tenants.min(by: { $0.value.asked < $1.value.asked })
        {
            tenants[oldest.key] = nil
        }
        tenants[tenantID] = own
    }

    /// Whether `admit` would let a call through, without taking a trial.
    /// - Parameter tenantID: nil: of a tenant that nothing is known of.
    package func wouldAdmit(_ tenantID: Int64?, now: Duration) -> Bool {
        common.wouldAdmit(now: now) && own(tenantID)?.wouldAdmit(now: now) ?? true
    }

    /// How long until it may be worth asking again.
    package func wait(_ tenantID: Int64, now: Duration) -> Duration {
        max(common.wait(now: now), own(tenantID)?.wait(now: now) ?? .zero)
    }

    private func own(_ tenantID: Int64?) -> CircuitBreaker? { tenantID.flatMap { tenants[$0]?.breaker } }

    /// Reports a look at the provider that costs nothing.
    package mutating func probed(succeeded: Bool, now: Duration) {
        common.probed(succeeded: succeeded, now: now)
        if common.state == .open { row = .nobodys }
        for (tenantID, own) in tenants where own.breaker.state == .open {
            tenants[tenantID]?.breaker.probed(succeeded: succeeded, now: now)
        }
    }

    /// Reports that the answer of an admitted call has begun, with a status of success.
    package mutating func answered(_ permit: Permit) {
        tenants[permit.tenantID]?.breaker.answered(permit.own)
        let before = common.state
        common.answered(permit.common)
        if before != common.state { row = .nobodys }
    }

    /// Reports the end of an admitted call.
    package mutating func finished(_ permit: Permit, _ end: End, now: Duration) {
        tenants[permit.tenantID]?.breaker.finished(permit.own, succeeded: end == .answered, now: now)
        guard common.counts(permit.common) else { return }
        switch end {
        case .answered:
            common.finished(permit.common, succeeded: true, now: now)
            row = .nobodys
        case .unanswered: common.finished(permit.common, succeeded: false, now: now)
        case .failed: failed(permit, now: now)
        }
        if common.state == .open { row = .nobodys }
    }

    /// Reports that an admitted call was given up before it said anything about the provider.
    package mutating func abandoned(_ permit: Permit, now: Duration) {
        tenants[permit.tenantID]?.breaker.abandoned(permit.own, now: now)
        common.abandoned(permit.common, now: now)
    }

    private mutating func failed(_ permit: Permit, now: Duration) {
        var failures = 1
        switch row {
        case .nobodys:
            row = .one(tenantID: permit.tenantID, failures: 1)
            return failedAlone(permit, now: now)
        case .one(let tenantID, let earlier) where tenantID == permit.tenantID:
            row = .one(tenantID: tenantID, failures: min(earlier + 1, max(settings.failureThreshold, 1)))
            return failedAlone(permit, now: now)
        case .one(_, let earlier):
            failures += earlier
            row = .several
        case .several: break
        }
        for _ in 0..<failures where common.counts(permit.common) {
            common.finished(permit.common, succeeded: false, now: now)
        }
    }

    /// Makes room for another tenant's trial: this one's own is over for a while.
    private mutating func failedAlone(_ permit: Permit, now: Duration) {
        guard common.state == .halfOpen else { return }
        common.abandoned(permit.common, now: now)
        tenants[permit.tenantID]?.breaker.trip(now: now)
    }
}
