import GatewayCore
import Testing

@Suite("Resilience as tables: each state, each event")
struct ResilienceTableTests {
    enum Event: String, CaseIterable, Sendable { case admit, answered, succeeds, fails, abandoned }

    /// A breaker in a state, with a permit of that state, at second 100.
    private static func breaker(_ state: CircuitBreaker.State) throws -> (CircuitBreaker, CircuitBreaker.Permit) {
        var settings = CircuitBreaker.Settings()
        settings.failureThreshold = 2
        var breaker = CircuitBreaker(settings)
        var permit = try breaker.admitted(.zero)
        guard state != .closed else { return (breaker, permit) }
        breaker.finished(permit, succeeded: false, now: .zero)
        permit = try breaker.admitted(.zero)
        breaker.finished(permit, succeeded: false, now: state == .open ? .seconds(100) : .seconds(80))
        if state == .halfOpen { permit = try breaker.admitted(.seconds(100)) }
        return (breaker, permit)
    }

    @Test(
        "Breaker",
        arguments: [
            (CircuitBreaker.State.closed, Event.admit, CircuitBreaker.State.closed, true),
            (.closed, .answered, .closed, true), (.closed, .succeeds, .closed, true), (.closed, .fails, .closed, true),
            (.closed, .abandoned, .closed, true),
            (.open, .admit, .open, false), (.open, .answered, .open, false), (.open, .succeeds, .open, false),
            (.open, .fails, .open, false), (.open, .abandoned, .open, false),
            (.halfOpen, .admit, .halfOpen, false), (.halfOpen, .answered, .closed, true),
            (.halfOpen, .succeeds, .closed, true), (.halfOpen, .fails, .open, false),
            (.halfOpen, .abandoned, .halfOpen, true),
        ])
    func breaker(state: CircuitBreaker.State, event: Event, after: CircuitBreaker.State, admitsNext: Bool) throws {
        var (breaker, permit) = try Self.breaker(state)
        let now = Duration.seconds(100)
        switch event {
        case .admit: _ = breaker.admit(now: now)
        case .answered: breaker.answered(permit)
        case .succeeds: breaker.finished(permit, succeeded: true, now: now)
        case .fails: breaker.finished(permit, succeeded: false, now: now)
        case .abandoned: breaker.abandoned(permit, now: now)
        }
        let next = breaker.admit(now: now)
        #expect((next != nil) == admitsNext)
        #expect(breaker.state == after)
    }

    @Test("Retry budget: full, in between and empty, each with a call and with a retry")
    func budget() {
        var budget = RetryBudget()
        budget.called()
        #expect(budget.retries == RetryBudget.maxRetries)
        for left in (0..<RetryBudget.maxRetries).reversed() {
            let isTaken = budget.takeRetry()
            #expect(isTaken && budget.retries == left)
        }
        let isTaken = budget.takeRetry()
        #expect(!isTaken && budget.retries == 0)
        for _ in 1..<RetryBudget.callsPerRetry { budget.called() }
        let isTooEarly = budget.takeRetry()
        #expect(!isTooEarly)
        budget.called()
        let isEarned = budget.takeRetry()
        #expect(isEarned && budget.retries == 0)
    }

    @Test(
        "What is tried again: how far the call got, the status, and how long the provider wants to be left alone",
        arguments: [
            (ProviderError.Code.unreachable, nil as Int?, nil as Int?, true), (.interrupted, nil, nil, false),
            (.interrupted, 503, nil, false), (.status, 429, 1, true), (.status, 429, 11, false),
            (.status, 500, nil, true), (.status, 529, nil, true), (.status, 503, nil, true), (.status, 400, nil, false),
            (.status, 401, nil, false), (.status, 404, nil, false),
        ])
    func retried(code: ProviderError.Code, status: Int?, wait: Int?, isRetried: Bool) {
        var generator = SeededGenerator(seed: 1)
        let error = ProviderError(code: code, status: status, retryAfterSeconds: wait, message: "")
        #expect((RetryPolicy().verdict(error, attempt: 1, using: &generator) != .giveUp) == isRetried)
        #expect(RetryPolicy().verdict(error, attempt: 3, using: &generator) == .giveUp)
    }
}

extension CircuitBreaker {
    /// A permit, which has to be given.
    mutating func admitted(_ now: Duration) throws -> Permit {
        let permit = admit(now: now)
        return try #require(permit)
    }
}
