import GatewayTesting
import Testing

@testable import Inference

/// The scheduler against books of its own: no model, no clock.
@Suite("The engine's scheduler") struct SchedulerTests {
    static let small = SchedulerLimits(
        lanes: 4, cells: 600, batchTokens: 48, promptChunk: 16, grain: 4, lead: 16, queuedPerTenant: 6, queued: 16,
        queuedTokens: 4000, pauses: 2)

    @Test("Whatever comes, no job is lost or doubled, limits are kept, and everything ends", arguments: 1...60)
    func anything(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var engine = SchedulerSimulation(Self.small)
        var accepted: Set<UInt64> = []
        var now = Duration.zero
        for _ in 0..<400 {
            now += .milliseconds(10)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                engine.deadline =
                    Bool.random(using: &random)
                    ? now + .milliseconds(Int.random(in: 0...2000, using: &random)) : nil
                let (id, submission) = engine.submit(
                    Int64.random(in: 1...5, using: &random), prompt: Int.random(in: 1...200, using: &random),
                    output: Int.random(in: 1...60, using: &random), lanes: Int.random(in: 1...5, using: &random),
                    weight: Int.random(in: 0...4, using: &random))
                switch submission {
                case .queued, .displaced: accepted.insert(id)
                case .overloaded, .impossible: break
                }
            case 4:
                if let id = engine.works.keys.sorted().randomElement(using: &random) { engine.cancel(id) }
            default: engine.tick()
            }
            engine.expire(at: now)
        }
        var rest = 0
        while engine.tick() { rest += 1 }
        #expect(engine.violations.isEmpty, "\(engine.violations.prefix(5))")
        #expect(engine.works.isEmpty && Set(engine.outcomes.keys) == accepted)
        #expect(engine.scheduler.lanesInUse == 0 && engine.scheduler.cellsInUse == 0)
        #expect(engine.scheduler.waitingTokens == 0)
        #expect(rest < 20_000)
    }

    @Test("Tenants that always have work get tokens by their weights", arguments: [[1, 1], [1, 3], [2, 1, 5]])
    func shares(weights: [Int]) {
        var random = SplitMix64(seed: 7)
        var engine = SchedulerSimulation(SchedulerLimits())
        func fill(_ engine: inout SchedulerSimulation, _ random: inout SplitMix64) {
            for (index, weight) in weights.enumerated() {
                let name = Int64(index)
                let known = engine.works.values.count { $0.job.tenant == name }
                // The last tenant's requests are few and long, the others' many.
                for _ in known..<(index == weights.count - 1 ? 3 : 20) {
                    engine.submit(
                        name, prompt: Int.random(in: 1...300, using: &random),
                        output: Int.random(in: 1...100, using: &random), weight: weight)
                }
            }
        }
        for _ in 0..<4000 {
            fill(&engine, &random)
            engine.tick()
        }
        #expect(engine.violations.isEmpty, "\(engine.violations.prefix(5))")
        let total = Double(engine.evaluated)
        for (index, weight) in weights.enumerated() {
            let share = Double(engine.tokensByTenant[Int64(index)] ?? 0) / total
            let due = Double(weight) / Double(weights.reduce(0, +))
            #expect(abs(share - due) < 0.02, "tenant \(index) has \(share) of the tokens, \(due) are due")
        }
    }

    @Test("No two tenants with work in lanes drift apart by more than the lead and one piece", arguments: 1...20)
    func bound(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var engine = SchedulerSimulation(SchedulerLimits())
        for tenant in Int64(1)...3 {
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                engine.submit(tenant, prompt: Int.random(in: 1...400, using: &random), output: 2000 / 8)
            }
        }
        engine.tick()
        let start = engine.tokensByTenant
        for _ in 0..<200 {
            guard Set(engine.works.values.map(\.job.tenant)).count == 3 else { break }
            engine.tick()
            let served = (Int64(1)...3).map { engine.tokensByTenant[$0, default: 0] - start[$0, default: 0] }
            #expect((served.max() ?? 0) - (served.min() ?? 0) <= 2 * (engine.limits.lead + engine.limits.grain))
        }
    }

    @Test("One tenant floods with 200 long requests: another's median latency at most doubles what its share predicts")
    func flood() {
        func latencies(flooded: Bool) -> [Int] {
            var engine = SchedulerSimulation(SchedulerLimits(queuedPerTenant: 256))
            var result: [Int] = []
            if flooded {
                for _ in 0..<200 { engine.submit(1, prompt: 300, output: 200) }
                for _ in 0..<20 { engine.tick() }
            }
            for _ in 0..<15 {
                let id = engine.submit(2, prompt: 60, output: 24).id
                while engine.latencies[id] == nil { engine.tick() }
                result.append(engine.latencies[id] ?? 0)
                for _ in 0..<5 { engine.tick() }
            }
            #expect(engine.violations.isEmpty, "\(engine.violations.prefix(5))")
            return result.sorted()
        }
        let alone = latencies(flooded: false)[7]
        let flooded = latencies(flooded: true)
        print("flood, in tokens evaluated by all: alone \(alone), median \(flooded[7]), most \(flooded[14])")
        // Half of the tokens are its share: twice the latency is what that predicts.
        #expect(flooded[7] <= 2 * 2 * alone)
        #expect(flooded[14] <= 3 * 2 * alone)
    }

    @Test("A job too large for what is free has its turn all the same, and small ones do not wait for ever behind it")
    func large() {
        var engine = SchedulerSimulation(Self.small)
        for _ in 0..<6 { engine.submit(1, prompt: 60, output: 40) }
        engine.tick()
        let large = engine.submit(2, prompt: 500, output: 50).id
        var ticks = 0
        while engine.latencies[large] == nil, ticks < 2000 {
            while engine.works.values.count(where: { $0.job.tenant == 1 }) < 6 {
                engine.submit(1, prompt: 60, output: 40)
            }
            engine.tick()
            ticks += 1
        }
        #expect(engine.latencies[large] != nil)
        #expect(engine.outcomes.values.count { $0 == .done } > 1)
        #expect(engine.violations.isEmpty, "\(engine.violations.prefix(5))")
    }

    @Test("Tenants within their shares overtake a job that does not fit, but only so often")
    func overtaking() {
        var limits = Self.small
        limits.overtakes = 5
        limits.lanes = 8
        var engine = SchedulerSimulation(limits)
        for tenant in Int64(1)...3 { engine.submit(tenant, prompt: 20, output: 40) }
        engine.tick()
        // Next in turn, and too large for what is free while the three run and others like them come.
        let large = engine.submit(9, prompt: 540, output: 10).id
        var before: Set<UInt64> = []
        var ticks = 0
        while !engine.running.contains(large), ticks < 3000 {
            for tenant in Int64(1)...3
            where !engine.works.values.contains(where: {
                $0.job.tenant == tenant && !engine.running.contains($0.job.id)
            }) {
                engine.submit(tenant, prompt: 20, output: 40)
            }
            let running = engine.running
            engine.tick()
            before.formUnion(engine.running.subtracting(running).subtracting([large]))
            ticks += 1
        }
        #expect(engine.running.contains(large))
        #expect((1...5).contains(before.count))
        #expect(engine.violations.isEmpty, "\(engine.violations.prefix(5))")
    }

    @Test("A full queue refuses with a time, and drops the longest queue's newest for a tenant with a short one")
    func overload() {
        var limits = Self.small
        limits.queued = 8
        var engine = SchedulerSimulation(limits)
        for _ in 0..<4 { engine.submit(1, prompt: 100, output: 40) }
        engine.tick()
        engine.scheduler.note(tokens: 100, took: .seconds(1))
        var refused = 0
        for _ in 0..<10 {
            if case .overloaded(let seconds) = engine.submit(1, prompt: 100, output: 40).submission {
                refused += 1
                #expect(seconds > 1)
            }
        }
        #expect(refused == 4)
        for _ in 0..<2 { engine.submit(2, prompt: 10, output: 4) }
        let waiting = engine.works.keys.sorted()
        let third = engine.submit(3, prompt: 10, output: 4)
        guard case .displaced(let victim) = third.submission else { return #expect(Bool(false), "\(third)") }
        #expect(engine.outcomes[victim] == .displaced && waiting.contains(victim))
        #expect(engine.violations.isEmpty, "\(engine.violations.prefix(5))")
    }

    @Test("A job whose time is over is forgotten, whether it waits or runs")
    func deadlines() {
        var engine = SchedulerSimulation(Self.small)
        engine.deadline = .seconds(1)
        let ids = (0..<5).map { _ in engine.submit(1, prompt: 10, output: 50).id }
        engine.deadline = nil
        let last = engine.submit(1, prompt: 10, output: 50).id
        engine.tick()
        engine.expire(at: .milliseconds(999))
        #expect(engine.outcomes.isEmpty && !engine.running.contains(last))
        engine.expire(at: .seconds(1))
        #expect(ids.allSatisfy { engine.outcomes[$0] == .expired })
        engine.tick()
        #expect(engine.running == [last] && engine.violations.isEmpty)
    }

    @Test("What could not even run alone is refused for good")
    func impossible() {
        var engine = SchedulerSimulation(Self.small)
        #expect(engine.submit(1, prompt: 600, output: 1).submission == .impossible)
        #expect(engine.submit(1, prompt: 1, output: 1, lanes: 5).submission == .impossible)
        #expect(engine.submit(1, prompt: 599, output: 1).submission == .queued)
    }

    @Test("A cancelled job's lanes are another's in the same tick")
    func cancel() {
        var engine = SchedulerSimulation(Self.small)
        let first = (0..<4).map { _ in engine.submit(1, prompt: 10, output: 50).id }
        let next = engine.submit(1, prompt: 10, output: 50).id
        engine.tick()
        #expect(!engine.running.contains(next))
        engine.cancel(first[2])
        engine.tick()
        #expect(engine.running.contains(next))
    }
}
