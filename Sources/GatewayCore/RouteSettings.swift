/// Where the SLM's answer is cut into steps.
package enum StepBoundary: Hashable, Sendable, Codable {
    case blankLine
    case newline
    /// A regular expression; a step ends with its match.
    case pattern(String)
}

/// Which strategy answers a boosted route.
package enum StrategyKind: String, Hashable, Sendable, Codable, CaseIterable { case direct, cascade, stepwise }

/// Everything a route may set, with the defaults that apply where it is silent.
package struct RouteSettings: Hashable, Sendable, Codable {
    package var strategy: StrategyKind = .stepwise
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
    /// Shadow price λ of the budget: utility per dollar. 1 spends a dollar wherever it buys a dollar of value.
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
    /// Never escalates: for tenants whose data must not leave.
    package var escalationForbidden = false
    package init() {}
}
