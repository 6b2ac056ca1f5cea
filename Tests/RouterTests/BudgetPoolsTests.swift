import Foundation
import Testing

@testable import Router

@Suite struct BudgetPoolsTests {
    private static let unit = 0.01
    private static let requests = 1000
    private static let period = "month:2026-11"

    /// Answers paid for by each budget and in each quarter of the month, and how much of it had passed when a budget
    /// was gone.
    private struct Month {
        var paid: [Int]
        var quarters = [0, 0, 0, 0]
        var empty: [Double?]
        var state: RouterState
    }

    private static func state(answers: Double, random: inout SeededGenerator) -> RouterState {
        var population = DemandProfile()
        for _ in 0..<400 {
            let p = Double.random(in: 0..<1, using: &random)
            population.add(p: p, gain: 0.9 - p, relativeCost: 1)
        }
        return RouterState(
            gains: GainModel(success: 0.9), costs: CostModel(meanAnswer: unit),
            plan: PacingPlan(population: population, volume: Double(requests)), budget: answers * unit)
    }

    private static func name(_ scope: String) -> BudgetName { BudgetName(scope: scope, period: period) }

    /// - Parameter left: of each budget, in answers.
    private static func outcome(_ p: Double, _ left: [String: Double], elapsed: Double) -> RouterState.Outcome {
        var outcome = RouterState.Outcome(
            cluster: "", p: p, gain: 0.9 - p, baseCost: unit, remaining: nil, elapsed: elapsed)
        outcome.rooms = left.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map {
            BudgetRoom(scope: $0.key, period: period, remaining: $0.value * unit, elapsed: elapsed)
        }
        return outcome
    }

    /// A month in which keys take turns, or come by chance, each with a budget of so many answers.
    /// - Parameters:
    ///   - tenant: the tenant's own budget, and what of it others spend evenly.
    private static func month(
        keys limits: [Double], tenant: (limit: Double, others: Double)? = nil, seed: UInt64,
        requests: Int = BudgetPoolsTests.requests, byChance: Bool = false
    ) -> Month {
        var random = SeededGenerator(seed: seed)
        var month = Month(
            paid: Array(repeating: 0, count: limits.count), empty: Array(repeating: nil, count: limits.count),
            state: Self.state(answers: limits[0], random: &random))
        var left = limits
        var whole = tenant?.limit ?? .infinity
        for index in 0..<requests {
            whole -= (tenant?.others ?? 0) / Double(requests)
            let key = byChance ? Int.random(in: 0..<limits.count, using: &random) : index % limits.count
            let p = Double.random(in: 0..<1, using: &random)
            let elapsed = Double(index) / Double(requests)
            var paid: Double?
            if 0.9 - p > month.state.price, min(left[key], whole) >= 1 {
                left[key] -= 1
                whole -= 1
                month.paid[key] += 1
                month.quarters[4 * index / requests] += 1
                paid = unit
            }
            if left[key] < 1, month.empty[key] == nil { month.empty[key] = elapsed }
            var rooms = ["key:\(key)": left[key]]
            if tenant != nil { rooms["tenant:acme"] = whole }
            var outcome = Self.outcome(p, rooms, elapsed: elapsed)
            outcome.paid = paid
            month.state.update(outcome)
        }
        return month
    }

    @Test("of two keys with budgets of their own neither's money is what others spent of the other's")
    func apart() {
        var random = SeededGenerator(seed: 7)
        var state = Self.state(answers: 1000, random: &random)
        for index in 0..<200 {
            let key = index % 2
            state.update(
                Self.outcome(0.95, ["key:\(key)": key == 0 ? 1000 : 500], elapsed: Double(index) / 1000))
        }
        #expect(state.budgetShare(of: Self.name("key:0")) == 1)
        #expect(state.budgetShare(of: Self.name("key:1")) == 1)
    }

    @Test(
        "a route whose callers have budgets of their own spends them, over the month", arguments: [1, 2, 3] as [UInt64])
    func keys(seed: UInt64) {
        let month = Self.month(keys: [150, 75], seed: seed)
        #expect(month.paid[0] > 90 && month.paid[1] > 55, "\(month.paid)")
        #expect(month.empty[0] ?? 1 > 0.8, "\(month.empty)")
        #expect(month.empty[1] ?? 1 > 0.55, "\(month.empty)")
    }

    @Test(
        "a key that has used up its budget does not stop what the others pay for", arguments: [1, 2, 3] as [UInt64])
    func usedUp(seed: UInt64) {
        let month = Self.month(keys: [0.5, 60, 60, 60], seed: seed)
        #expect(month.paid[0] == 0)
        #expect(month.paid.reduce(0, +) > 140, "\(month.paid)")
        #expect(month.quarters.allSatisfy { $0 > 20 }, "\(month.quarters)")
    }

    @Test(
        "more keys than are told apart do not spend in a week what is to last a month", arguments: [1, 2] as [UInt64])
    func many(seed: UInt64) {
        let month = Self.month(
            keys: Array(repeating: 7, count: 4 * BudgetPools.mostOwners), seed: seed, requests: 2000, byChance: true)
        #expect(month.paid.reduce(0, +) > 480, "\(month.quarters)")
        #expect(month.quarters[0] < 170 && month.quarters[3] > 90, "\(month.quarters)")
    }

    @Test(
        "a budget for the paid model, which unpaid requests do not tell of, lasts the month",
        arguments: [1, 2, 3] as [UInt64])
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var state = Self.state(answers: 400, random: &random)
        var (all, model) = (400.0, 60.0)
        var quarters = [0, 0, 0, 0]
        for index in 0..<Self.requests {
            let p = Double.random(in: 0..<1, using: &random)
            let pays = 0.9 - p > state.price && model >= 1
            if pays {
                (all, model) = (all - 1, model - 1)
                quarters[4 * index / Self.requests] += 1
            }
            let rooms = pays ? ["tenant:acme": all, "tenant:acme model:gpt-*": model] : ["tenant:acme": all]
            var outcome = Self.outcome(p, rooms, elapsed: Double(index) / Double(Self.requests))
            outcome.paid = pays ? Self.unit : nil
            state.update(outcome)
        }
        // The route alone spends both: what was paid under the one is not others' spending of the other.
        for scope in ["tenant:acme", "tenant:acme model:gpt-*"] {
            #expect(state.budgetShare(of: Self.name(scope)) > 0.9)
        }
        #expect(quarters.allSatisfy { (5...30).contains($0) }, "\(quarters)")
    }

    @Test("what others spent of a budget still counts where another one came between, and a late outcome does not")
    func shared() {
        var pools = BudgetPools()
        func observe(_ spent: Double, _ remaining: Double, _ scope: String, _ period: String = Self.period) {
            let room = BudgetRoom(scope: scope, period: period, remaining: remaining, elapsed: 0)
            pools.observe(spent: spent, [room], unit: 1)
        }
        observe(0, 100, "team:a")
        observe(5, 900, "team:b")
        observe(1, 80, "team:a")
        #expect(abs(pools.share(of: Self.name("team:a")) - 4.0 / 23) < 1e-9)
        #expect(pools.share(of: Self.name("team:b")) == 1)
        let before = pools
        observe(0, 10, "team:a", "month:2026-10")
        #expect(pools.share(of: Self.name("team:a")) == before.share(of: Self.name("team:a")))
        // The next month's money is not compared with this one's.
        observe(0, 40, "team:a", "month:2026-12")
        #expect(pools.share(of: Self.name("team:a")) == before.share(of: Self.name("team:a")))
    }

    @Test("however many keys and budgets there are, what is kept of them stays small")
    func bounded() throws {
        var pools = BudgetPools()
        for key in 0..<500 {
            for model in 0..<10 {
                let scope = "key:\(key) model:openai/gpt-4.1-mini-\(model)"
                let room = BudgetRoom(scope: scope, period: Self.period, remaining: 1000.0 / 7, elapsed: 0)
                pools.observe(spent: 1.0 / 3, [room], unit: 1)
            }
        }
        #expect(try JSONEncoder().encode(pools).count < 30_000)
        #expect(pools.demandShare(of: "key:499") > 0)
        #expect(pools.share(of: Self.name("key:499 model:openai/gpt-4.1-mini-9")) == 1)
        let stored = try JSONDecoder().decode(BudgetPools.self, from: JSONEncoder().encode(pools))
        #expect(stored == pools)
    }

    @Test(
        "a tenant's budget, which its keys' budgets together would overspend, lasts the month, also beside direct use",
        arguments: [1, 2, 3] as [UInt64])
    func nested(seed: UInt64) {
        for (keys, tenant) in [(Array(repeating: 60.0, count: 10), (150.0, 0.0)), ([200], (300, 200))] {
            let month = Self.month(keys: keys, tenant: tenant, seed: seed)
            let paid = month.paid.reduce(0, +)
            #expect(Double(paid) > 0.85 * min(tenant.0 - tenant.1, keys.reduce(0, +)), "\(paid)")
            // What others will spend is known less well than what the route's own requests would cost.
            let least = keys.count > 1 ? paid / 8 : paid / 20
            #expect(month.quarters.allSatisfy { (least...paid / 2).contains($0) }, "\(month.quarters)")
        }
    }

    @Test("a month's budget lasts beside a day's that is the tightest at first", arguments: [1, 2, 3] as [UInt64])
    func windows(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var state = Self.state(answers: 300, random: &random)
        var (month, quarters) = (150.0, [0, 0, 0, 0])
        for index in 0..<Self.requests {
            let days = 30 * Double(index) / Double(Self.requests)
            let p = Double.random(in: 0..<1, using: &random)
            var paid: Double?
            if 0.9 - p > state.price, month >= 1 {
                month -= 1
                paid = Self.unit
                quarters[4 * index / Self.requests] += 1
            }
            var outcome = Self.outcome(p, ["tenant:acme": month], elapsed: days / 30)
            let day = BudgetRoom(
                scope: "tenant:acme", period: "day:2026-11-\(10 + Int(days))",
                remaining: 20 * Self.unit, elapsed: days - days.rounded(.down))
            outcome.rooms?.insert(day, at: 0)
            outcome.paid = paid
            state.update(outcome)
        }
        #expect(month < 20 && quarters.allSatisfy { $0 > 15 }, "\(quarters)")
    }

    @Test(
        "a used-up key with most of the requests leaves the tenant's money to the others",
        arguments: [1, 2, 3] as [UInt64])
    func idleDemand(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var state = Self.state(answers: 300, random: &random)
        let start = state.price
        var (left, whole, paid) = ([10.0, 200, 200], 300.0, 0)
        for index in 0..<Self.requests {
            let key = max(Int.random(in: 0..<10, using: &random) - 7, 0)
            let p = Double.random(in: 0..<1, using: &random)
            let pays = 0.9 - p > state.price && min(left[key], whole) >= 1
            if pays {
                (left[key], whole) = (left[key] - 1, whole - 1)
                paid += key > 0 ? 1 : 0
            }
            var outcome = Self.outcome(
                p, ["key:\(key)": left[key], "tenant:acme": whole], elapsed: Double(index) / Double(Self.requests))
            outcome.paid = pays ? Self.unit : nil
            state.update(outcome)
        }
        #expect(paid > 65 && state.price < start / 2, "\(paid), \(state.price) of \(start)")
    }

    @Test("requests that have nothing to pay with are no demand on what they share with others")
    func demandShare() {
        var pools = BudgetPools()
        for index in 0..<2000 {
            let key = index % 5 == 0 ? 1 : 0
            let rooms = [("key:\(key)", key == 0 ? 0.5 : 200), ("tenant:acme", 300)].map {
                BudgetRoom(scope: $0.0, period: Self.period, remaining: $0.1, elapsed: 0)
            }
            pools.observe(spent: 0, rooms, unit: 1)
        }
        #expect(abs(pools.demandShare(of: "tenant:acme") - 0.2) < 0.02)
        #expect(abs(pools.demandShare(of: "key:1") - 0.2) < 0.02 && pools.demandShare(of: "key:0") < 0.02)
    }

    @Test("a small budget for a tag holds back what has the tag, and nothing else")
    func tags() {
        var pools = BudgetPools()
        func room(_ scope: String, _ left: Double) -> BudgetRoom {
            BudgetRoom(scope: scope, period: Self.period, remaining: left, elapsed: 0)
        }
        pools.observe(spent: 1, [room("tenant:acme", 999), room("tenant:acme tag:x", 4)], unit: 1)
        #expect(pools.left(of: "tenant:acme", in: Self.period) == 4)
        pools.observe(spent: 0, [room("tenant:acme", 999)], unit: 1)
        #expect(pools.left(of: "tenant:acme", in: Self.period) == 999)
    }

    @Test("a budget without an end plans for as many requests as came, and for a period's usual ones at first")
    func endless() {
        var random = SeededGenerator(seed: 4)
        var state = Self.state(answers: 400, random: &random)
        // A thousand requests for 400 answers, then two thousand.
        let prices = [state.price, Self.state(answers: 200, random: &random).price]
        for (index, price) in prices.enumerated() {
            for _ in 0..<1000 {
                var outcome = Self.outcome(
                    Double.random(in: 0..<1, using: &random), ["tenant:acme": 400], elapsed: 0)
                outcome.rooms?[0].period = "total"
                state.update(outcome)
            }
            #expect(abs(log(state.price / price)) < 0.25, "\(index): \(state.price) of \(price)")
        }
    }
}
