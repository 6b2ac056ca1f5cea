/// Where the SLM's answer is cut into steps.
package enum StepBoundary: Hashable, Sendable, Codable {
    case blankLine
    case newline
    /// An ICU regular expression, as `NSRegularExpression` has them; a step ends with its match.
    case pattern(String)
}

/// Which strategy answers a boosted route.
package enum StrategyKind: String, Hashable, Sendable, Codable, CaseIterable {
    case direct, cascade, stepwise
    /// The SLM samples whole answers until the best of them is good enough, then one decision is made.
    case bestOfN = "best-of-n"
    /// A search over steps, each tried several ways, with the reward model in place of a rollout.
    case tree

    /// Whether it reads the SLM's steps by a reward model.
    package var needsReward: Bool { self != .direct }
}

/// What a route is to make of its money.
package enum QualityTarget: String, Hashable, Sendable, Codable, CaseIterable {
    /// The most right answers that the month's budget buys: λ is learned, and moves with what is left.
    case budget
    /// As few dollars as reach a mean quality: λ is learned, and moves with the quality.
    case floor
    /// A fixed price for a right answer: λ is the route's own and does not move.
    case price
}

/// Everything a route may set, with the defaults that apply where it is silent.
package struct RouteSettings: Hashable, Sendable, Codable {
    package var strategy: StrategyKind = .stepwise
    package var target: QualityTarget = .budget
    /// Mean probability of a right answer that `target` `floor` keeps to.
    package var qualityFloor = 0.9
    /// How often the LLM is paid where the price says not to, so that its gains are learned there too.
    package var exploration = 0.01
    /// Whole answers that `best-of-n` samples at most.
    package var maxCandidates = 4
    /// Steps that `tree` drafts at most, and how many ways it tries each.
    package var treeNodes = 24
    package var treeWidth = 3
    package var boundary: StepBoundary = .newline
    /// Bounds of one answer.
    package var maxSteps = 24
    package var maxStepTokens = 96
    package var maxAnswerTokens = 512
    /// Tries of one step beyond the first (stepwise).
    package var maxResamples = 1
    /// Sampling temperature of a resample when the request itself is greedy: another try must be able to differ.
    package var resampleTemperature = 0.7
    /// Value ω of a right answer, in USD; a request may override it by header.
    package var valueUSD = 0.02
    /// Shadow price λ of the budget, where `target` is `price`: utility per dollar. 1 spends a dollar wherever it buys
    /// a dollar of value.
    package var shadowPrice = 1.0
    /// Price ν of latency, in USD per second. Not zero by default: it is also what keeps the SLM, whose tries cost no
    /// budget, from trying good steps again (here from p ≈ 0.93 on).
    package var latencyUSDPerSecond = 0.0002
    /// Prior of q̂_LLM: the probability that the LLM, writing the rest, ends right.
    package var llmSuccessPrior = 0.92
    /// Prior of Δ_step, as the share of the doubt (1 − p) that one LLM-written step removes.
    package var stepGainShare = 0.5
    /// Share of the doubt that a resample removes.
    package var resampleGainShare = 0.15
    /// Expected seconds of a resample, an LLM step and an LLM rest, for the latency term.
    package var resampleSeconds = 1.0
    package var llmStepSeconds = 1.0
    package var llmRestSeconds = 3.0
    /// Expected tokens of an LLM-written step and rest, for the cost estimate.
    package var expectedStepTokens = 40
    package var expectedRestTokens = 120
    /// Held for: the most that an LLM step or rest may produce.
    package var maxLLMStepTokens = 128
    package var maxLLMRestTokens = 512
    /// What an LLM may think besides, before it writes a step or rest: held for too, but no room to write in. A model
    /// that is known to think unasked may at least `leastThinkingTokens`: within a step's own bound it would think, and
    /// write nothing.
    package var llmThinkingTokens = 0
    package static let leastThinkingTokens = 1024
    /// α of logit fusion: how much the SLM counts beside an LLM that is served at home and has its vocabulary, where
    /// that LLM writes a step. 0: it writes its steps alone.
    package var fusionWeight = 0.0
    /// Never escalates: for tenants whose data must not leave.
    package var escalationForbidden = false
    package init() {}

    /// What a model, by its name at its provider, may think besides the step or rest that it writes.
    package func thinkingTokens(of model: String) -> Int {
        max(llmThinkingTokens, ProviderTraits.thinks(model) ? Self.leastThinkingTokens : 0)
    }
}
