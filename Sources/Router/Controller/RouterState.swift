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
    /// This route's part in its budgets; nil until its first outcome, also where an earlier version stored the state:
    /// that one took budgets for each other.
    private var pools: BudgetPools?
    /// Outcomes of other kinds of periods since the last one of the plan's kind; nil: none.
    private var strangers: Int?
    /// Requests of a whole period, as the last outcome of the plan's own had it.
    private var rate: Double?

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
    /// After so many outcomes of other kinds of periods the plan's own does not come any more.
    private static let mostStrangers = 30
    /// What a period without an end counts for where lengths are compared.
    private static let endlessDays = 30.4

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
        /// Left of the budget in USD; nil: not known, so that the price stays. Of several budgets the tightest's.
        package var remaining: Double?
        /// Which share of the period has passed.
        package var elapsed: Double
        /// The budget's period. An outcome of an earlier one than the plan's teaches gains and costs only.
        package var period: String?
        /// All budgets that limited the request, the tightest first; nil: `remaining` is of the only one.
        package var rooms: [BudgetRoom]?
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
        let now = turn(to: outcome)
        let drift = gains.drift
        plan.observe(
            p: outcome.p, gain: outcome.gain - drift, relativeCost: outcome.baseCost / max(costs.meanAnswer, 1e-12))
        if let paid = outcome.paid { costs.observe(actual: paid, expected: outcome.baseCost) }
        if let success = outcome.success ?? corrected(outcome), success.isFinite {
            gains.observe(min(max(success, -1), 2), p: outcome.p, cluster: outcome.cluster)
        }
        for gain in outcome.stepGains ?? [] where gain.isFinite { stepGain.observe(min(max(gain, -1), 1)) }
        updates += 1
        if let now, now.period != nil { rate = now.isEndless ? plan.volume : plan.rate(elapsed: now.elapsed) }
        let rooms = outcome.allRooms
        share(rooms, outcome)
        if let floor = outcome.floor { movePrice(floor: floor) } else { movePrice(rooms) }
        if updates == Self.ownRequests { initialPrice = max(price, Self.leastPrice) }
    }

    private mutating func corrected(_ outcome: Outcome) -> Double? {
        guard let read = outcome.read, read.isFinite else { return nil }
        reader = reader ?? ReaderBias()
        return reader?.corrected(
            min(max(read, 0), 1), expected: gains.success(min(max(outcome.p, 0), 1), cluster: outcome.cluster))
    }

    /// Of what is left of a budget, the part that this route plans with; the rest is for others who share it.
    func budgetShare(of budget: BudgetName) -> Double { pools?.share(of: budget) ?? 1 }

    private mutating func share(_ rooms: [BudgetRoom], _ outcome: Outcome) {
        guard !rooms.isEmpty else { return }
        let unit = max(costs.meanAnswer, 1e-12)
        pools = pools ?? BudgetPools()
        let spent = (outcome.spent ?? outcome.paid ?? 0) / unit
        pools?.observe(spent: spent, rooms, unit: unit, cost: costs.factor)
    }

    /// The plan's period as an outcome tells of it.
    private struct Moment {
        var period: String?
        var elapsed: Double
        /// What is left is to last on from here.
        var isEndless: Bool { period.map { PeriodKind($0).days == nil } ?? false }
    }

    /// Begins a later period of the plan's kind. Labels of other kinds are neither earlier nor later: a plan is about
    /// the kind that it was begun with, and about another only once that one has not come for long.
    /// - Returns: nil where the outcome tells nothing of the plan's period.
    private mutating func turn(to outcome: Outcome) -> Moment? {
        var moments = (outcome.rooms ?? []).map { Moment(period: $0.period, elapsed: $0.elapsed) }
        if moments.isEmpty { moments = [Moment(period: outcome.period, elapsed: outcome.elapsed)] }
        guard let first = moments[0].period else { return moments[0] }
        guard let current = period else {
            period = first
            plan.begin(elapsed: moments[0].elapsed)
            return moments[0]
        }
        let planned = PeriodKind(current)
        let ours = moments.filter { $0.period.map { PeriodKind($0) == planned } ?? false }
        guard let now = ours.max(by: { ($0.period ?? "") < ($1.period ?? "") }), let label = now.period else {
            return changeOver(to: moments[0], PeriodKind(first), from: planned)
        }
        guard label >= current else { return nil }
        strangers = nil
        if label > current {
            period = label
            plan.turn()
        }
        return now
    }

    private mutating func changeOver(to now: Moment, _ kind: PeriodKind, from planned: PeriodKind) -> Moment? {
        strangers = (strangers ?? 0) + 1
        guard strangers ?? 0 >= Self.mostStrangers else { return nil }
        let lengths = (kind.days ?? Self.endlessDays) / (planned.days ?? Self.endlessDays)
        plan.begin(elapsed: now.elapsed, volume: (rate ?? plan.volume) * lengths)
        (period, strangers, rate) = (now.period, nil, nil)
        return now
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

    /// Requests still to come in a budget's period, and whether that is the plan's own; nil: it is over.
    private func requestsLeft(of room: BudgetRoom) -> (count: Double, isPlanned: Bool)? {
        guard let label = room.period, let current = period else {
            return (plan.requestsLeft(elapsed: room.elapsed), true)
        }
        let (kind, planned) = (PeriodKind(label), PeriodKind(current))
        let usual = rate ?? plan.volume
        // It has to last, and nobody knows for how long: as many requests again as came.
        guard let days = kind.days else { return (max(usual, plan.count), false) }
        if kind == planned { return label == current ? (plan.requestsLeft(elapsed: room.elapsed), true) : nil }
        let rest = days / (planned.days ?? Self.endlessDays) * (1 - min(max(room.elapsed, 0), 1))
        return (usual * rest, false)
    }

    /// One λ serves all budgets. Each request moves it by the tightest of its own for the part of the requests that is
    /// its owner's: what is left of it against what that part of the requests to come in its period would cost. So a
    /// tenant's budget, which all requests count on, is seen long before it is used up, a month's beside a day's, and a
    /// key's has a say as often as its requests come.
    private mutating func movePrice(_ rooms: [BudgetRoom]) {
        let factor = costs.factor
        // At a cost factor of 10 an answer costs ten units: it is worth it at a tenth of the price.
        let (worth, shift) = (price * factor, gains.drift)
        var gap: Double?
        for room in rooms {
            let owner = room.name.owner
            guard let left = requestsLeft(of: room), let means = pools?.means(of: owner, in: room.period),
                pools?.isUsedUp(room, cost: factor) == false
            else { continue }
            // Until this window is over nothing is paid for, at any price.
            if !left.isPlanned, pools?.left(of: owner, in: room.period) ?? 0 < factor { return }
            let ahead =
                left.isPlanned
                ? plan.demand(price: worth, requestsLeft: left.count, shift: shift)
                : plan.usualDemand(price: worth, requests: left.count, shift: shift)
            let demand = factor * ahead * (pools?.demandShare(of: owner) ?? 1)
            if demand > 0 || means > 0 { gap = max(gap ?? -.infinity, log((demand + 0.01) / (means + 0.01))) }
        }
        guard let gap else { return }
        move(min(max(gap, -Self.mostGap), Self.mostGap))
    }

    private mutating func move(_ gap: Double) {
        price *= exp(step * gap)
        price = min(max(price, initialPrice / Self.range), initialPrice * Self.range)
    }

    /// A new period begins: λ and what was learned go on.
    package mutating func turn() {
        plan.turn()
        pools?.turn()
    }
}
