package import GatewayCore

/// Chooses a* = argmax ω·Δ − λ·ĉ − ν·latency with the λ of the route's settings.
///
/// Gains with p the probability that the SLM going on ends right, q̂ that the LLM writing the rest does:
///
/// | action | Δ | ĉ |
/// |---|---|---|
/// | accept | 0 | 0 |
/// | resample | resampleGainShare · (1 − p) / (tries made) | 0 |
/// | step by the LLM | min(q̂, p + stepGainShare · (1 − p)) − p | P_in · context + P_out · E[step] |
/// | rest by the LLM | q̂ − p | P_in · context + P_out · E[rest] |
///
/// Within an answer whatever is not paid for now can be paid for later; `Weighing` says what that is worth.
///
/// Where the LLM is expected to fail too, its gains are not positive and nothing is spent. Equal utilities go to the
/// cheaper action. Numbers that make no sense (not a number, negative, beyond 1) are clamped to their range; a p that
/// is not a number is no reward: the step is accepted.
package struct FixedShadowPriceController: Controller {
    /// What the expected costs are multiplied by: 1, or what was learned.
    private let costFactor: Double

    package init(costFactor: Double = 1) { self.costFactor = costFactor.isFinite ? max(costFactor, 0) : 1 }

    /// Weighs the actions that are open and picks the best.
    package func decide(_ observation: StepObservation, settings: RouteSettings) -> Decision {
        let weighing = Weighing(observation, settings, costFactor: costFactor)
        guard !observation.reward.calibrated.isNaN else {
            return Decision(action: .accept, shadowPrice: weighing.shadowPrice, reason: "reward_unavailable")
        }
        let (estimates, excluded) = weighing.all()
        // From cheap to dear, and only a better utility replaces: ties stay with the cheaper.
        let byCost = estimates.enumerated().sorted {
            ($0.element.costUSD, $0.offset) < ($1.element.costUSD, $1.offset)
        }
        var best = ActionEstimate(action: .accept, gain: 0, costUSD: 0, latencySeconds: 0, utility: 0)
        for (_, estimate) in byCost where estimate.utility > best.utility { best = estimate }
        var decision = Decision(
            action: best.action, estimates: estimates, excluded: excluded, shadowPrice: weighing.shadowPrice,
            reason: "best_utility")
        if best.action == .llmStep, weighing.restIsCheaperThanSteps,
            let rest = estimates.first(where: { $0.action == .llmRest }), rest.utility > 0
        {
            decision.action = .llmRest
            decision.reason = "rest_cheaper_than_steps"
        }
        return decision
    }
}

extension ModelPrice {
    /// ĉ: what a call of this size is expected to cost, in USD.
    package func expectedUSD(context: Int, cached: Int, output: Int) -> Double {
        let context = max(context, 0)
        let cached = min(max(cached, 0), context)
        let rates = rates(inputTokens: Int64(context))
        let pico =
            Double(context - cached) * Double(rates.input) + Double(cached) * Double(rates.cachedInput ?? rates.input)
            + Double(max(output, 0)) * Double(rates.output)
        return max(pico / 1e12 + perCall.approximateUSD, 0)
    }
}
