package import GatewayCore

/// How a request is answered: a state machine that says what to do next and is told what came of it.
///
/// It does nothing itself. The driver performs the action and reports it with the matching event, until `.finish`:
///
/// ```swift
/// var strategy = makeStrategy(settings.strategy, StrategyContext(settings: settings, sampling: sampling))
/// var action = strategy.next(.start)
/// loop: while true {
///     switch action {
///     case .draft(let plan):
///         do {
///             let draft = try await slm.draft(request(for: plan))     // answer, sampling, maxTokens, boundary: plan's
///             let reward = plan.wantsReward ? try? await prm.score(…, answer: plan.texts, draft: draft) : nil
///             action = strategy.next(.drafted(draft, reward: reward, outlook: await outlook()))
///             // plan.candidates > 1: several drafts in one go, and strategy.next(.candidates(…))
///         } catch let error as LocalModelError { action = strategy.next(.draftFailed(error)) }
///     case .escalate(let plan):
///         switch await pay(plan) {                                     // reserve, call, settle
///         case .success(let reply): action = strategy.next(.wrote(reply))
///         case .failure(let refusal): action = strategy.next(.refused(refusal))
///         }
///     case .emit(let step):
///         try await client.send(step.text)
///         action = strategy.next(.emitted)
///     case .finish(let finish): break loop
///     }
/// }
/// ```
///
/// What holds: steps are emitted in order and never taken back; a draft that was not accepted is never emitted; the
/// number of drafts and escalations is bounded by the settings; a refused escalation does not end the answer while
/// there is an SLM. An event that does not answer the last action ends it with `.outOfTurn`.
package protocol Strategy: Sendable {
    /// Takes what happened, gives what to do next. After `.finish` it only ever gives the same `.finish`.
    mutating func next(_ event: StrategyEvent) -> StrategyAction
    /// What the answer consists of by now.
    var summary: AnswerSummary { get }
}

/// What happened.
package enum StrategyEvent: Hashable, Sendable {
    case start
    /// Answers `.draft`. `reward` is nil where it could not be had; it is not read where it was not wanted.
    case drafted(StepDraft, reward: ProcessReward?, outlook: SpendingOutlook)
    /// Answers `.draft` with more than one candidate: what was drafted, as many or fewer.
    case candidates([DraftedCandidate], outlook: SpendingOutlook)
    /// Answers `.draft`: the SLM gave nothing.
    case draftFailed(LocalModelError)
    /// Answers `.escalate`: the LLM wrote something.
    case wrote(LLMReply)
    /// Answers `.escalate`: no call was made, or it gave nothing.
    case refused(EscalationRefusal)
    /// Answers `.emit`.
    case emitted
}

/// What to do next.
package enum StrategyAction: Hashable, Sendable {
    case draft(DraftPlan)
    case escalate(EscalationPlan)
    case emit(EmittedStep)
    case finish(Finish)

    /// Whether a model is asked.
    package var isWork: Bool {
        switch self {
        case .draft, .escalate: true
        case .emit, .finish: false
        }
    }
}

/// What a paid call would meet now.
package struct SpendingOutlook: Hashable, Sendable {
    /// Price in force; nil: unknown.
    package var price: ModelPrice?
    /// The least of: what is left of the budget, what is left of the request's own cap. nil: not known.
    package var remaining: NanoUSD?
    /// What has so little left, where that is a budget and not the request's own cap, as `BudgetState.name` has it.
    package var bound: String?
    /// Proven upper bound of the tokens that the LLM would have to read; 0: not known.
    package var inputTokenBound: Int
    package init(price: ModelPrice? = nil, remaining: NanoUSD? = nil, inputTokenBound: Int = 0) {
        self.price = price
        self.remaining = remaining
        self.inputTokenBound = inputTokenBound
    }
}

/// One of several drafts of the same step.
package struct DraftedCandidate: Hashable, Sendable {
    package var draft: StepDraft
    /// nil where it could not be had.
    package var reward: ProcessReward?
    package init(draft: StepDraft, reward: ProcessReward?) {
        self.draft = draft
        self.reward = reward
    }
}

/// A draft to be made: the strategy's part of a `DraftRequest`.
package struct DraftPlan: Hashable, Sendable {
    /// Index of the step.
    package var step: Int
    /// 0 for the first try of the step.
    package var attempt: Int
    /// The settled steps, for the SLM, and their texts, for the PRM.
    package var answer: [AnswerSegment]
    package var texts: [String]
    package var sampling: Sampling
    package var maxTokens: Int
    package var boundary: StepBoundary?
    /// Whether the draft's reward will be read.
    package var wantsReward: Bool
    /// Drafts of the step to be made at once; more than one is reported as `.candidates`.
    package var candidates = 1
}

/// A paid call to be made.
package struct EscalationPlan: Hashable, Sendable {
    package var kind: EscalationKind
    /// Index of the step that the call writes; no two calls of a request have the same.
    package var step: Int
    /// Texts of the settled steps that the LLM goes on from; empty: it answers the question from scratch.
    package var texts: [String]
    /// The most that it may produce: already lowered to what is left, where that was known. A hold may lower it more.
    package var maxTokens: Int
    package var decision: Decision
    /// Of the draft that was not good enough.
    package var reward: ProcessReward?
    /// Text of that draft, which the client never sees.
    package var rejected: String?
}

/// How an LLM's reply ended.
package enum LLMReplyEnd: Hashable, Sendable {
    /// At the end of the step that was asked for.
    case step
    /// The answer is complete, also where one step was asked for and the whole solution came.
    case answer
    /// Its bound of tokens was used up.
    case length
    /// The provider's own filter ended it: what is there is all that the provider will say.
    case filtered
    /// The connection broke; the text is what had come by then.
    case interrupted

    /// Why an answer ends that ends with such a reply.
    var ending: Finish.Reason {
        switch self {
        case .length: .length
        case .filtered: .contentFilter
        case .step, .answer, .interrupted: .stop
        }
    }
}

/// What an LLM wrote.
package struct LLMReply: Hashable, Sendable {
    package var text: String
    package var end: LLMReplyEnd
    /// Tokens of the text, as the provider counts.
    package var tokens: Int
    /// The text was sent to the client while it came, so that it is not to be emitted again. Only for `.rest` and
    /// `.direct`.
    package var wasStreamed: Bool
    /// The client's stop string that it ended before: the answer is over, also where nothing stands before it.
    package var stop: String?
    package init(text: String, end: LLMReplyEnd, tokens: Int, wasStreamed: Bool = false) {
        self.text = text
        self.end = end
        self.tokens = tokens
        self.wasStreamed = wasStreamed
    }
}

extension LLMReply {
    /// Has nothing to show, since the client's stop string came first: unlike an empty one, it ends the answer.
    var isStoppedAtOnce: Bool {
        stop != nil && text.allSatisfy(\.isWhitespace) && !(wasStreamed && !text.isEmpty)
    }
}

/// Why an escalation came to nothing.
package enum EscalationRefusal: String, Hashable, Sendable, Error {
    case budgetExhausted = "budget_exhausted"
    case rateLimited = "rate_limited"
    case ledgerUnavailable = "ledger_unavailable"
    case providerUnavailable = "provider_unavailable"
    case priceUnknown = "price_unknown"

    /// How it is reported to the client.
    package var degraded: DegradedReason {
        switch self {
        case .budgetExhausted: .budgetExhausted
        case .rateLimited: .rateLimited
        case .ledgerUnavailable: .ledgerUnavailable
        case .providerUnavailable: .providerUnavailable
        case .priceUnknown: .priceUnknown
        }
    }
}

/// Who wrote a step.
package enum StepSource: String, Hashable, Sendable, Codable { case slm, llm }

/// A settled step, to be sent to the client.
package struct EmittedStep: Hashable, Sendable {
    package var index: Int
    package var segment: AnswerSegment
    package var text: String
    package var source: StepSource
    package var reward: ProcessReward?
    /// As whoever wrote it counts them.
    package var tokens: Int
}

/// How an answer ended.
package struct Finish: Hashable, Sendable {
    /// Why it ended.
    package enum Reason: Hashable, Sendable {
        case stop, length
        /// The LLM's provider would say no more.
        case contentFilter
        /// The SLM failed and no LLM could go on. Steps may have been emitted before.
        case localModelFailed(LocalModelError)
        /// The LLM alone could have answered and was not called.
        case refused(EscalationRefusal)
        /// The driver reported something that does not answer the last action: a bug.
        case outOfTurn
    }
    package var reason: Reason
    package var degraded: DegradedReason?
    /// The client's stop string that the answer ended before, whoever wrote it; nil: none did, or it is not known.
    package var stop: String?
}

/// What an answer consists of.
package struct AnswerSummary: Hashable, Sendable {
    package var slmSteps = 0
    package var llmSteps = 0
    /// Paid calls that were answered.
    package var escalations = 0
    package var degraded: DegradedReason?
    /// Escalations that were wanted and could not even be asked for, the first ones.
    package var withheld: [WithheldEscalation] = []
    /// How many more there were.
    package var moreWithheld = 0
    /// Most that are kept.
    package static let maxWithheld = 16
    package init() {}
    package var steps: Int { slmSteps + llmSteps }
    /// nil: nothing was written.
    package var servedBy: ServedBy? {
        switch (slmSteps > 0, llmSteps > 0) {
        case (true, false): .slm
        case (false, true): .llm
        case (true, true): .mixed
        // The LLM may have answered with nothing.
        case (false, false): escalations > 0 ? .llm : nil
        }
    }
}

/// What a strategy needs to know of the request and its route.
package struct StrategyContext: Sendable {
    package var settings: RouteSettings
    /// As the client asked for.
    package var sampling: Sampling
    /// The client's bound on the whole answer; nil: the route's alone.
    package var maxTokens: Int?
    /// ω of this request; nil: the route's.
    package var valueUSD: Double?
    /// Whether there is an SLM to draft with (always, but for `direct`).
    package var hasLocalModel: Bool
    package var controller: any Controller
    /// Whether the LLM may be paid where there is nothing of the SLM's to weigh: not for what is worth nothing.
    var paysWithoutDraft: Bool { !settings.escalationForbidden && valueUSD ?? settings.valueUSD != 0 }
    package init(
        settings: RouteSettings, sampling: Sampling, maxTokens: Int? = nil, valueUSD: Double? = nil,
        hasLocalModel: Bool = true, controller: any Controller = FixedShadowPriceController()
    ) {
        self.settings = settings
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.valueUSD = valueUSD
        self.hasLocalModel = hasLocalModel
        self.controller = controller
    }
}

/// An escalation that the controller would have paid for, had there been money or a price: the audit keeps it.
package struct WithheldEscalation: Hashable, Sendable {
    package var reason: DegradedReason
    package var kind: EscalationKind
    /// Index of the step that was accepted instead.
    package var step: Int
    package var reward: ProcessReward
    /// With its escalations weighed, as far as there is a price.
    package var decision: Decision
    /// What was left of the tightest bound of money; nil: not known.
    package var remaining: NanoUSD?
    /// The budget of which that was left, as `BudgetState.name` has it; nil: not known, or the request's own bound.
    package var bound: String?
}

extension StrategyContext {
    /// Which lack of money or price kept a step from the LLM that the controller would have paid for; nil: none did.
    func withheld(_ observation: StepObservation, _ decision: Decision, bound: String? = nil) -> WithheldEscalation? {
        let excluded = decision.excluded.filter { $0.action == .llmStep || $0.action == .llmRest }.map(\.reason)
        var withheld = WithheldEscalation(
            reason: .budgetExhausted, kind: .rest, step: observation.depth, reward: observation.reward,
            decision: decision, remaining: observation.remaining, bound: bound)
        if excluded.contains(.overBudget) {
            var unbounded = observation
            unbounded.remaining = nil
            withheld.decision = controller.decide(unbounded, settings: settings)
            if withheld.decision.action == .llmStep { withheld.kind = .step }
            return withheld.decision.isEscalation ? withheld : nil
        }
        // Without a price there is no cost to weigh: told wherever the LLM would be expected to do better.
        let isPoor = observation.reward.calibrated < settings.llmSuccessPrior
        withheld.reason = .priceUnknown
        withheld.bound = nil
        return excluded.contains(.priceUnknown) && isPoor ? withheld : nil
    }
}

/// The strategy of this kind, at its start.
package func makeStrategy(_ kind: StrategyKind, _ context: StrategyContext) -> any Strategy {
    switch kind {
    case .direct: Direct(context)
    case .cascade: Cascade(context)
    case .stepwise: Stepwise(context)
    case .bestOfN: BestOfN(context)
    case .tree: Tree(context)
    }
}
