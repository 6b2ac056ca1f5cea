internal import GatewayCore

/// The default: every drafted step is accepted, tried again, or written by the LLM, alone or with all that follows.
package struct Stepwise: Strategy {
    /// A step that would make the answer's end go round this often is taken for a poor one, whatever its reward.
    package static let poorRepetitions = 3
    /// One that would make it go round this often ends the answer.
    package static let fatalRepetitions = 4
    /// Replies of the LLM without content after which it is not asked again.
    package static let maxUselessReplies = 2

    private struct Candidate: Hashable, Sendable {
        var draft: StepDraft
        /// As the PRM gave it.
        var reward: ProcessReward?
        /// What it is taken for: a step that goes round in circles, or says nothing, is surely wrong.
        var effective: ProcessReward?
        /// Drafted less than asked for without a boundary: the model's context is full.
        var filledContext: Bool
    }
    private enum Phase: Hashable, Sendable {
        case ready
        case drafting(attempt: Int, maxTokens: Int)
        case escalating(EscalationKind)
        /// Then the answer goes on, or ends with this reason.
        case emitting(then: Finish.Reason?)
        case finished(Finish)
    }

    private var answer: Answer
    private var phase = Phase.ready
    private var best: Candidate?
    /// p of the last step that was accepted; nil: none was, or the LLM has written since.
    private var before: Double?
    private var outlook = SpendingOutlook()
    /// Why escalations are not offered any more.
    private var barred: Exclusion?
    private var uselessReplies = 0
    /// Accepts whatever comes: nothing is scored, tried again or escalated.
    private let isLocalOnly: Bool
    private var localFailure: LocalModelError?

    package init(_ context: StrategyContext) {
        answer = Answer(context)
        isLocalOnly = false
    }

    /// Goes on with `answer`, as if it had come this far by itself.
    /// - Parameters:
    ///   - barred: why no escalation is offered any more.
    ///   - before: p of its last step, where the SLM wrote that.
    init(resuming answer: Answer, barred: Exclusion?, before: Double?) {
        self.answer = answer
        self.barred = barred
        self.before = before
        isLocalOnly = false
    }

    /// Goes on with `answer` by the SLM alone.
    init(continuing answer: Answer) {
        self.answer = answer
        isLocalOnly = true
        barred = .notOffered
    }

    package var summary: AnswerSummary { answer.summary }
    private var settings: RouteSettings { answer.context.settings }

    package mutating func next(_ event: StrategyEvent) -> StrategyAction {
        switch (phase, event) {
        case (.finished(let finish), _): return .finish(finish)
        case (.ready, .start): return goOn()
        case (.drafting(_, let maxTokens), .drafted(let draft, let reward, let outlook)):
            self.outlook = outlook
            return weigh(draft, reward, filled: draft.end == .length && draft.tokenCount < maxTokens)
        case (.drafting(let attempt, _), .draftFailed(let error)): return handle(error, attempt: attempt)
        case (.escalating(let kind), .wrote(let reply)):
            answer.summary.escalations += 1
            if localFailure?.isFault == true { answer.degrade(.modelUnavailable) }
            return take(reply, kind)
        case (.escalating, .refused(let refusal)):
            answer.degrade(refusal.degraded)
            barred = .refusedEarlier
            // It would have been answered: what is missing is what the LLM was refused for.
            if let localFailure, best == nil, !localFailure.isFault { return finish(.refused(refusal)) }
            return acceptBest()
        case (.emitting(let reason), .emitted):
            if let reason { return finish(reason) }
            return goOn()
        default: return finish(.outOfTurn)
        }
    }

    private mutating func finish(_ reason: Finish.Reason) -> StrategyAction {
        let finish = answer.finish(reason)
        phase = .finished(finish)
        return .finish(finish)
    }

    private mutating func goOn() -> StrategyAction {
        best = nil
        return answer.isFull ? finish(.length) : draft(attempt: 0)
    }

    private mutating func draft(attempt: Int) -> StrategyAction {
        let plan = answer.draftPlan(attempt: attempt, wantsReward: !isLocalOnly)
        phase = .drafting(attempt: attempt, maxTokens: plan.maxTokens)
        return .draft(plan)
    }

    private mutating func emit(_ step: EmittedStep, then reason: Finish.Reason?) -> StrategyAction {
        phase = .emitting(then: reason)
        return .emit(step)
    }
}

extension Stepwise {
    private mutating func weigh(_ draft: StepDraft, _ reward: ProcessReward?, filled: Bool) -> StrategyAction {
        guard case .drafting(let attempt, _) = phase else { return finish(.outOfTurn) }
        let isBlank = draft.text.allSatisfy(\.isWhitespace)
        // The SLM has nothing to add to what is settled: the answer ends here.
        if isBlank, draft.end == .answer, attempt == 0, answer.depth > 0 {
            answer.stop = draft.stop
            return finish(.stop)
        }
        let isPoor = isBlank && draft.end != .boundary || answer.repetitions(of: draft.text) >= Self.poorRepetitions
        let candidate = Candidate(
            draft: draft, reward: reward,
            effective: isPoor ? ProcessReward(raw: reward?.raw ?? 0, calibrated: 0) : reward, filledContext: filled)
        if best == nil || Self.rank(candidate) > best.map(Self.rank) ?? -1 { best = candidate }
        return isLocalOnly ? acceptBest() : decide(attempt: attempt, canResample: true)
    }

    /// p of a candidate, for comparing; one without a reward comes last.
    private static func rank(_ candidate: Candidate) -> Double {
        guard let p = candidate.effective?.calibrated, !p.isNaN else { return -1 }
        return p
    }

    /// Decides on the best candidate so far.
    private mutating func decide(attempt: Int, canResample: Bool) -> StrategyAction {
        guard let best else { return finish(.outOfTurn) }
        guard let reward = best.effective, !reward.calibrated.isNaN else {
            answer.degrade(.rewardUnavailable)
            return acceptBest()
        }
        var barredActions: [StepAction: Exclusion] = [:]
        if let barred { barredActions = [.llmStep: barred, .llmRest: barred] }
        if !canResample { barredActions[.resample] = .noTriesLeft }
        let observation = StepObservation(
            reward: reward, before: isLast(best.draft) ? nil : before ?? reward.calibrated, depth: answer.depth,
            resamplesUsed: attempt, draftEnd: best.draft.end,
            contextTokens: best.draft.promptTokens, inputTokenBound: outlook.inputTokenBound,
            cachedTokens: 0, price: outlook.price, remaining: outlook.remaining,
            furtherEscalations: expectedEscalations(after: best.draft), valueUSD: answer.context.valueUSD,
            barred: barredActions)
        let decision = answer.context.controller.decide(observation, settings: settings)
        switch decision.action {
        case .accept:
            answer.degrade(answer.context.withheld(observation, decision, bound: outlook.bound))
            return acceptBest()
        case .resample: return draft(attempt: attempt + 1)
        case .llmStep: return escalate(.step, decision, reward: reward)
        case .llmRest: return escalate(.rest, decision, reward: reward)
        }
    }

    /// Whether the answer is at its bound with this step: there is no later to pay in.
    private func isLast(_ draft: StepDraft) -> Bool {
        answer.depth + 1 >= settings.maxSteps || answer.remainingTokens <= draft.tokenCount
    }

    /// J: the share of steps that were escalated so far (with one of two imagined), over the steps still expected.
    private func expectedEscalations(after draft: StepDraft) -> Double {
        guard draft.end != .answer else { return 0 }
        let stepsLeft = Double(settings.expectedRestTokens) / Double(max(settings.expectedStepTokens, 1)) - 1
        let share = Double(1 + answer.summary.escalations) / Double(2 + answer.depth)
        return max(stepsLeft, 0) * min(share, 1)
    }

    private mutating func escalate(
        _ kind: EscalationKind, _ decision: Decision, reward: ProcessReward?
    ) -> StrategyAction {
        phase = .escalating(kind)
        return .escalate(
            EscalationPlan(
                kind: kind, step: answer.depth, texts: answer.texts,
                maxTokens: answer.escalationTokens(kind, outlook, contextTokens: best?.draft.promptTokens ?? 0),
                decision: decision, reward: reward, rejected: best?.draft.text))
    }

    private mutating func handle(_ error: LocalModelError, attempt: Int) -> StrategyAction {
        // Another try failed: the tries before it are still there to be decided on.
        if best != nil { return decide(attempt: attempt, canResample: false) }
        localFailure = error
        guard barred == nil, answer.context.paysWithoutDraft else { return finish(.localModelFailed(error)) }
        let decision = Decision(
            action: .llmRest, shadowPrice: settings.shadowPrice, reason: "local_model_failed")
        return escalate(.rest, decision, reward: nil)
    }

    private mutating func acceptBest() -> StrategyAction {
        guard let best else { return finish(localFailure.map { .localModelFailed($0) } ?? .outOfTurn) }
        answer.stop = best.draft.stop
        let ending: Finish.Reason? =
            switch best.draft.end {
            case .answer: .stop
            case .length where best.filledContext: .length
            case .length, .boundary: nil
            }
        if answer.repetitions(of: best.draft.text) >= Self.fatalRepetitions { return finish(ending ?? .length) }
        if best.draft.text.isEmpty {
            // Nothing to emit; without a token either, going on would draft the same again.
            return finish(ending ?? .length)
        }
        before = best.effective?.calibrated
        return emit(answer.settle(best.draft, reward: best.reward), then: ending)
    }

    private mutating func take(_ reply: LLMReply, _ kind: EscalationKind) -> StrategyAction {
        let isInterrupted = reply.end == .interrupted
        if isInterrupted {
            answer.degrade(.providerUnavailable)
            barred = .refusedEarlier
        }
        answer.stop = reply.stop
        if reply.isStoppedAtOnce { return finish(.stop) }
        // Nobody else has anything to say.
        if reply.text.isEmpty, reply.end == .filtered, best == nil { return finish(.contentFilter) }
        // A broken piece that the client has not seen is dropped: it may end in the middle of a number.
        let isUseless = reply.text.allSatisfy(\.isWhitespace) || answer.repetitions(of: closed(reply, kind)) > 2
        if !reply.wasStreamed || reply.text.isEmpty, isUseless || isInterrupted {
            uselessReplies += 1
            if uselessReplies >= Self.maxUselessReplies { barred = .refusedEarlier }
            // The LLM has nothing to add: where it was to end the answer, the draft does.
            return acceptBest()
        }
        localFailure = nil
        before = nil
        let ending: Finish.Reason? =
            switch (reply.end, kind) {
            case (.interrupted, _), (.length, .step), (.step, .step): nil
            case (.answer, _), (.filtered, _), (.length, _), (.step, _): reply.end.ending
            }
        let step = answer.settle(reply, text: closed(reply, kind))
        guard reply.wasStreamed else { return emit(step, then: ending) }
        if let ending { return finish(ending) }
        return goOn()
    }

    private func closed(_ reply: LLMReply, _ kind: EscalationKind) -> String {
        kind == .step && reply.end == .step ? answer.closed(reply.text) : reply.text
    }
}
