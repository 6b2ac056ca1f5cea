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
        var estimates: [ActionEstimate] = []
        var excluded: [Decision.Excluded] = []
        for action in StepAction.allCases {
            switch weighing.estimate(action) {
            case .success(let estimate): estimates.append(estimate)
            case .failure(let exclusion): excluded.append(.init(action: action, reason: exclusion.reason))
            }
        }
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

/// The arithmetic of one decision, on numbers made sane.
private struct Weighing {
    struct Excluded: Error { var reason: Exclusion }

    let observation: StepObservation
    let settings: RouteSettings
    let p: Double
    let llmSuccess: Double
    let value: Double
    let shadowPrice: Double
    let latencyPrice: Double
    let costFactor: Double

    init(_ observation: StepObservation, _ settings: RouteSettings, costFactor: Double) {
        self.costFactor = costFactor
        self.observation = observation
        self.settings = settings
        p = Self.clamp(observation.reward.calibrated, 1)
        llmSuccess = Self.clamp(settings.llmSuccessPrior, 1)
        let own = observation.valueUSD.flatMap { $0.isNaN ? nil : $0 }
        value = Self.clamp(own ?? settings.valueUSD, 1e9)
        shadowPrice = Self.clamp(settings.shadowPrice, 1e12)
        latencyPrice = Self.clamp(settings.latencyUSDPerSecond, 1e9)
    }

    private static func clamp(_ value: Double, _ upper: Double) -> Double {
        value.isNaN ? 0 : min(max(value, 0), upper)
    }

    func estimate(_ action: StepAction) -> Result<ActionEstimate, Excluded> {
        switch action {
        case .accept: return .success(weigh(action, gain: 0, cost: 0, seconds: 0))
        case .resample:
            if let reason = observation.barred[action] { return .failure(Excluded(reason: reason)) }
            guard observation.resamplesUsed >= 0, observation.resamplesUsed < settings.maxResamples else {
                return .failure(Excluded(reason: .noTriesLeft))
            }
            let share = Self.clamp(settings.resampleGainShare, 1) / Double(observation.resamplesUsed + 1)
            return .success(weigh(action, gain: share * (1 - p), cost: 0, seconds: settings.resampleSeconds))
        case .llmStep:
            let lifted = p + Self.clamp(settings.stepGainShare, 1) * (1 - p)
            return paid(
                action, gain: min(llmSuccess, lifted) - p, seconds: settings.llmStepSeconds,
                tokens: min(settings.expectedStepTokens, settings.maxLLMStepTokens))
        case .llmRest:
            return paid(
                action, gain: llmSuccess - p, seconds: settings.llmRestSeconds,
                tokens: min(settings.expectedRestTokens, settings.maxLLMRestTokens))
        }
    }

    /// Open where the least useful call fits in the worst case: all of the proven input, and `tokens` of output.
    private func paid(
        _ action: StepAction, gain: Double, seconds: Double, tokens: Int
    ) -> Result<ActionEstimate, Excluded> {
        if settings.escalationForbidden { return .failure(Excluded(reason: .escalationForbidden)) }
        if let reason = observation.barred[action] { return .failure(Excluded(reason: reason)) }
        guard let price = observation.price else { return .failure(Excluded(reason: .priceUnknown)) }
        if let remaining = observation.remaining {
            let input = max(observation.inputTokenBound, observation.contextTokens, 0)
            let worst = price.upperBound(inputTokens: Int64(input), maxOutputTokens: Int64(max(tokens, 0)))
            guard let worst, worst <= remaining else { return .failure(Excluded(reason: .overBudget)) }
        }
        let cost =
            costFactor
            * price.expectedUSD(
                context: observation.contextTokens, cached: observation.cachedTokens, output: tokens)
        var estimate = weigh(action, gain: gain, cost: cost, seconds: seconds)
        estimate.remainingUSD = observation.remaining?.approximateUSD
        return .success(estimate)
    }

    private func weigh(_ action: StepAction, gain: Double, cost: Double, seconds: Double) -> ActionEstimate {
        let seconds = Self.clamp(seconds, 1e6)
        return ActionEstimate(
            action: action, gain: gain, costUSD: cost, latencySeconds: seconds,
            utility: value * gain - shadowPrice * cost - latencyPrice * seconds)
    }

    /// J·ĉ_step ≥ ĉ_rest: every step that the LLM writes bills the prefix again, at the cached price where there is
    /// one, since the call before has just sent it.
    var restIsCheaperThanSteps: Bool {
        guard let price = observation.price, observation.furtherEscalations > 0 else { return false }
        let context = observation.contextTokens
        let step = price.expectedUSD(context: context, cached: context, output: settings.expectedStepTokens)
        let rest = price.expectedUSD(
            context: context, cached: observation.cachedTokens, output: settings.expectedRestTokens)
        return observation.furtherEscalations * step >= rest
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
