internal import Foundation

/// What moving a route's budget would buy, by what its router has seen: points of the curve from cost to quality.
package struct BudgetAdvice: Hashable, Sendable, Codable {
    /// One budget.
    package struct Point: Hashable, Sendable, Codable {
        /// Of what paying for every request would cost.
        package var share: Double
        /// A period's, in USD.
        package var budgetUSD: Double
        /// Mean probability of a right answer.
        package var quality: Double
        /// Right answers a period, more than the SLM alone would give.
        package var rightAnswers: Double
        /// What one more right answer costs from here on, in USD; nil: no budget buys another.
        package var usdPerRightAnswer: Double?
    }

    package var points: [Point]
    /// What λ of now would spend in a whole period of requests like those seen, and the quality that it reaches.
    package var now: Point
    /// Requests a period.
    package var requests: Double
    /// Requests that this rests on.
    package var seen: Int

    private static let shares = [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1]

    package init(_ state: RouterState) {
        let everything = max(Self.spend(state, price: -1e6), 1e-12)
        let alone = state.plan.quality(price: 1e9, shift: 0)
        func point(price: Double, share: Double) -> Point {
            let quality = price > 1e8 ? alone : state.plan.quality(price: price, shift: state.gains.drift)
            let unit = state.costs.meanAnswer * state.costs.factor
            return Point(
                share: share, budgetUSD: share * everything * unit, quality: quality,
                rightAnswers: max(quality - alone, 0) * state.plan.volume,
                usdPerRightAnswer: price > 1e-3 && price < 1e8 ? unit / price : nil)
        }
        points = Self.shares.map { share in
            point(price: Self.price(state, means: share * everything), share: share)
        }
        let price = state.price * state.costs.factor
        now = point(price: price, share: Self.spend(state, price: price) / everything)
        requests = state.plan.volume
        seen = state.updates
    }

    /// In mean answers, for a period of requests as they have been.
    private static func spend(_ state: RouterState, price: Double) -> Double {
        state.plan.usualDemand(price: price, shift: state.gains.drift)
    }

    /// The price at which so many mean answers are spent; a gain below zero is never paid for.
    private static func price(_ state: RouterState, means: Double) -> Double {
        guard means > 0 else { return 1e9 }
        var (low, high) = (1e-4, 1e4)
        for _ in 0..<60 {
            let middle = (low * high).squareRoot()
            if spend(state, price: middle) > means { low = middle } else { high = middle }
        }
        return (low * high).squareRoot()
    }
}
