import Foundation
import Testing

@testable import GatewayCore

@Suite("Request ids, retries and the breaker")
struct ResilienceTests {
    @Test("A request id is a version 7 UUID that carries its time, sorts by it and does not repeat")
    func requestID() {
        var generator = SeededGenerator(seed: 7)
        var seen: Set<UUID> = []
        var last = ""
        for step in 0..<5000 as Range<UInt64> {
            let time = 1_764_000_000_000 + step
            let id = RequestID.make(milliseconds: time, using: &generator)
            let text = id.uuidString.lowercased()
            #expect(Array(text)[14] == "7")
            #expect("89ab".contains(Array(text)[19]))
            #expect(RequestID.milliseconds(of: id) == time)
            #expect(text > last)
            #expect(seen.insert(id).inserted)
            last = text
        }
        #expect(
            RequestID.make(milliseconds: 0x0198_7654_3210, using: &generator).uuidString.hasPrefix("01987654-3210-7"))
        #expect(RequestID.milliseconds(of: UUID(uuid: (0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0))) == nil)
    }

    private static func error(
        _ code: ProviderError.Code, _ status: Int? = nil, retryAfter: Int? = nil
    ) -> ProviderError {
        ProviderError(code: code, status: status, retryAfterSeconds: retryAfter, message: "")
    }

    @Test("What may have been charged is never tried again, nor what cannot pass")
    func noRetry() {
        var generator = SeededGenerator(seed: 8)
        let policy = RetryPolicy()
        var hopeless = [Self.error(.interrupted), Self.error(.interrupted, 503), Self.error(.status)]
        hopeless += [400, 401, 403, 404, 413, 422].map { Self.error(.status, $0) }
        hopeless.append(Self.error(.status, 429, retryAfter: 11))
        for error in hopeless { #expect(policy.verdict(error, attempt: 1, using: &generator) == .giveUp) }
    }

    @Test("Waits double within their bounds, and tries are counted")
    func delays() {
        var generator = SeededGenerator(seed: 9)
        var policy = RetryPolicy()
        policy.maxAttempts = 100
        for attempt in 1..<100 {
            let verdict = policy.verdict(Self.error(.unreachable), attempt: attempt, using: &generator)
            guard case .retry(let delay) = verdict else {
                Issue.record("gave up at \(attempt)")
                return
            }
            let bound = min(Duration.milliseconds(200) * (1 << min(attempt - 1, 20)), .seconds(5))
            #expect(delay >= bound / 2 && delay <= bound)
        }
        #expect(policy.verdict(Self.error(.unreachable), attempt: 100, using: &generator) == .giveUp)
        #expect(
            policy.verdict(Self.error(.status, 429, retryAfter: 7), attempt: 1, using: &generator)
                == .retry(after: .seconds(7)))
    }

    @Test("The breaker trips on failures in a row, lets one try after a while, and opens the way when it succeeds")
    func breaker() throws {
        var breaker = CircuitBreaker()
        func fail(_ count: Int, at now: Duration) throws {
            for _ in 0..<count {
                let permit = breaker.admit(now: now)
                breaker.finished(try #require(permit), succeeded: false, now: now)
            }
        }
        try fail(4, at: .zero)
        let good = breaker.admit(now: .zero)
        breaker.finished(try #require(good), succeeded: true, now: .zero)
        try fail(4, at: .zero)
        #expect(breaker.state == .closed)
        try fail(1, at: .seconds(1))
        #expect(breaker.state == .open)
        let early = breaker.admit(now: .seconds(10))
        #expect(early == nil)
        let trial = breaker.admit(now: .seconds(11))
        #expect(trial != nil && breaker.state == .halfOpen)
        let second = breaker.admit(now: .seconds(12))
        #expect(second == nil)
        breaker.finished(try #require(trial), succeeded: false, now: .seconds(13))
        #expect(breaker.state == .open)
        let again = breaker.admit(now: .seconds(23))
        breaker.finished(try #require(again), succeeded: true, now: .seconds(24))
        #expect(breaker.state == .closed)
    }

    @Test("Calls from before it tripped say nothing, and a trial that is lost or given up makes room for another")
    func lateAndLost() throws {
        var settings = CircuitBreaker.Settings()
        settings.failureThreshold = 1
        var breaker = CircuitBreaker(settings)
        let old = breaker.admit(now: .zero)
        let bad = breaker.admit(now: .zero)
        breaker.finished(try #require(bad), succeeded: false, now: .zero)
        breaker.finished(try #require(old), succeeded: true, now: .seconds(1))
        #expect(breaker.state == .open)
        let trial = breaker.admit(now: .seconds(10))
        let tooSoon = breaker.admit(now: .seconds(129))
        let another = breaker.admit(now: .seconds(130))
        #expect(trial != nil && tooSoon == nil && another != nil)
        breaker.abandoned(try #require(trial), now: .seconds(131))
        let third = breaker.admit(now: .seconds(131))
        #expect(third == nil && breaker.state == .halfOpen)
        breaker.abandoned(try #require(another), now: .seconds(131))
        let next = breaker.admit(now: .seconds(131))
        #expect(next != nil)
    }

    @Test("A trial that took longer than others wait for it still opens the way; that it failed says nothing any more")
    func lateTrial() throws {
        var settings = CircuitBreaker.Settings()
        settings.failureThreshold = 1
        var breaker = CircuitBreaker(settings)
        let bad = try breaker.admitted(.zero)
        breaker.finished(bad, succeeded: false, now: .zero)
        let trials = [
            try breaker.admitted(.seconds(10)), try breaker.admitted(.seconds(130)),
            try breaker.admitted(.seconds(250)),
        ]
        let halfOpen = breaker
        breaker.finished(trials[0], succeeded: true, now: .seconds(251))
        #expect(breaker.state == .closed)
        // Another that fails after it was of the time before.
        breaker.finished(trials[2], succeeded: false, now: .seconds(252))
        #expect(breaker.state == .closed)

        breaker = halfOpen
        breaker.finished(trials[1], succeeded: false, now: .seconds(251))
        #expect(breaker.state == .halfOpen)
        breaker.finished(trials[2], succeeded: true, now: .seconds(252))
        #expect(breaker.state == .closed)

        // One that is given up makes room for another, and the earlier ones still count.
        breaker = halfOpen
        breaker.abandoned(trials[2], now: .seconds(251))
        _ = try breaker.admitted(.seconds(251))
        breaker.answered(trials[1])
        #expect(breaker.state == .closed)

        breaker = halfOpen
        breaker.finished(trials[2], succeeded: false, now: .seconds(251))
        #expect(breaker.state == .open)
        breaker.finished(trials[0], succeeded: true, now: .seconds(252))
        #expect(breaker.state == .open)
    }

    @Test("A trial's answer need not be over: its head opens the way, what breaks after it is a failure like any other")
    func answering() throws {
        var settings = CircuitBreaker.Settings()
        settings.failureThreshold = 2
        var breaker = CircuitBreaker(settings)
        let early = try breaker.admitted(.zero)
        // The head of an answer says nothing where nobody doubts: failures in a row are of whole calls.
        for _ in 0..<2 {
            let permit = try breaker.admitted(.zero)
            breaker.answered(permit)
            breaker.finished(permit, succeeded: false, now: .zero)
        }
        breaker.answered(early)
        #expect(breaker.state == .open)
        let slow = try breaker.admitted(.seconds(10))
        let trial = try breaker.admitted(.seconds(130))
        breaker.answered(early)
        #expect(breaker.state == .halfOpen)
        breaker.answered(slow)
        #expect(breaker.state == .closed)
        breaker.answered(trial)
        let other = try breaker.admitted(.seconds(131))
        breaker.finished(trial, succeeded: false, now: .seconds(200))
        #expect(breaker.state == .closed)
        breaker.finished(other, succeeded: false, now: .seconds(200))
        #expect(breaker.state == .open)
    }

    @Test("Whatever happens, an open breaker admits at most one call at a time, and it always recovers")
    func breakerProperty() {
        for seed in 0..<2000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var breaker = CircuitBreaker()
            var running: [CircuitBreaker.Permit] = []
            var now = Duration.zero
            for _ in 0..<60 {
                now += .milliseconds(Int.random(in: 0...4000, using: &generator))
                let wasClosed = breaker.state == .closed
                if generator.chance(0.5), let permit = breaker.admit(now: now) {
                    if !wasClosed {
                        let second = breaker.admit(now: now)
                        #expect(second == nil, "seed \(seed)")
                    }
                    if generator.chance(0.3) { breaker.answered(permit) }
                    running.append(permit)
                } else if !running.isEmpty {
                    let permit = running.remove(at: Int.random(in: 0..<running.count, using: &generator))
                    if generator.chance(0.1) {
                        breaker.abandoned(permit, now: now)
                    } else {
                        breaker.finished(permit, succeeded: generator.chance(0.4), now: now)
                    }
                }
            }
            now += .seconds(1000)
            let permit = breaker.admit(now: now)
            if let permit { breaker.finished(permit, succeeded: true, now: now) }
            #expect(permit != nil && breaker.state == .closed, "seed \(seed)")
        }
    }
}
