import Testing

@testable import Router

@Suite struct SharedPoolTests {
    private static let unit = 0.01
    private static let requests = 1000

    private func state(budget: Double, random: inout SeededGenerator) -> RouterState {
        var population = DemandProfile()
        for _ in 0..<400 {
            let p = Double.random(in: 0..<1, using: &random)
            population.add(p: p, gain: 0.9 - p, relativeCost: 1)
        }
        return RouterState(
            gains: GainModel(success: 0.9), costs: CostModel(meanAnswer: Self.unit),
            plan: PacingPlan(population: population, volume: Double(Self.requests)), budget: budget)
    }

    /// Routes that take turns at one budget; how much of the period had passed when it was gone, the gain of the first
    /// and of the second half of it, and each route's part at the end.
    private func run(routes: Int, budget: Double) -> (empty: Double?, halves: [Double], shares: [Double]) {
        var random = SeededGenerator(seed: 5)
        var states = (0..<routes).map { _ in state(budget: budget, random: &random) }
        var left = budget
        var halves = [0.0, 0.0]
        var empty: Double?
        for index in 0..<Self.requests * routes {
            let place = index % routes
            let elapsed = Double(index) / Double(Self.requests * routes)
            let p = Double.random(in: 0..<1, using: &random)
            var outcome = RouterState.Outcome(
                cluster: "", p: p, gain: 0.9 - p, baseCost: Self.unit, remaining: 0, elapsed: elapsed)
            if outcome.gain > states[place].shadowPrice * Self.unit, left >= Self.unit {
                left -= Self.unit
                outcome.paid = Self.unit
                halves[elapsed < 0.5 ? 0 : 1] += outcome.gain
            }
            if left < Self.unit, empty == nil { empty = elapsed }
            outcome.remaining = left
            states[place].update(outcome)
        }
        return (empty, halves, states.map { $0.budgetShare(of: BudgetName(scope: nil, period: nil)) })
    }

    @Test("a route alone with its budget plans with all of it")
    func alone() {
        let result = run(routes: 1, budget: 2)
        #expect(abs(result.shares[0] - 1) < 1e-9)
    }

    @Test("three routes that share a budget make it last, and each plans with about its part", arguments: [2.0, 6.0])
    func shared(budget: Double) {
        let result = run(routes: 3, budget: budget)
        #expect(result.empty ?? 1 > 0.85, "\(result)")
        #expect(result.halves[1] > 0.4 * result.halves[0], "\(result)")
        // Where a budget buys few answers, the three that each starts from still count: 0.47 at the smaller budget.
        for share in result.shares { #expect(abs(share - 1.0 / 3) < 0.16, "\(result.shares)") }
    }

    @Test("what others spend lowers the share, a top-up and a new period do not raise it, and it never is nothing")
    func counting() {
        var pool = SharedPool()
        pool.observe(spent: 1, remaining: 1000)
        #expect(pool.share == 1)
        pool.observe(spent: 10, remaining: 970)
        #expect(abs(pool.share - 13.0 / 33) < 1e-9)
        let before = pool
        pool.observe(spent: 1, remaining: 5000)
        #expect(pool.share == before.share)
        pool.turn()
        pool.observe(spent: 1, remaining: 100)
        #expect(pool.share == before.share)
        for index in 1...100 { pool.observe(spent: 0, remaining: 100 - Double(index) * 40) }
        #expect(pool.share == 0.05)
    }

    @Test("what another answer's hold took for a while is counted back when it is settled for less")
    func holds() {
        var pool = SharedPool()
        pool.observe(spent: 0, remaining: 100)
        pool.observe(spent: 0, remaining: 60)
        #expect(pool.share < 0.3)
        pool.observe(spent: 1, remaining: 99)
        #expect(pool.share > 0.99)
    }
}

@Suite struct ReaderBiasTests {
    private static func outcome(read: Double) -> RouterState.Outcome {
        var outcome = RouterState.Outcome(
            cluster: "", p: 0.3, gain: 0.6, baseCost: 0.01, remaining: nil, elapsed: 0)
        outcome.read = read
        return outcome
    }

    @Test("a reward model that reads an LLM's text too low says nothing of it; that it reads it lower than before does")
    func changes() {
        var state = RouterState(
            gains: GainModel(success: 0.9), costs: CostModel(meanAnswer: 0.01),
            plan: PacingPlan(population: .prior(success: 0.9), volume: 1000), budget: 2)
        for index in 0..<300 { state.update(Self.outcome(read: index % 2 == 0 ? 0.3 : 0.5)) }
        #expect(abs(state.gains.success(0.3, cluster: "") - 0.9) < 0.05)
        for index in 0..<60 { state.update(Self.outcome(read: index % 2 == 0 ? 0 : 0.1)) }
        #expect(state.gains.success(0.3, cluster: "") < 0.65)
    }
}
