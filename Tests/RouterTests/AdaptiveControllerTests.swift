import Foundation
import GatewayCore
import Testing

@testable import Router

@Suite struct AdaptiveControllerTests {
    private static func settings() -> RouteSettings {
        var settings = RouteSettings()
        settings.exploration = 0
        settings.maxResamples = 0
        settings.latencyUSDPerSecond = 0
        return settings
    }

    private static func state(budget: Double?) -> RouterState {
        RouterState.initial(settings: settings(), meanAnswer: 0.000_102, budget: budget)
    }

    private static func observe(_ p: Double, remaining: NanoUSD? = NanoUSD(NanoUSD.perDollar)) -> StepObservation {
        var observation = ControllerTests.observe(p)
        observation.remaining = remaining
        return observation
    }

    @Test("the scarcer the budget, the lower the p from which on the LLM is not paid")
    func scarcity() {
        func bar(_ budget: Double) -> Double {
            let controller = AdaptiveController(state: Self.state(budget: budget), seed: 1)
            return stride(from: 0.0, through: 1, by: 0.01).first {
                controller.decide(Self.observe($0), settings: Self.settings()).action == .accept
            } ?? 1
        }
        // A thousand requests at a tenth of a thousandth of a dollar.
        let bars = [0.005, 0.02, 0.05, 1].map(bar)
        #expect(bars == bars.sorted() && Set(bars).count == 4, "\(bars)")
        #expect(bars[0] < 0.4 && bars[3] > 0.85)
    }

    @Test("λ, gains and costs of the decision are the learned ones, in the formula's units")
    func learned() throws {
        var state = Self.state(budget: 0.03)
        for _ in 0..<30 {
            state.update(
                .init(
                    cluster: AdaptiveController.cluster(depth: 0), p: 0.4, gain: 0.5, baseCost: 0.0001, paid: 0.0002,
                    success: 0.6, remaining: 0.02, elapsed: 0.1))
        }
        var settings = Self.settings()
        settings.valueUSD = 0.05
        let decision = AdaptiveController(state: state, seed: 1).decide(Self.observe(0.4), settings: settings)
        let rest = try #require(decision.estimates.first { $0.action == .llmRest })
        let success = state.gains.success(0.4, cluster: AdaptiveController.cluster(depth: 0))
        #expect(success < 0.75)
        #expect(abs(rest.gain - (success - 0.4)) < 1e-12)
        #expect(abs(rest.costUSD - 0.000_102 * state.costs.factor) < 1e-9)
        #expect(abs(decision.shadowPrice - state.shadowPrice * 0.05) < 1e-9)
        #expect(abs(rest.utility - (0.05 * rest.gain - decision.shadowPrice * rest.costUSD)) < 1e-12)
        #expect(rest.remainingUSD == 1)
    }

    @Test("what a decision says in dollars is what a replay says in gains")
    func agreesWithReplay() {
        var random = SeededGenerator(seed: 6)
        for _ in 0..<500 {
            let state = Self.state(budget: Double.random(in: 0.001..<0.1, using: &random))
            let p = Double.random(in: 0...1, using: &random)
            let decision = AdaptiveController(state: state, seed: 1).decide(Self.observe(p), settings: Self.settings())
            let gain = state.gains.success(p, cluster: AdaptiveController.cluster(depth: 0)) - p
            var settings = Self.settings()
            settings.stepGainShare = 0
            let rest = AdaptiveController(state: state, seed: 1).decide(Self.observe(p), settings: settings)
            let pays = gain > state.shadowPrice * state.expectedCost(0.000_102)
            #expect((rest.action == .llmRest) == pays, "p \(p)")
            #expect(decision.action != .accept || !pays)
        }
    }

    @Test("one decision in a hundred is explored, with its chance, and never where no money is left")
    func exploration() {
        var settings = Self.settings()
        settings.exploration = 0.01
        let state = Self.state(budget: 0.01)
        var explored = 0
        for seed in 0..<20_000 as Range<UInt64> {
            let decision = AdaptiveController(state: state, seed: seed).decide(Self.observe(0.85), settings: settings)
            guard decision.isEscalation else { continue }
            explored += 1
            #expect(decision.reason == "explored_with_chance_10000_in_a_million")
        }
        #expect((140...260).contains(explored), "\(explored)")
        for seed in 0..<2000 as Range<UInt64> {
            let controller = AdaptiveController(state: state, seed: seed)
            #expect(!controller.decide(Self.observe(0.85, remaining: .zero), settings: settings).isEscalation)
            #expect(!controller.decide(Self.observe(.nan), settings: settings).isEscalation)
        }
    }

    @Test("nothing is explored for an answer that is worth nothing, by the request's own word or the route's")
    func worthless() {
        var settings = Self.settings()
        settings.exploration = 1
        let controller = AdaptiveController(state: Self.state(budget: 0.01), seed: 1)
        var observation = Self.observe(0.85, remaining: nil)
        #expect(controller.decide(observation, settings: settings).isExploration)
        observation.valueUSD = 0
        #expect(!controller.decide(observation, settings: settings).isEscalation)
        observation.valueUSD = nil
        settings.valueUSD = 0
        #expect(!controller.decide(observation, settings: settings).isEscalation)
    }

    @Test("a route that keeps to a quality pays more while it is below it, and less above")
    func floor() {
        var (low, high) = (Self.state(budget: 0.02), Self.state(budget: 0.02))
        let start = low.price
        for _ in 0..<200 {
            low.update(.init(cluster: "", p: 0.3, gain: 0.6, baseCost: 0.0001, remaining: 1, elapsed: 0))
            high.update(.init(cluster: "", p: 0.97, gain: -0.05, baseCost: 0.0001, remaining: 1, elapsed: 0))
        }
        var (poor, rich) = (low, high)
        for _ in 0..<50 {
            poor.update(
                Self.floored(.init(cluster: "", p: 0.3, gain: 0.6, baseCost: 0.0001, remaining: 0, elapsed: 0)))
            rich.update(
                Self.floored(.init(cluster: "", p: 0.97, gain: -0.05, baseCost: 0.0001, remaining: 0, elapsed: 0)))
        }
        #expect(poor.price <= low.price || poor.plan.quality(price: poor.price, shift: 0) >= 0.85)
        #expect(rich.price > high.price)
        #expect(start > 0)
    }

    private static func floored(_ outcome: RouterState.Outcome) -> RouterState.Outcome {
        var outcome = outcome
        outcome.floor = 0.85
        return outcome
    }

    private static func outcome(_ period: String, _ remaining: Double, elapsed: Double) -> RouterState.Outcome {
        var outcome = RouterState.Outcome(
            cluster: "", p: 0.5, gain: 0.4, baseCost: 0.0001, remaining: remaining, elapsed: elapsed)
        outcome.period = period
        return outcome
    }

    @Test("an outcome of the next period turns the plan, one of the last period no longer moves λ")
    func periods() {
        var state = Self.state(budget: 0.02)
        for index in 0..<40 { state.update(Self.outcome("month:2026-11", 0.01, elapsed: Double(index) / 40)) }
        let price = state.price
        state.update(Self.outcome("month:2026-12", 0.02, elapsed: 0.5))
        #expect(state.period == "month:2026-12")
        #expect(abs(state.plan.volume - 40) < 1e-6)
        #expect(abs(state.price / price - 1) < 0.25, "λ goes on")
        let before = state.price
        state.update(Self.outcome("month:2026-11", 0, elapsed: 0.5))
        #expect(state.price == before)
        #expect(state.period == "month:2026-12")
    }

    @Test(
        "budgets of other windows neither turn the plan nor make its own late",
        arguments: ["day:2026-11-05", "quarter:2026-Q4", "total", "week:2026-W45"])
    func windows(other: String) {
        var state = Self.state(budget: 0.02)
        for index in 0..<40 { state.update(Self.outcome("month:2026-11", 0.01, elapsed: Double(index) / 1000)) }
        for _ in 0..<20 {
            state.update(Self.outcome(other, 0.001, elapsed: 0.5))
            let before = state.price
            state.update(Self.outcome("month:2026-11", 0.01, elapsed: 0.08))
            #expect(state.price != before)
        }
        #expect(state.period == "month:2026-11")
        #expect(state.plan.volume == 1000)
        #expect(abs(state.plan.seen.total - 80) < 1e-6)
    }

    @Test("a plan whose own window comes no more changes over to the other one, once, with its rate of requests")
    func changeOver() {
        var state = Self.state(budget: 0.02)
        for index in 0..<80 { state.update(Self.outcome("month:2026-11", 0.01, elapsed: Double(index) / 1000)) }
        for _ in 0..<29 { state.update(Self.outcome("week:2026-W45", 0.005, elapsed: 0.5)) }
        #expect(state.period == "month:2026-11")
        let price = state.price
        state.update(Self.outcome("week:2026-W45", 0.005, elapsed: 0.5))
        #expect(state.period == "week:2026-W45")
        #expect(state.price != price)
        #expect(abs(state.plan.volume - 100 / 0.099 * 7 / 30.4) < 1e-6)
        #expect(abs(state.plan.seen.total - 1) < 1e-9)
        // It stays there, though the month comes again, and turns with the week.
        state.update(Self.outcome("month:2026-12", 0.01, elapsed: 0))
        #expect(state.period == "week:2026-W45")
        state.update(Self.outcome("week:2026-W46", 0.01, elapsed: 0))
        #expect(state.period == "week:2026-W46")
    }

    @Test("a week that begins on another day than Monday is not late for a week that has a number")
    func weeks() {
        var state = Self.state(budget: 0.02)
        for _ in 0..<3 {
            state.update(Self.outcome("week:2026-W45", 0.01, elapsed: 0.1))
            state.update(Self.outcome("week:2026-11-04", 0.01, elapsed: 0.1))
        }
        #expect(state.period == "week:2026-W45")
        for _ in 0..<31 { state.update(Self.outcome("week:2026-11-04", 0.01, elapsed: 0.1)) }
        #expect(state.period == "week:2026-11-04")
        state.update(Self.outcome("week:2026-11-11", 0.01, elapsed: 0))
        #expect(state.period == "week:2026-11-11")
    }

    @Test("a route that is begun amid a period does not take it for one in which nothing came so far")
    func amid() {
        var state = Self.state(budget: 0.02)
        for index in 0...100 {
            state.update(Self.outcome("month:2026-11", 0.01, elapsed: 0.5 + Double(index) / 1000))
            if index == 0 { #expect(abs(state.plan.requestsLeft(elapsed: 0.5) - 525) < 1e-6) }
        }
        // A hundred requests in a tenth of the month.
        #expect((380...430).contains(state.plan.requestsLeft(elapsed: 0.6)))
        for index in 0..<400 {
            state.update(Self.outcome("month:2026-11", 0.01, elapsed: 0.6 + Double(index) / 1000))
        }
        state.update(Self.outcome("month:2026-12", 0.02, elapsed: 0))
        #expect((950...1050).contains(state.plan.volume), "\(state.plan.volume)")
    }
}
