internal import GatewayCore

/// The SLM drafts the whole answer, every step is scored, and one decision is made: all of it, or the LLM from
/// scratch. Nothing is emitted before the decision. `BestOfN` is the same with more than one try.
package struct Cascade: Strategy {
    /// How the rewards of the steps become one.
    package enum Aggregate: String, Hashable, Sendable, Codable { case minimum, product, last }

    private enum Phase: Hashable, Sendable {
        case ready
        case drafting(maxTokens: Int)
        case escalating
        /// The drafted steps go out one by one.
        case emitting(from: Int, then: Finish.Reason)
        case emittingReply(then: Finish.Reason)
        case finished(Finish)
    }

    private let aggregate: Aggregate
    /// The answer as it goes out.
    private var answer: Answer
    /// The answer as it is drafted.
    private var drafted: Answer
    private var steps: [EmittedStep] = []
    private var draftEnding: Finish.Reason = .stop
    /// The client's stop string that it ended before.
    private var draftStop: String?
    private var promptTokens = 0
    private var outlook = SpendingOutlook()
    private var phase = Phase.ready
    private var fallback: Stepwise?
    /// A whole draft, to be compared with others.
    private struct Draft: Hashable, Sendable {
        var steps: [EmittedStep]
        var ending: Finish.Reason
        var stop: String?
        var reward: ProcessReward
    }
    /// Whole drafts that may be made, and how many were.
    private let tries: Int
    private var attempt = 0
    private var best: Draft?

    package init(_ context: StrategyContext, aggregate: Aggregate = .minimum, tries: Int = 1) {
        answer = Answer(context)
        drafted = Answer(context)
        self.aggregate = aggregate
        self.tries = max(tries, 1)
    }

    package var summary: AnswerSummary { fallback?.summary ?? answer.summary }
    private var settings: RouteSettings { answer.context.settings }

    package mutating func next(_ event: StrategyEvent) -> StrategyAction {
        if fallback != nil { return fallback?.next(event) ?? finish(.outOfTurn) }
        switch (phase, event) {
        case (.finished(let finish), _): return .finish(finish)
        case (.ready, .start): return draft()
        case (.drafting(let maxTokens), .drafted(let draft, let reward, let outlook)):
            return add(draft, reward: reward, maxTokens: maxTokens, outlook: outlook)
        case (.drafting, .draftFailed(let error)):
            if attempt > 0, best != nil { return decide(canResample: false) }
            draftEnding = .localModelFailed(error)
            guard answer.context.paysWithoutDraft else { return emitDraft(from: 0) }
            return escalate(
                Decision(action: .llmRest, shadowPrice: settings.shadowPrice, reason: "local_model_failed"),
                reward: nil)
        case (.escalating, .wrote(let reply)):
            if localFailure?.isFault == true { answer.degrade(.modelUnavailable) }
            return take(reply)
        case (.escalating, .refused(let refusal)):
            answer.degrade(refusal.degraded)
            if let localFailure, steps.isEmpty, !localFailure.isFault { return finish(.refused(refusal)) }
            return emitDraft(from: 0)
        case (.emitting(let index, _), .emitted): return emitDraft(from: index)
        case (.emittingReply(let reason), .emitted): return finish(reason)
        default: return finish(.outOfTurn)
        }
    }

    private mutating func finish(_ reason: Finish.Reason) -> StrategyAction {
        let finish = answer.finish(reason)
        phase = .finished(finish)
        return .finish(finish)
    }

    private var localFailure: LocalModelError? {
        if case .localModelFailed(let error) = draftEnding { error } else { nil }
    }

    private mutating func draft() -> StrategyAction {
        let plan = drafted.draftPlan(attempt: attempt, wantsReward: true)
        phase = .drafting(maxTokens: plan.maxTokens)
        return .draft(plan)
    }

    private mutating func add(
        _ draft: StepDraft, reward: ProcessReward?, maxTokens: Int, outlook: SpendingOutlook
    ) -> StrategyAction {
        self.outlook = outlook
        if steps.isEmpty, attempt == 0 { promptTokens = draft.promptTokens }
        let goesRound = drafted.repetitions(of: draft.text) >= Stepwise.fatalRepetitions
        if !draft.text.isEmpty, !goesRound { steps.append(drafted.settle(draft, reward: reward)) }
        let isStuck = draft.text.isEmpty || goesRound || draft.end == .length && draft.tokenCount < maxTokens
        draftStop = draft.stop
        switch draft.end {
        case .answer: draftEnding = .stop
        case .length, .boundary:
            guard isStuck || drafted.isFull else { return self.draft() }
            draftEnding = .length
        }
        return compare()
    }

    /// Takes the finished draft where it is the best so far.
    private mutating func compare() -> StrategyAction {
        let rewards = steps.compactMap(\.reward)
        guard rewards.count == steps.count, let reward = combine(rewards) else {
            guard best == nil else { return decide(canResample: false) }
            answer.degrade(.rewardUnavailable)
            return emitDraft(from: 0)
        }
        if best.map({ reward.calibrated > $0.reward.calibrated }) ?? true {
            best = Draft(steps: steps, ending: draftEnding, stop: draftStop, reward: reward)
        }
        return decide(canResample: attempt + 1 < tries)
    }

    private mutating func decide(canResample: Bool) -> StrategyAction {
        guard let best else { return finish(.outOfTurn) }
        (steps, draftEnding, draftStop) = (best.steps, best.ending, best.stop)
        let reward = best.reward
        var barred: [StepAction: Exclusion] = [.llmStep: .notOffered]
        if !canResample { barred[.resample] = tries > 1 ? .noTriesLeft : .notOffered }
        var settings = settings
        settings.maxResamples = tries - 1
        let observation = StepObservation(
            reward: reward, depth: 0, resamplesUsed: attempt, draftEnd: draftEnding == .stop ? .answer : .length,
            contextTokens: promptTokens, inputTokenBound: outlook.inputTokenBound, price: outlook.price,
            remaining: outlook.remaining, valueUSD: answer.context.valueUSD,
            barred: barred)
        let decision = answer.context.controller.decide(observation, settings: settings)
        if decision.action == .resample {
            attempt += 1
            steps = []
            drafted = Answer(answer.context)
            return draft()
        }
        if decision.action == .llmRest { return escalate(decision, reward: reward) }
        answer.degrade(answer.context.withheld(observation, decision, bound: outlook.bound))
        return emitDraft(from: 0)
    }

    /// nil: nothing to combine, or not a number among them. An empty draft is surely wrong.
    private func combine(_ rewards: [ProcessReward]) -> ProcessReward? {
        guard !rewards.contains(where: { $0.calibrated.isNaN || $0.raw.isNaN }) else { return nil }
        guard let last = rewards.last else { return ProcessReward(raw: 0, calibrated: 0) }
        switch aggregate {
        case .last: return last
        case .minimum: return rewards.min { $0.calibrated < $1.calibrated }
        case .product:
            return rewards.reduce(ProcessReward(raw: 1, calibrated: 1)) {
                ProcessReward(raw: $0.raw * $1.raw, calibrated: $0.calibrated * $1.calibrated)
            }
        }
    }

    private mutating func escalate(_ decision: Decision, reward: ProcessReward?) -> StrategyAction {
        phase = .escalating
        return .escalate(
            EscalationPlan(
                kind: .rest, step: 0, texts: [],
                maxTokens: answer.escalationTokens(.rest, outlook, contextTokens: promptTokens), decision: decision,
                reward: reward, rejected: steps.map(\.text).joined()))
    }

    private mutating func take(_ reply: LLMReply) -> StrategyAction {
        answer.summary.escalations += 1
        let isInterrupted = reply.end == .interrupted
        if isInterrupted { answer.degrade(.providerUnavailable) }
        answer.stop = reply.stop
        if reply.isStoppedAtOnce { return finish(.stop) }
        // Nobody else has anything to say.
        if reply.text.isEmpty, reply.end == .filtered, steps.isEmpty { return finish(.contentFilter) }
        if reply.text.isEmpty || isInterrupted && !reply.wasStreamed { return emitDraft(from: 0) }
        let step = answer.settle(reply, text: reply.text)
        if isInterrupted {
            // The client has part of the LLM's answer: the SLM goes on from that, not from its own draft.
            var local = Stepwise(continuing: answer)
            let action = local.next(.start)
            fallback = local
            return action
        }
        let ending = reply.end.ending
        if reply.wasStreamed { return finish(ending) }
        phase = .emittingReply(then: ending)
        return .emit(step)
    }

    private mutating func emitDraft(from index: Int) -> StrategyAction {
        guard index < steps.count else {
            answer.stop = draftStop
            return finish(draftEnding)
        }
        phase = .emitting(from: index + 1, then: draftEnding)
        answer.summary.slmSteps += 1
        return .emit(steps[index])
    }
}
