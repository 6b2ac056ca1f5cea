package import GatewayCore

/// Decides as `FixedShadowPriceController` does, with λ, gains and costs as the route's router has learned them.
///
/// A snapshot: what it learns from comes back through `RouterState.update`. Now and then it pays for the rest where the
/// price says not to, so that gains are learned there too; the chance of that is logged with the decision.
package struct AdaptiveController: Controller {
    /// Depths are told apart up to this one.
    private static let mostDepth = 4

    private let state: RouterState
    private let seed: UInt64

    /// - Parameter seed: of the request's own draws.
    package init(state: RouterState, seed: UInt64) {
        self.state = state
        self.seed = seed
    }

    /// Where gains are learned apart: by depth.
    package static func cluster(depth: Int) -> String { "depth \(min(max(depth, 0), mostDepth))" }

    package func decide(_ observation: StepObservation, settings: RouteSettings) -> Decision {
        var learned = settings
        let p = min(max(observation.reward.calibrated, 0), 1)
        if !p.isNaN {
            learned.llmSuccessPrior = state.gains.success(p, cluster: Self.cluster(depth: observation.depth))
        }
        learned.stepGainShare = state.stepGainShare(prior: settings.stepGainShare)
        learned.shadowPrice = state.shadowPrice(settings: settings)
        var decision = FixedShadowPriceController(costFactor: state.costs.factor).decide(observation, settings: learned)
        explore(&decision, observation, settings)
        return decision
    }

    /// Pays for the rest instead, with the chance that is logged; never for what is worth nothing.
    private func explore(_ decision: inout Decision, _ observation: StepObservation, _ settings: RouteSettings) {
        guard !decision.isEscalation, settings.exploration > 0, observation.valueUSD ?? settings.valueUSD != 0,
            let rest = decision.estimates.first(where: { $0.action == .llmRest }), rest.gain > 0
        else { return }
        let chance = min(
            settings.exploration,
            rest.remainingUSD.map {
                state.exploration(cost: rest.costUSD, remaining: $0, requestsLeft: state.plan.volume)
            } ?? settings.exploration)
        let place = UInt64(truncatingIfNeeded: observation.depth) &* 97 &+ UInt64(observation.resamplesUsed.magnitude)
        var random = RouterRandom(seed: seed &+ place &* 0x9E37_79B9_7F4A_7C15)
        guard random.unit() < chance else { return }
        decision.action = .llmRest
        decision.reason = Decision.exploredPrefix + "\(Int((chance * 1_000_000).rounded()))_in_a_million"
    }
}

extension RouterState {
    /// λ in value per dollar, as the decision's formula has it.
    package func shadowPrice(settings: RouteSettings) -> Double { shadowPrice * max(settings.valueUSD, 0) }

    /// What a route without a history starts with: the priors of its settings and, where the budget is known, the price
    /// at which so many requests of every quality would cost it.
    /// - Parameters:
    ///   - meanAnswer: expected cost of an answer by the LLM, in USD.
    ///   - budget: of a period, in USD; nil: not known.
    package static func initial(settings: RouteSettings, meanAnswer: Double, budget: Double?) -> RouterState {
        let population = DemandProfile.prior(success: settings.llmSuccessPrior)
        let plan = PacingPlan(population: population, volume: usualVolume)
        let own = settings.valueUSD > 0 ? settings.shadowPrice * meanAnswer / settings.valueUSD : nil
        return RouterState(
            gains: GainModel(success: settings.llmSuccessPrior), costs: CostModel(meanAnswer: meanAnswer), plan: plan,
            budget: budget ?? 0, initialPrice: budget == nil ? own ?? leastPrice : nil)
    }

    /// Requests of a month that are expected of a new route; twenty of its own outweigh this.
    private static let usualVolume = 1000.0
}
