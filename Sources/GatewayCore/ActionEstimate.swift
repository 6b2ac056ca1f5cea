/// The router's four moves on a drafted step.
package enum StepAction: String, Hashable, Sendable, Codable, CaseIterable {
    case accept
    case resample
    case llmStep = "llm_step"
    case llmRest = "llm_rest"
}

/// One action as the controller weighed it: a* = argmax ω·gain − λ·cost − ν·latency.
package struct ActionEstimate: Hashable, Sendable, Codable {
    package var action: StepAction
    /// Δ: expected rise of the probability that the answer ends right.
    package var gain: Double
    /// ĉ in USD.
    package var costUSD: Double
    package var latencySeconds: Double
    /// ω·gain − λ·cost − ν·latency, in USD.
    package var utility: Double
    /// What was left of the tightest bound of money when a paid action was weighed, in USD; nil: not known.
    package var remainingUSD: Double?
    package init(action: StepAction, gain: Double, costUSD: Double, latencySeconds: Double, utility: Double) {
        self.action = action
        self.gain = gain
        self.costUSD = costUSD
        self.latencySeconds = latencySeconds
        self.utility = utility
    }
}
