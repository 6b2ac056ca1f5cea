internal import GatewayCore

/// The arithmetic of one decision, on numbers made sane.
///
/// Who accepts a step keeps the choice to pay for the rest after a later one, which then is shorter. That is worth
/// most where the step itself is sound and the rest is in doubt. With p₋ the probability before the step, and p₊ the
/// one after what is done now, r = min(1, p₊ / max(p, p₋)) is taken for the probability that the answer is right so
/// far: of the r − p₊ that then still goes wrong the share δ is noticed in time, and of that q̂ is saved for ĉ′, the
/// price of the rest after one more step. So accepting, where p₊ = p, and a step by the LLM have on top of their own
///
///     Δ: δ (r − p₊) q̂      ĉ: δ (r − p₊) ĉ′
///
/// and another try is weighed as what accepting would be after a sound step, with the chance that it is one, else as
/// the best of the other actions, since those stay open. Nothing is worth waiting for where ω q̂ ≤ λ ĉ′ + ν · latency,
/// or where the rest can't be paid for now.
struct Weighing {
    struct Excluded: Error { var reason: Exclusion }

    /// Share of the mistakes still to come that a reward model will notice in time.
    private static let noticedShare = 0.8

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

    /// All actions in the order of `StepAction`, and why others are not open.
    func all() -> (estimates: [ActionEstimate], excluded: [Decision.Excluded]) {
        var estimates: [ActionEstimate] = []
        var excluded: [Decision.Excluded] = []
        let later = later
        for action in StepAction.allCases {
            switch estimate(action) {
            case .success(let estimate):
                estimates.append(later.map { with($0, estimate) } ?? estimate)
            case .failure(let exclusion): excluded.append(.init(action: action, reason: exclusion.reason))
            }
        }
        guard let later, let place = estimates.firstIndex(where: { $0.action == .resample }) else {
            return (estimates, excluded)
        }
        estimates[place] = resampled(estimates[place], later, others: estimates.filter { $0.action != .resample })
        return (estimates, excluded)
    }

    private func estimate(_ action: StepAction) -> Result<ActionEstimate, Excluded> {
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

    /// Open where the least useful call fits in the worst case: all of the proven input, `tokens` of output, and what
    /// the LLM may think besides.
    private func paid(
        _ action: StepAction, gain: Double, seconds: Double, tokens: Int
    ) -> Result<ActionEstimate, Excluded> {
        if settings.escalationForbidden { return .failure(Excluded(reason: .escalationForbidden)) }
        if let reason = observation.barred[action] { return .failure(Excluded(reason: reason)) }
        guard let price = observation.price else { return .failure(Excluded(reason: .priceUnknown)) }
        if let remaining = observation.remaining {
            let input = max(observation.inputTokenBound, observation.contextTokens, 0)
            let output = Int64(max(tokens, 0)).addingReportingOverflow(Int64(max(settings.llmThinkingTokens, 0)))
            let worst = price.upperBound(
                inputTokens: Int64(input), maxOutputTokens: output.overflow ? .max : output.partialValue)
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

    // MARK: - What can still be paid for later

    /// The rest after one more step.
    private struct Later {
        /// max(p, p₋): of an answer whose last step is right.
        var sound: Double
        var cost: Double
    }

    private var later: Later? {
        guard let before = observation.before, !before.isNaN, observation.draftEnd == .boundary,
            let price = observation.price, case .success = estimate(.llmRest)
        else { return nil }
        let sound = max(p, Self.clamp(before, 1))
        let step = max(settings.expectedStepTokens, 0)
        let cost =
            costFactor
            * price.expectedUSD(
                context: observation.contextTokens + step, cached: observation.cachedTokens,
                output: max(min(settings.expectedRestTokens, settings.maxLLMRestTokens) - step, 0))
        let seconds = Self.clamp(settings.llmRestSeconds, 1e6)
        guard value * llmSuccess > shadowPrice * cost + latencyPrice * seconds else { return nil }
        return Later(sound: sound, cost: cost)
    }

    /// An estimate with the choice that it leaves open.
    private func with(_ later: Later, _ estimate: ActionEstimate) -> ActionEstimate {
        switch estimate.action {
        case .accept: return adding(later, ends: p, to: estimate)
        case .llmStep: return adding(later, ends: p + estimate.gain, to: estimate)
        case .resample, .llmRest: return estimate
        }
    }

    /// - Parameter ends: the probability that the answer then ends right if nothing more is paid for.
    private func adding(_ later: Later, ends: Double, to estimate: ActionEstimate) -> ActionEstimate {
        let sound = max(later.sound, ends)
        let right = sound > 0 ? ends / sound : 1
        let share = Self.noticedShare * max(right - ends, 0)
        var sum = weigh(
            estimate.action, gain: estimate.gain + share * llmSuccess, cost: estimate.costUSD + share * later.cost,
            seconds: estimate.latencySeconds + share * Self.clamp(settings.llmRestSeconds, 1e6))
        sum.remainingUSD = estimate.remainingUSD
        return sum
    }

    private func resampled(
        _ estimate: ActionEstimate, _ later: Later, others: [ActionEstimate]
    ) -> ActionEstimate {
        guard let best = others.max(by: { $0.utility < $1.utility }) else { return estimate }
        let chance = Self.clamp(settings.resampleGainShare, 1) / Double(observation.resamplesUsed + 1)
        let sound = adding(
            later, ends: later.sound, to: weigh(.accept, gain: later.sound - p, cost: 0, seconds: 0))
        return weigh(
            .resample, gain: chance * sound.gain + (1 - chance) * best.gain,
            cost: chance * sound.costUSD + (1 - chance) * best.costUSD,
            seconds: estimate.latencySeconds + chance * sound.latencySeconds + (1 - chance) * best.latencySeconds)
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
