internal import Foundation

/// Everything that the router of one route has learned: gains, costs, the plan and the price of its budget.
///
/// A pure value. What it becomes depends on the outcomes it was given, not on who gave them: replicas that share it
/// through the database, each update under the row's lock, end where one gateway alone would have.
package struct RouterState: Hashable, Sendable, Codable {
    /// How far λ may move from where it started, either way.
    package static let range = 20.0

    package var gains: GainModel
    package var costs: CostModel
    package private(set) var plan: PacingPlan
    /// λ as gain per mean answer; `shadowPrice` is the same in dollars.
    package private(set) var price: Double
    /// Where λ started: the clip's middle.
    package private(set) var initialPrice: Double
    /// Dual step: about one by the square root of the period's requests.
    package private(set) var step: Double
    /// Requests taken in so far, of all periods.
    package private(set) var updates = 0
    /// The budget's period that the plan is about, such as month:2026-11.
    package private(set) var period: String?
    /// Share of the doubt that an LLM-written step removes, less the prior.
    private var stepGain = LearnedMean()
    /// Of the reward model on what the LLM wrote; nil: nothing was read.
    private var reader: ReaderBias?
    /// This route's part in its budget; nil in a state of an earlier version, until its next outcome.
    private var pool: SharedPool?

    /// - Parameters:
    ///   - budget: of a period, in USD; λ starts at the price at which the calibration set's demand costs that much.
    ///   - initialPrice: instead of that price, as gain per mean answer.
    package init(
        gains: GainModel, costs: CostModel, plan: PacingPlan, budget: Double, initialPrice: Double? = nil
    ) {
        self.gains = gains
        self.costs = costs
        self.plan = plan
        let means = costs.meanAnswer > 0 ? budget / costs.meanAnswer : 0
        let price = max(initialPrice ?? plan.price(budget: means), Self.leastPrice)
        self.price = price
        self.initialPrice = price
        step = min(max(1 / plan.volume.squareRoot(), 0.02), 0.1)
    }

    /// A quality this far from the floor moves λ by a whole step.
    private static let floorGap = 0.03
    /// A gap between demand and means beyond e² counts as that much.
    private static let mostGap = 2.0
    /// Where a budget pays for everything the price is nothing; it is kept above zero so that it can move.
    package static let leastPrice = 0.02
    /// From so many requests of its own on, λ may move around what those say, not around where it started.
    private static let ownRequests = 100
    private static let stepGainPrior = 20.0

    /// λ: gain per dollar.
    package var shadowPrice: Double { price / max(costs.meanAnswer, 1e-12) }

    /// ĉ of a call whose price and usual length say `base`.
    package func expectedCost(_ base: Double) -> Double { base * costs.factor }

    /// The chance of paying where the price says not to, so that gains are learned there too: at most one in a hundred,
    /// and at most three parts in a hundred of what is left.
    package func exploration(cost: Double, remaining: Double, requestsLeft: Double) -> Double {
        guard cost > 0, remaining > 0 else { return 0 }
        return min(0.01, 0.03 * remaining / max(requestsLeft, 1) / cost)
    }

    /// What came of a request.
    package struct Outcome: Hashable, Sendable, Codable {
        package var cluster: String
        /// Calibrated probability that the SLM alone ends right.
        package var p: Double
        /// Δ̂ as it was weighed.
        package var gain: Double
        /// ĉ in USD, before the learned factor.
        package var baseCost: Double
        /// What was paid in USD; nil: nothing was.
        package var paid: Double?
        /// All that the request spent in USD, where that is not `paid`.
        package var spent: Double?
        /// How likely the LLM's answer is right, as far as anyone read it; noise may take it out of 0…1.
        package var success: Double?
        /// What the reward model makes of the LLM's text: it was made for the SLM's, so that only changes count.
        package var read: Double?
        /// Left of the budget in USD; nil: not known, so that the price stays.
        package var remaining: Double?
        /// Which share of the period has passed.
        package var elapsed: Double
        /// The budget's period; an outcome of an earlier one than the state's teaches gains and costs only.
        package var period: String?
        /// Where the route keeps to a mean quality instead of a budget: that.
        package var floor: Double?
        /// What steps by the LLM removed of the doubt, less the route's prior.
        package var stepGains: [Double]?

        package init(
            cluster: String, p: Double, gain: Double, baseCost: Double, paid: Double? = nil, success: Double? = nil,
            remaining: Double?, elapsed: Double
        ) {
            self.cluster = cluster
            self.p = p
            self.gain = gain
            self.baseCost = baseCost
            self.paid = paid
            self.success = success
            self.remaining = remaining
            self.elapsed = elapsed
        }
    }

    /// Learns from a request, then moves λ along the dual's gradient as planned: up where what is to come would cost
    /// more than is left, down where less.
    package mutating func update(_ outcome: Outcome) {
        guard outcome.p.isFinite, outcome.gain.isFinite, outcome.baseCost.isFinite, outcome.baseCost >= 0
        else { return }
        let isLate = turn(to: outcome.period)
        let drift = gains.drift
        plan.observe(
            p: outcome.p, gain: outcome.gain - drift, relativeCost: outcome.baseCost / max(costs.meanAnswer, 1e-12))
        if let paid = outcome.paid { costs.observe(actual: paid, expected: outcome.baseCost) }
        if let success = outcome.success ?? corrected(outcome), success.isFinite {
            gains.observe(min(max(success, -1), 2), p: outcome.p, cluster: outcome.cluster)
        }
        for gain in outcome.stepGains ?? [] where gain.isFinite { stepGain.observe(min(max(gain, -1), 1)) }
        updates += 1
        if let remaining = outcome.remaining, !isLate { share(remaining, outcome) }
        if let floor = outcome.floor {
            movePrice(floor: floor)
        } else if let remaining = outcome.remaining, !isLate {
            movePrice(remaining: remaining, elapsed: outcome.elapsed)
        }
        if updates == Self.ownRequests { initialPrice = max(price, Self.leastPrice) }
    }

    private mutating func corrected(_ outcome: Outcome) -> Double? {
        guard let read = outcome.read, read.isFinite else { return nil }
        reader = reader ?? ReaderBias()
        return reader?.corrected(
            min(max(read, 0), 1), expected: gains.success(min(max(outcome.p, 0), 1), cluster: outcome.cluster))
    }

    /// Of what is left of the budget, the part that this route plans with; the rest is for others who share it.
    package var budgetShare: Double { pool?.share ?? 1 }

    private mutating func share(_ remaining: Double, _ outcome: Outcome) {
        let unit = max(costs.meanAnswer, 1e-12)
        pool = pool ?? SharedPool()
        pool?.observe(spent: (outcome.spent ?? outcome.paid ?? 0) / unit, remaining: remaining / unit)
    }

    /// Begins a later period. True: the outcome is of an earlier one, so that what was left then says nothing now.
    private mutating func turn(to period: String?) -> Bool {
        guard let period, period != self.period else { return false }
        guard let current = self.period else {
            self.period = period
            return false
        }
        if period < current { return true }
        self.period = period
        turn()
        return false
    }

    /// The share of the doubt that an LLM-written step removes, from a route's prior and what was seen.
    package func stepGainShare(prior: Double) -> Double {
        min(max(prior + stepGain.value(prior: Self.stepGainPrior), 0), 1)
    }

    /// Down where the mean quality at this price is below the floor, so that more is paid for; up where it is above.
    private mutating func movePrice(floor: Double) {
        let quality = plan.quality(price: price * costs.factor, shift: gains.drift)
        move(min(max((quality - floor) / Self.floorGap, -1), 1))
    }

    private mutating func movePrice(remaining: Double, elapsed: Double) {
        let left = plan.requestsLeft(elapsed: elapsed)
        let factor = costs.factor
        // At a cost factor of 10 an answer costs ten units: it is worth it at a tenth of the price.
        let demand = factor * plan.demand(price: price * factor, requestsLeft: left, shift: gains.drift)
        let means = budgetShare * max(remaining, 0) / max(costs.meanAnswer, 1e-12)
        guard demand > 0 || means > 0 else { return }
        let gap = log((demand + 0.01) / (means + 0.01))
        move(min(max(gap, -Self.mostGap), Self.mostGap))
    }

    private mutating func move(_ gap: Double) {
        price *= exp(step * gap)
        price = min(max(price, initialPrice / Self.range), initialPrice * Self.range)
    }

    /// A new period begins: λ and what was learned go on.
    package mutating func turn() {
        plan.turn()
        pool?.turn()
    }
}
