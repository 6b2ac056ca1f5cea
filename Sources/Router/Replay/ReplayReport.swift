/// What `gboost replay` prints.
package struct ReplayReport: Hashable, Sendable, Codable {
    /// One policy over all budgets; keys are budgets as shares of the LLM-only cost.
    package struct Curve: Hashable, Sendable, Codable {
        /// Mean PGR over all budgets, by area; a random choice has one half.
        package var apgr = 0.0
        /// The area under the quality curve, as a mean quality.
        package var aiq = 0.0
        package var pgr: [String: Double] = [:]
        /// 95 % intervals of the mean, by bootstrap over seeds, each of which has its own halves, noise and order.
        package var pgrInterval: [String: [Double]] = [:]
        package var quality: [String: Double] = [:]
        package var spendShare: [String: Double] = [:]
        package init() {}

        enum CodingKeys: String, CodingKey {
            case apgr, aiq, pgr, quality
            case pgrInterval = "pgr_ci"
            case spendShare = "spend_share"
        }
    }

    package var rows = 0
    package var seeds = 0
    package var order = ReplayOrder.shuffled
    package var perturbation = ReplayPerturbation.none
    /// Nothing that a gateway could do: see `ReplayOptions.knowsCosts`.
    package var knowsCosts = false
    package var curve = Curve()
    /// The controller's gain over hindsight's, by budget.
    package var hindsightShare: [String: Double] = [:]
    /// The same from a hundred requests after a sudden change on, with what was left by then.
    package var recovery: [String: Double] = [:]
    package var spendShareMax = 0.0
    package var violations = 0
    /// Calls made for learning alone, as a share of all requests.
    package var explorationShare = 0.0
    /// λ in quality per dollar along the period, of the first seed.
    package var traces: [String: [Double]] = [:]
    package var baselines: [String: Curve] = [:]
    /// Mean quality of either model alone.
    package var slmOnly = 0.0
    package var llmOnly = 0.0
    package init() {}

    private enum CodingKeys: String, CodingKey {
        case rows, seeds, order, perturbation, recovery, violations, baselines
        case hindsightShare = "hindsight_share"
        case spendShareMax = "spend_share_max"
        case explorationShare = "exploration_share"
        case traces = "lambda_trace"
        case knowsCosts = "known_costs"
        case slmOnly = "slm_only"
        case llmOnly = "llm_only"
    }

    /// Reads what `encode(to:)` writes.
    package init(from decoder: any Decoder) throws {
        curve = try Curve(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        rows = try container.decode(Int.self, forKey: .rows)
        seeds = try container.decode(Int.self, forKey: .seeds)
        order = try container.decode(ReplayOrder.self, forKey: .order)
        perturbation = try container.decode(ReplayPerturbation.self, forKey: .perturbation)
        knowsCosts = try container.decode(Bool.self, forKey: .knowsCosts)
        hindsightShare = try container.decode([String: Double].self, forKey: .hindsightShare)
        recovery = try container.decode([String: Double].self, forKey: .recovery)
        spendShareMax = try container.decode(Double.self, forKey: .spendShareMax)
        violations = try container.decode(Int.self, forKey: .violations)
        explorationShare = try container.decode(Double.self, forKey: .explorationShare)
        traces = try container.decode([String: [Double]].self, forKey: .traces)
        baselines = try container.decode([String: Curve].self, forKey: .baselines)
        slmOnly = try container.decode(Double.self, forKey: .slmOnly)
        llmOnly = try container.decode(Double.self, forKey: .llmOnly)
    }

    /// The controller's own curve stands beside the rest, not in an object of its own.
    package func encode(to encoder: any Encoder) throws {
        try curve.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(rows, forKey: .rows)
        try container.encode(seeds, forKey: .seeds)
        try container.encode(order, forKey: .order)
        try container.encode(perturbation, forKey: .perturbation)
        try container.encode(knowsCosts, forKey: .knowsCosts)
        try container.encode(hindsightShare, forKey: .hindsightShare)
        try container.encode(recovery, forKey: .recovery)
        try container.encode(spendShareMax, forKey: .spendShareMax)
        try container.encode(violations, forKey: .violations)
        try container.encode(explorationShare, forKey: .explorationShare)
        try container.encode(traces, forKey: .traces)
        try container.encode(baselines, forKey: .baselines)
        try container.encode(slmOnly, forKey: .slmOnly)
        try container.encode(llmOnly, forKey: .llmOnly)
    }
}
