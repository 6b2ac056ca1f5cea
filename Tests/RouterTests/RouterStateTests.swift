import Foundation
import Testing

@testable import Router

@Suite struct RouterStateTests {
    private func state(budget: Double = 2, volume: Double = 1000, seed: UInt64 = 1) -> RouterState {
        var random = SeededGenerator(seed: seed)
        var population = DemandProfile()
        for _ in 0..<400 {
            let p = Double.random(in: 0..<1, using: &random)
            population.add(p: p, gain: 0.9 - p, relativeCost: Double.random(in: 0.5..<2, using: &random))
        }
        return RouterState(
            gains: GainModel(success: 0.9), costs: CostModel(meanAnswer: 0.01),
            plan: PacingPlan(population: population, volume: volume), budget: budget)
    }

    @Test("λ starts where the calibration set's demand costs the budget")
    func coldStart() {
        for budget in [0.5, 2.0, 5.0] {
            let state = state(budget: budget)
            let spend = state.plan.population.grid.spend(price: state.price) * 1000 * 0.01
            #expect(abs(spend - budget) < 0.01, "\(budget): \(spend)")
        }
        #expect(state(budget: 0.5).price > state(budget: 2).price)
    }

    @Test("λ rises where less is left than what is to come would cost, falls where more is, and keeps to its range")
    func direction() {
        let start = state()
        let outcome = { (remaining: Double) in
            RouterState.Outcome(cluster: "", p: 0.5, gain: 0.4, baseCost: 0.01, remaining: remaining, elapsed: 0)
        }
        var (poor, rich) = (start, start)
        poor.update(outcome(0.5))
        rich.update(outcome(8))
        #expect(poor.price > start.price)
        #expect(rich.price < start.price)
        for _ in 0..<90 {
            poor.update(outcome(0))
            rich.update(outcome(1e9))
        }
        // At a price that nothing is worth, nothing more is to come.
        #expect(poor.price > 3 * start.price && poor.price <= start.initialPrice * RouterState.range)
        #expect(rich.price == start.initialPrice / RouterState.range)
        var unknown = start
        var without = outcome(0)
        without.remaining = nil
        unknown.update(without)
        #expect(unknown.price == start.price)
        #expect(unknown.updates == 1)
    }

    @Test("a state that was stored and read goes on exactly as one that was not")
    func coding() throws {
        var kept = state()
        var random = SeededGenerator(seed: 9)
        for round in 0..<20 {
            if round == 12 { kept.turn() }
            var stored = try JSONDecoder().decode(RouterState.self, from: JSONEncoder().encode(kept))
            for _ in 0..<10 {
                let p = Double.random(in: 0..<1, using: &random)
                let pays = Bool.random(using: &random)
                let outcome = RouterState.Outcome(
                    cluster: "c\(Int.random(in: 0..<3, using: &random))", p: p, gain: 0.9 - p, baseCost: 0.01,
                    paid: pays ? 0.02 : nil, success: pays ? 0.8 : nil, remaining: 1.5,
                    elapsed: Double(round) / 20)
                kept.update(outcome)
                stored.update(outcome)
            }
            #expect(stored == kept)
        }
    }

    @Test("a state that an earlier version stored is read, without what it made of budgets in turn")
    func earlierVersion() throws {
        var kept = state()
        let outcome = RouterState.Outcome(cluster: "", p: 0.5, gain: 0.4, baseCost: 0.01, remaining: 1.5, elapsed: 0.1)
        for _ in 0..<5 { kept.update(outcome) }
        let data = try JSONEncoder().encode(kept)
        var fields = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        fields["pools"] = nil
        fields["pool"] = ["own": 1, "all": 200, "left": 150]
        fields["period"] = "month:2026-11"
        let earlier = try JSONSerialization.data(withJSONObject: fields)
        var read = try JSONDecoder().decode(RouterState.self, from: earlier)
        #expect(read.updates == 5 && read.period == "month:2026-11")
        #expect(abs(read.price / kept.price - 1) < 1e-12)
        var next = outcome
        next.rooms = [BudgetRoom(scope: "tenant:acme", period: "month:2026-11", remaining: 1.5, elapsed: 0.1)]
        read.update(next)
        #expect(read.budgetShare(of: BudgetName(scope: "tenant:acme", period: "month:2026-11")) == 1)
        #expect(read.price != kept.price)
        #expect(abs(read.plan.seen.total - 6) < 1e-9)
    }

    @Test("λ and what was learned are carried over the turn of a period; what was seen of it becomes the forecast")
    func turn() {
        var state = state()
        for index in 0..<300 {
            state.update(
                .init(
                    cluster: "", p: 0.3, gain: 0.6, baseCost: 0.01, paid: 0.02, success: 0.7, remaining: 1,
                    elapsed: Double(index) / 300))
        }
        let before = state
        state.turn()
        #expect(state.price == before.price)
        #expect(state.gains == before.gains)
        #expect(state.costs == before.costs)
        #expect(abs(state.plan.volume - 300) < 1e-6)
        #expect(state.plan.seen.total == 0)
    }

    @Test("a provider that gets ten times as dear is believed after a few calls, an outlier is not")
    func costs() {
        var costs = CostModel(meanAnswer: 0.01, deviation: 0.5)
        var random = SeededGenerator(seed: 2)
        let noisy = { (random: inout SeededGenerator) in exp(Double.random(in: -0.8..<0.8, using: &random)) }
        for _ in 0..<200 { costs.observe(actual: 0.009 * noisy(&random), expected: 0.01) }
        #expect(abs(costs.factor - 1) < 0.15)
        let before = costs.factor
        costs.observe(actual: 0.1, expected: 0.01)
        #expect(costs.factor < before * 1.2, "one dear call")
        for _ in 0..<6 { costs.observe(actual: 0.09 * noisy(&random), expected: 0.01) }
        #expect((7...13).contains(costs.factor), "\(costs.factor)")
        #expect(costs.alarms == 1)
    }

    @Test("an LLM that gets worse loses its gain within twenty answers, everywhere and in its cluster")
    func gains() {
        var gains = GainModel(success: 0.9, deviation: 0.2)
        for index in 0..<100 { gains.observe(index % 10 == 0 ? 0.4 : 0.96, p: 0.4, cluster: "a") }
        #expect(abs(gains.success(0.4, cluster: "a") - 0.9) < 0.05)
        for _ in 0..<20 { gains.observe(0.5, p: 0.4, cluster: "a") }
        #expect(gains.success(0.4, cluster: "a") < 0.65, "\(gains.success(0.4, cluster: "a"))")
        #expect(gains.success(0.4, cluster: "b") < 0.75)
        #expect(gains.alarms >= 1)
        var others = GainModel(success: 0.5)
        for index in 0..<500 { others.observe(1, p: 0.5, cluster: "cluster \(index)") }
        #expect(others.success(0.5, cluster: "never seen") <= 1)
    }

    @Test("in no particular order the past is believed; sorted, the calibration set as a whole is")
    func belief() {
        var random = SeededGenerator(seed: 5)
        var mixed = state().plan
        var sorted = state().plan
        for index in 0..<300 {
            let p = Double.random(in: 0..<1, using: &random)
            mixed.observe(p: p, gain: 0.9 - p, relativeCost: 1)
            let rising = min(Double(index) / 1000 + 0.05 * p, 1)
            sorted.observe(p: rising, gain: 0.9 - rising, relativeCost: 1)
        }
        #expect(mixed.confidence > 0.9, "\(mixed.belief)")
        #expect(sorted.confidence < 0.1, "\(sorted.belief)")
        // A third of the requests, the hardest, have come: what is left is worth less.
        let left = sorted.demand(price: 0.6, requestsLeft: 700, shift: 0)
        #expect(left < 0.25 * mixed.demand(price: 0.6, requestsLeft: 700, shift: 0), "\(left)")
    }

    @Test("the forecast of the requests left follows what comes")
    func volume() {
        var plan = state().plan
        #expect(abs(plan.requestsLeft(elapsed: 0) - 1000) < 1e-9)
        #expect(plan.requestsLeft(elapsed: 1) == 0)
        for _ in 0..<300 { plan.observe(p: 0.5, gain: 0.4, relativeCost: 1) }
        // Three times as many as expected in a tenth of the period.
        #expect((2300...2800).contains(plan.requestsLeft(elapsed: 0.1)), "\(plan.requestsLeft(elapsed: 0.1))")
    }

    @Test("exploring costs at most one call in a hundred and three parts in a hundred of what is left")
    func exploration() {
        let state = state()
        #expect(state.exploration(cost: 0.01, remaining: 100, requestsLeft: 100) == 0.01)
        let scarce = state.exploration(cost: 0.01, remaining: 0.1, requestsLeft: 1000)
        #expect(abs(scarce * 0.01 * 1000 - 0.003) < 1e-9)
        #expect(state.exploration(cost: 0.01, remaining: 0, requestsLeft: 10) == 0)
    }

    @Test("numbers that make no sense change nothing")
    func nonsense() {
        let start = state()
        for (p, gain, cost) in [(Double.nan, 0.1, 0.01), (0.5, .infinity, 0.01), (0.5, 0.1, -1), (0.5, 0.1, .nan)] {
            var state = start
            state.update(.init(cluster: "", p: p, gain: gain, baseCost: cost, remaining: 1, elapsed: 0))
            #expect(state == start)
        }
        var state = start
        state.update(
            .init(
                cluster: "", p: 0.5, gain: 0.4, baseCost: 0, paid: .infinity, success: .nan, remaining: -5, elapsed: 9))
        #expect(state.price.isFinite && state.costs.factor.isFinite)
    }
}

@Suite struct DemandGridTests {
    @Test("what a grid says a price costs is what its requests would, to a few parts in a hundred")
    func spend() {
        var random = SeededGenerator(seed: 3)
        var grid = DemandGrid()
        var requests: [(gain: Double, cost: Double)] = []
        for _ in 0..<2000 {
            let request = (
                gain: Double.random(in: -0.2..<0.9, using: &random),
                cost: exp2(Double.random(in: -2..<2, using: &random))
            )
            requests.append(request)
            grid.add(gain: request.gain, relativeCost: request.cost)
        }
        for price in [0.05, 0.1, 0.2, 0.4, 0.8] {
            let exact = requests.filter { $0.gain > price * $0.cost }.reduce(0) { $0 + $1.cost }
            #expect(abs(grid.spend(price: price) / exact - 1) < 0.06, "\(price): \(grid.spend(price: price)), \(exact)")
        }
    }

    @Test("adding commutes, forgetting scales, and nothing falls off the edges")
    func commutes() {
        let requests = [(-9.0, 1e-9), (0.3, 1), (7, 1e9), (0.31, 3), (-0.5, 8)]
        var (one, other) = (DemandGrid(), DemandGrid())
        for (gain, cost) in requests { one.add(gain: gain, relativeCost: cost) }
        for (gain, cost) in requests.reversed() { other.add(gain: gain, relativeCost: cost) }
        for (a, b) in zip(one.cells, other.cells) { #expect(abs(a - b) < 1e-12) }
        #expect(abs(one.cells.reduce(0, +) - 5) < 1e-12)
        one.scale(0.5)
        #expect(one.total == 2.5)
    }
}
