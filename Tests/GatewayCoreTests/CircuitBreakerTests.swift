import GatewayCore
import Testing

@Suite("A provider's breaker that tenants share: one tenant's requests shut it for nobody else")
struct CircuitBreakerTests {
    private static func breaker(_ threshold: Int = 5) -> SharedBreaker {
        var settings = CircuitBreaker.Settings()
        settings.failureThreshold = threshold
        return SharedBreaker(settings)
    }

    @Test("A tenant that sends what the provider fails at is kept away alone, also at every trial")
    func poison() throws {
        var breaker = Self.breaker()
        try breaker.call(2, .answered, at: .zero)
        for _ in 0..<5 { try breaker.call(1, .failed, at: .seconds(1)) }
        for second in 1..<200 {
            let now = Duration.seconds(second)
            // Whenever it may, it sends the same again.
            if breaker.wouldAdmit(1, now: now) { try breaker.call(1, .failed, at: now) }
            #expect(!breaker.wouldAdmit(1, now: now) && breaker.wouldAdmit(2, now: now) && breaker.state == .closed)
            try breaker.call(2, .answered, at: now)
            try breaker.call(3, .answered, at: now)
        }
    }

    @Test(
        "Who failed, how, and who is kept away: tenant 1, one that nothing is known of, and the state that is shown",
        arguments: [
            // A row that one tenant alone has, by failures that the provider answered with.
            ("1f 1f 1f 1f", true, true, CircuitBreaker.State.closed), ("1f 1f 1f 1f 1f", false, true, .open),
            ("2a 1f 1f 1f 1f 1f", false, true, .closed),
            // Another tenant's joins it.
            ("1f 1f 1f 1f 2f", false, false, .open), ("1f 1f 1f 1f 1f 2f", false, false, .open),
            ("1f 2f 1f 2f", true, true, .closed), ("1f 2f 1f 2f 1f", false, false, .open),
            // An answer ends every row but that tenant's own.
            ("1f 1f 1f 1f 3a 2f", true, true, .closed),
            // Nobody answered, whoever asked.
            ("1u 1u 1u 1u", true, true, .closed), ("1u 1u 1u 1u 1u", false, false, .open),
            ("2a 1u 1u 1u 1u 1u", false, false, .open),
            // Both kinds: a tenant's row has both, the provider's those that no request can be blamed for.
            ("1u 1u 1f 1f 1f", false, true, .open),
        ])
    func rows(calls: String, admitsFirst: Bool, admitsOther: Bool, state: CircuitBreaker.State) throws {
        var breaker = Self.breaker()
        for call in calls.split(separator: " ") {
            let end: SharedBreaker.End =
                switch call.last {
                case "a": .answered
                case "f": .failed
                default: .unanswered
                }
            try breaker.call(try #require(Int64(call.prefix(1))), end, at: .zero)
        }
        #expect(breaker.wouldAdmit(1, now: .zero) == admitsFirst)
        #expect(breaker.wouldAdmit(9, now: .zero) == admitsOther && breaker.wouldAdmit(nil, now: .zero) == admitsOther)
        #expect(breaker.state == state)
        let permit = breaker.admit(1, now: .zero)
        #expect((permit != nil) == admitsFirst)
        #expect((breaker.wait(1, now: .zero) > .zero) != admitsFirst)
    }

    @Test("A trial that one tenant failed at is followed by another's at once; a second that fails shuts the way again")
    func trials() throws {
        for second in [SharedBreaker.End.answered, .failed, .unanswered] {
            var breaker = Self.breaker(1)
            try breaker.call(1, .unanswered, at: .zero)
            #expect(!breaker.wouldAdmit(2, now: .seconds(9)) && breaker.wait(2, now: .seconds(9)) == .seconds(1))
            try breaker.call(1, .failed, at: .seconds(10))
            #expect(breaker.state == .halfOpen && !breaker.wouldAdmit(1, now: .seconds(10)))
            #expect(breaker.wait(1, now: .seconds(10)) == .seconds(10))
            let trial = try breaker.admitted(2, .seconds(10))
            #expect(!breaker.wouldAdmit(3, now: .seconds(10)))
            breaker.finished(trial, second, now: .seconds(11))
            #expect(breaker.state == (second == .answered ? .closed : .open))
            #expect(breaker.wouldAdmit(3, now: .seconds(11)) == (second == .answered))
        }
        // A trial that says nothing makes room, and one whose answer has begun opens the way.
        var breaker = Self.breaker(1)
        try breaker.call(1, .unanswered, at: .zero)
        let silent = try breaker.admitted(2, .seconds(10))
        breaker.abandoned(silent, now: .seconds(11))
        let begun = try breaker.admitted(2, .seconds(11))
        breaker.answered(begun)
        #expect(breaker.state == .closed && breaker.wouldAdmit(3, now: .seconds(11)))
    }

    @Test("With one tenant it lets through what that tenant's breaker does and nothing else, probes included")
    func alone() {
        for seed in 0..<500 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var (shared, plain) = (SharedBreaker(), CircuitBreaker())
            var (now, wasSilent) = (Duration.zero, false)
            for _ in 0..<60 {
                now += .milliseconds(Int.random(in: 0...3000, using: &generator))
                let wouldAdmit = plain.wouldAdmit(now: now)
                #expect(shared.wouldAdmit(1, now: now) == wouldAdmit, "seed \(seed)")
                guard let both = shared.admit(1, now: now), let one = plain.admit(now: now) else { continue }
                now += .milliseconds(Int.random(in: 0...300, using: &generator))
                if generator.chance(0.1) {
                    shared.abandoned(both, now: now)
                    plain.abandoned(one, now: now)
                } else {
                    let succeeded = generator.chance(0.2)
                    let isSilent = seed.isMultiple(of: 2) && generator.chance(0.5)
                    wasSilent = wasSilent || isSilent && !succeeded
                    shared.finished(both, succeeded ? .answered : isSilent ? .unanswered : .failed, now: now)
                    plain.finished(one, succeeded: succeeded, now: now)
                }
                // After a silence a trial that this tenant failed at leaves the next one to others: half open to those.
                #expect(wasSilent || shared.state == plain.state, "seed \(seed)")
                if generator.chance(0.2), plain.state != .closed {
                    shared.probed(succeeded: true, now: now)
                    plain.probed(succeeded: true, now: now)
                }
            }
        }
    }

    @Test("Only so many tenants have one of their own; who asks is not forgotten for those who do not")
    func bounded() throws {
        var breaker = Self.breaker(1)
        let most = Int64(SharedBreaker.mostTenants)
        for tenantID in 0...most {
            try breaker.call(tenantID, .failed, at: .milliseconds(tenantID))
            // An answer between, so that no row is of two.
            try breaker.call(-1, .answered, at: .milliseconds(tenantID))
        }
        #expect(breaker.wouldAdmit(0, now: .seconds(2)) && !breaker.wouldAdmit(most, now: .seconds(2)))
        #expect(breaker.state == .closed)
    }

    @Test("Who has asked for nothing for long has no say in what is shown")
    func stale() throws {
        var breaker = Self.breaker(1)
        try breaker.call(2, .answered, at: .zero)
        try breaker.call(1, .failed, at: .seconds(600))
        #expect(breaker.state == .closed)
        try breaker.call(1, .failed, at: .seconds(611))
        #expect(breaker.state == .open && breaker.wouldAdmit(2, now: .seconds(611)))
    }
}

extension SharedBreaker {
    /// A permit, which has to be given.
    fileprivate mutating func admitted(_ tenantID: Int64, _ now: Duration) throws -> Permit {
        let permit = admit(tenantID, now: now)
        return try #require(permit)
    }

    /// A whole call.
    fileprivate mutating func call(_ tenantID: Int64, _ end: End, at now: Duration) throws {
        let permit = try admitted(tenantID, now)
        if end == .answered { answered(permit) }
        finished(permit, end, now: now)
    }
}
