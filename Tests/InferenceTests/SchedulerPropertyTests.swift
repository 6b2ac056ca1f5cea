import GatewayTesting
import Testing

@testable import Inference

/// What the scheduler promises of adapters' turns, of deadlines and of the time after which to come again: over random
/// loads, against the books of the simulation.
@Suite("What the scheduler promises over time") struct SchedulerPropertyTests {
    /// Keeps each of some tenants, with an adapter each, at some jobs.
    private static func fill(
        _ engine: inout SchedulerSimulation, tenants: Int64, jobs: Int, _ random: inout SplitMix64
    ) {
        for tenant in 1...tenants {
            let known = engine.works.values.count { $0.job.tenant == tenant }
            engine.group = tenant
            for _ in known..<max(known, jobs) {
                engine.submit(
                    tenant, prompt: random.integer(in: 1...120), output: random.integer(in: 1...40),
                    weight: Int(1 + tenant % 2))
            }
        }
    }

    @Test("An adapter's turn ends while others have work, and none of them is left out")
    func turns() {
        for seed in 0..<UInt64(6) {
            var random = SplitMix64(seed: seed)
            var engine = SchedulerSimulation(SchedulerLimits(lanes: 8, cells: 2000))
            let tenants = Int64(random.integer(in: 2...5))
            var row = 0
            var waits: [Int64: Int] = [:]
            var longest = 0
            for _ in 0..<500 {
                Self.fill(&engine, tenants: tenants, jobs: 3, &random)
                let before = engine.scheduler.group
                engine.tick()
                let group = engine.scheduler.group
                // After the tick: what has work now had some then, or was just started.
                let pending = Set(engine.running.compactMap { engine.works[$0]?.job.group })
                row = group == before ? row + 1 : 1
                #expect(row <= engine.limits.turn || pending.subtracting([group]).isEmpty, "seed \(seed)")
                for other in pending {
                    waits[other] = other == group ? 0 : waits[other, default: 0] + 1
                    longest = max(longest, waits[other] ?? 0)
                }
            }
            #expect(engine.violations.isEmpty, "seed \(seed): \(engine.violations.prefix(3))")
            // Turns go by tokens: who has read a long prompt waits until the others have had as many, one at a time.
            #expect(longest <= 250, "seed \(seed): \(longest)")
        }
    }

    @Test("Changes of adapters are few: at most one in a turn's decodes while everybody has work")
    func changes() {
        for seed in 0..<UInt64(4) {
            var random = SplitMix64(seed: 100 + seed)
            var engine = SchedulerSimulation(SchedulerLimits(lanes: 12, cells: 4000))
            var (changes, last) = (0, engine.scheduler.group)
            for _ in 0..<400 {
                Self.fill(&engine, tenants: 4, jobs: 6, &random)
                engine.tick()
                if engine.scheduler.group != last { changes += 1 }
                last = engine.scheduler.group
            }
            // A turn ends before its time only where its group has nothing to evaluate: a few in a hundred here.
            #expect(changes <= 400 / engine.limits.turn * 3 / 2, "seed \(seed): \(changes)")
            #expect(engine.violations.isEmpty, "seed \(seed): \(engine.violations.prefix(3))")
        }
    }

    @Test("No job outlives its deadline, none ends before it, and what it held is free at once")
    func deadlines() {
        for seed in 0..<UInt64(10) {
            var random = SplitMix64(seed: 200 + seed)
            var engine = SchedulerSimulation(SchedulerTests.small)
            var now = Duration.zero
            var expired = 0
            for _ in 0..<200 {
                now += .milliseconds(random.integer(in: 0...20))
                let wait = Duration.milliseconds(random.integer(in: 0...300))
                engine.deadline = random.integer(in: 0...3) == 0 ? nil : now + wait
                engine.submit(
                    Int64(random.integer(in: 1...4)), prompt: random.integer(in: 1...150),
                    output: random.integer(in: 1...40))
                let due = engine.works.values.filter { $0.job.deadline.map { $0 <= now } ?? false }.map(\.job.id)
                engine.expire(at: now)
                expired += due.count
                #expect(due.allSatisfy { engine.outcomes[$0] == .expired }, "seed \(seed)")
                let held = engine.running.reduce(0) { $0 + (engine.works[$1]?.job.cells ?? 0) }
                #expect(engine.scheduler.cellsInUse == held, "seed \(seed)")
                engine.tick()
            }
            #expect(expired > 10 && engine.violations.isEmpty, "seed \(seed): \(engine.violations.prefix(3))")
        }
    }

    @Test("After the time that a refused tenant is told, half of its queue is done and there is room, by any weights")
    func retryAfter() {
        let speed = 500
        for seed in 0..<UInt64(6) {
            var random = SplitMix64(seed: 300 + seed)
            var engine = SchedulerSimulation(
                SchedulerLimits(lanes: 6, cells: 3000, promptChunk: 32, lead: 32, queuedPerTenant: 12, queued: 64))
            let weights = [1, random.integer(in: 1...4), random.integer(in: 1...4)]
            func submit(_ tenant: Int) -> EngineScheduler.Submission {
                engine.submit(
                    Int64(tenant), prompt: random.integer(in: 20...100), output: random.integer(in: 10...60),
                    weight: weights[tenant]
                ).submission
            }
            func fill() { for tenant in 1...2 { while case .queued = submit(tenant) {} } }
            fill()
            engine.scheduler.note(tokens: speed, took: .seconds(1))
            for _ in 0..<30 { engine.tick() }
            var told: Int?
            while told == nil { if case .overloaded(let seconds) = submit(0) { told = seconds } }
            let own = engine.works.values.filter { $0.job.tenant == 0 }
            let waiting = own.filter { !engine.running.contains($0.job.id) }.map(\.job.tokens).reduce(0, +)
            let running = own.map(\.job.tokens).reduce(0, +) - waiting
            let end = engine.evaluated + (told ?? 0) * speed
            while engine.evaluated < end {
                fill()
                engine.tick()
            }
            let left = engine.works.values.filter { $0.job.tenant == 0 && !engine.running.contains($0.job.id) }
                .map(\.job.tokens).reduce(0, +)
            // What ran when it was refused is done first; and a share is exact to a job or two.
            #expect(left <= waiting / 2 + running + 320, "seed \(seed): \(left) of \(waiting), \(running) ran")
            #expect((told ?? 0) < engine.limits.retryAfterSeconds.upperBound, "seed \(seed)")
            #expect(submit(0) == .queued, "seed \(seed)")
            #expect(engine.violations.isEmpty, "seed \(seed): \(engine.violations.prefix(3))")
        }
    }
}
