package import GatewayCore
package import Outbox
internal import Synchronization

/// What stands between a paid call and each provider: a circuit breaker, and a budget for retries. The decisions are
/// `SharedBreaker`'s, `RetryBudget`'s and `RetryPolicy`'s; this has the clock, the lock and the random numbers.
package final class ProviderGuards: Sendable {
    private struct State {
        var breaker: SharedBreaker
        var budget = RetryBudget()
        /// Whether it was told that the provider is down.
        var isDown = false

        /// Whether the provider is down, where that is news.
        mutating func news() -> Bool? {
            // Half open is neither: a trial decides.
            let state = breaker.state
            let isOpen = state == .open
            guard isOpen != isDown, isOpen || state == .closed else { return nil }
            isDown = isOpen
            return isOpen
        }
    }
    private let policy: RetryPolicy
    private let settings: CircuitBreaker.Settings
    /// Hears when a provider goes and comes back, as seen from here.
    private let notices: any NoticeSink
    private let gateway: String
    private let start = ContinuousClock.now
    private let states = Mutex<[String: State]>([:])
    private let isStopped = Mutex(false)
    /// Models whose questions are words alone.
    let samplingRefusals = SamplingRefusals()

    /// - Parameter policy: when, how often and how late a call is tried again.
    package init(
        policy: RetryPolicy = RetryPolicy(), breaker: CircuitBreaker.Settings = CircuitBreaker.Settings(),
        notices: any NoticeSink = NoNotices(), gateway: String = ""
    ) {
        self.policy = policy
        settings = breaker
        self.notices = notices
        self.gateway = gateway
    }

    /// From now on calls end because the gateway does: how they end says nothing of a provider, and is no news. To be
    /// called before anything is cut off.
    package func stop() { isStopped.withLock { $0 = true } }

    private var now: Duration { ContinuousClock.now - start }

    private func with<Result>(_ provider: String, _ work: (inout State) -> Result) -> Result {
        // In place: a copy of the tenants' table at each report would be made under everybody's lock.
        states.withLock { work(&$0[provider, default: State(breaker: SharedBreaker(settings))]) }
    }

    /// Whether the provider may be asked now, for this tenant; nil: it failed too often of late.
    func admit(_ provider: String, tenantID: Int64, isRetry: Bool) -> SharedBreaker.Permit? {
        let now = now
        return with(provider) { state in
            if !isRetry { state.budget.called() }
            return state.breaker.admit(tenantID, now: now)
        }
    }

    /// An admitted call was not sent after all.
    func abandoned(_ provider: String, _ permit: SharedBreaker.Permit) {
        let now = now
        with(provider) { $0.breaker.abandoned(permit, now: now) }
    }

    /// The answer of an admitted call has begun with a status of success.
    func answered(_ provider: String, _ permit: SharedBreaker.Permit) {
        guard !isStopped.withLock({ $0 }) else { return }
        let change = with(provider) { state -> Bool? in
            state.breaker.answered(permit)
            return state.news()
        }
        if let change { notices.tell(.provider(provider, isDown: change, gateway: gateway)) }
    }

    /// An admitted call ended. A refusal is a sign of life.
    /// - Parameter hasAnswered: its answer had begun with a status of success.
    func finished(
        _ provider: String, _ permit: SharedBreaker.Permit, failure: ProviderError?, hasAnswered: Bool = false
    ) {
        guard !isStopped.withLock({ $0 }) else { return abandoned(provider, permit) }
        let now = now
        let end: SharedBreaker.End =
            switch failure {
            case nil: .answered
            case .some(let error) where error.code == .status: error.status ?? 500 >= 500 ? .failed : .answered
            case .some: hasAnswered ? .failed : .unanswered
            }
        let change = with(provider) { state -> Bool? in
            state.breaker.finished(permit, end, now: now)
            return state.news()
        }
        if let change { notices.tell(.provider(provider, isDown: change, gateway: gateway)) }
    }

    /// Whether `admit` would say yes now; without a tenant: to one that nothing is known of.
    func wouldAdmit(_ provider: String, tenantID: Int64? = nil) -> Bool {
        let now = now
        return with(provider) { $0.breaker.wouldAdmit(tenantID, now: now) }
    }

    /// After how many seconds a call that was not admitted may be, one at least.
    func secondsToWait(_ provider: String, tenantID: Int64) -> Int {
        let now = now
        let wait = with(provider) { $0.breaker.wait(tenantID, now: now) }
        return max(1, Int((wait / .seconds(1)).rounded(.up)))
    }

    /// A look at the provider that cost nothing.
    package func probed(_ provider: String, succeeded: Bool) {
        guard !isStopped.withLock({ $0 }) else { return }
        let now = now
        let change = with(provider) { state -> Bool? in
            state.breaker.probed(succeeded: succeeded, now: now)
            guard state.breaker.state == .open, !state.isDown else { return nil }
            state.isDown = true
            return true
        }
        if let change { notices.tell(.provider(provider, isDown: change, gateway: gateway)) }
    }

    /// How long to wait before a failed call is tried again; nil: it is not.
    /// - Parameters:
    ///   - attempt: tries made so far, from 1.
    ///   - patience: a longer wait is not worth it.
    func retry(_ error: ProviderError, of provider: String, attempt: Int, patience: Duration) -> Duration? {
        var random = SystemRandomNumberGenerator()
        guard case .retry(let wait) = policy.verdict(error, attempt: attempt, using: &random), wait <= patience else {
            return nil
        }
        return with(provider) { $0.budget.takeRetry() } ? wait : nil
    }

    /// Each provider that was asked, and how its breaker stands.
    package var breakers: [String: CircuitBreaker.State] { states.withLock { $0.mapValues(\.breaker.state) } }
}

extension ProviderError {
    private static let leftAlone = "failed too often and is left alone for some seconds"

    /// The breaker keeps calls away: nothing was sent, and nothing was held.
    static func broken(_ provider: String, retryAfterSeconds: Int) -> ProviderError {
        ProviderError(
            code: .unreachable, retryAfterSeconds: retryAfterSeconds, message: "\(provider) \(leftAlone)")
    }

    /// It is the breaker's own, and no failure of a try.
    var isLeftAlone: Bool { code == .unreachable && message.hasSuffix(Self.leftAlone) }
}
