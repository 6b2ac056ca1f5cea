package import GatewayCore

/// Why an action was not weighed.
package enum Exclusion: String, Hashable, Sendable, Codable {
    /// The paid model has no price in force.
    case priceUnknown = "price_unknown"
    /// The route forbids escalation.
    case escalationForbidden = "escalation_forbidden"
    /// In the worst case a call of the expected length would cost more than what is left.
    case overBudget = "over_budget"
    /// All tries of this step are used up.
    case noTriesLeft = "no_tries_left"
    /// An earlier escalation of this request was refused or useless, so that another is pointless.
    case refusedEarlier = "refused_earlier"
    /// The strategy does not have this action.
    case notOffered = "not_offered"
}

/// What a controller decided about a step, and everything it weighed: the audit keeps it.
package struct Decision: Hashable, Sendable, Codable {
    /// An action that could not be chosen.
    package struct Excluded: Hashable, Sendable, Codable {
        package var action: StepAction
        package var reason: Exclusion
        package init(action: StepAction, reason: Exclusion) {
            self.action = action
            self.reason = reason
        }
    }
    package var action: StepAction
    /// Every action that could be chosen, in the order of `StepAction`.
    package var estimates: [ActionEstimate]
    package var excluded: [Excluded]
    /// λ at the decision.
    package var shadowPrice: Double
    /// A short word for the audit: `best_utility`, `rest_cheaper_than_steps`, `reward_unavailable`, …
    package var reason: String
    package init(
        action: StepAction, estimates: [ActionEstimate] = [], excluded: [Excluded] = [], shadowPrice: Double = 0,
        reason: String
    ) {
        self.action = action
        self.estimates = estimates
        self.excluded = excluded
        self.shadowPrice = shadowPrice
        self.reason = reason
    }
    /// Whether the price spoke against it, and it was chosen to learn from.
    package var isExploration: Bool { reason.hasPrefix(Self.exploredPrefix) }
    static let exploredPrefix = "explored_with_chance_"
    /// Whether it costs money.
    package var isEscalation: Bool { action == .llmStep || action == .llmRest }
}

/// What a controller knows about a drafted step.
package struct StepObservation: Hashable, Sendable {
    /// Reward of the best candidate so far. `calibrated` is p; it is clamped to 0…1, not a number means: no reward.
    package var reward: ProcessReward
    /// p of the answer before this step, the step's own where nothing is known of that; nil: what the answer could
    /// still be paid for later is left out of account, as where the draft is the whole answer.
    package var before: Double?
    /// Index of the step in the answer.
    package var depth: Int
    package var resamplesUsed: Int
    package var draftEnd: DraftEnd
    /// Tokens of prompt and accepted answer: what an LLM would have to read.
    package var contextTokens: Int
    /// Proven upper bound of the same, for the worst case; never less than `contextTokens`.
    package var inputTokenBound: Int
    /// How many of `contextTokens` the provider can be expected to have cached.
    package var cachedTokens: Int
    /// nil: unknown, so that the paid model must not be called.
    package var price: ModelPrice?
    /// What is left of the tightest bound: budget, and the request's own cap. nil: not known; the ledger decides.
    package var remaining: NanoUSD?
    /// J: how many escalations are expected after this step if it is not the rest that the LLM writes.
    package var furtherEscalations: Double
    /// ω of this request; nil: the route's.
    package var valueUSD: Double?
    /// Actions that the strategy does not offer now, each with its reason.
    package var barred: [StepAction: Exclusion]
    package init(
        reward: ProcessReward, before: Double? = nil, depth: Int = 0, resamplesUsed: Int = 0,
        draftEnd: DraftEnd = .boundary, contextTokens: Int, inputTokenBound: Int = 0, cachedTokens: Int = 0,
        price: ModelPrice? = nil, remaining: NanoUSD? = nil, furtherEscalations: Double = 0, valueUSD: Double? = nil,
        barred: [StepAction: Exclusion] = [:]
    ) {
        self.reward = reward
        self.before = before
        self.depth = depth
        self.resamplesUsed = resamplesUsed
        self.draftEnd = draftEnd
        self.contextTokens = contextTokens
        self.inputTokenBound = inputTokenBound
        self.cachedTokens = cachedTokens
        self.price = price
        self.remaining = remaining
        self.furtherEscalations = furtherEscalations
        self.valueUSD = valueUSD
        self.barred = barred
    }
}

/// Decides what becomes of a drafted step. Pure: the same observation gives the same decision.
package protocol Controller: Sendable {
    func decide(_ observation: StepObservation, settings: RouteSettings) -> Decision
}
