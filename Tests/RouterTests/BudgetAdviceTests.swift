import Foundation
import GatewayCore
import Testing

@testable import Router

@Suite struct BudgetAdviceTests {
    private static func taught(_ requests: Int) -> RouterState {
        var state = RouterState.initial(settings: RouteSettings(), meanAnswer: 0.01, budget: 2)
        var random = SeededGenerator(seed: 8)
        for index in 0..<requests {
            // Two kinds of requests: three in four that the SLM can do, one that it cannot.
            let p = random.chance(0.75) ? 0.9 : 0.2
            state.update(
                .init(
                    cluster: "", p: p, gain: 0.92 - p, baseCost: 0.01, remaining: 2,
                    elapsed: Double(index) / Double(requests)))
        }
        return state
    }

    @Test("more money never buys less, the first dollar buys most, and the last one buys next to nothing")
    func curve() {
        let advice = BudgetAdvice(Self.taught(2000))
        #expect(advice.points.first?.budgetUSD == 0 && advice.points.first?.rightAnswers == 0)
        for (a, b) in zip(advice.points, advice.points.dropFirst()) {
            #expect(b.quality >= a.quality - 1e-9 && b.budgetUSD > a.budgetUSD)
        }
        let slopes = zip(advice.points, advice.points.dropFirst()).map { a, b in
            (b.rightAnswers - a.rightAnswers) / (b.budgetUSD - a.budgetUSD)
        }
        #expect(slopes[1] > 5 * (slopes.last ?? 0), "\(slopes)")
        #expect(advice.seen == 2000)
    }

    @Test("a quarter of the money buys what the hard quarter of the requests is worth")
    func quarter() throws {
        let advice = BudgetAdvice(Self.taught(4000))
        let fifth = try #require(advice.points.first { $0.share == 0.2 })
        let alone = try #require(advice.points.first).quality
        // Of 25 hard requests in a hundred, 20 are paid for, each gaining 0.72.
        #expect(abs(fifth.quality - alone - 0.144) < 0.03, "\(fifth.quality - alone)")
        #expect(try #require(advice.points.last).quality - alone < 0.23)
    }
}
