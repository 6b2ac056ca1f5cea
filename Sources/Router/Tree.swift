internal import GatewayCore

/// A search over steps: each is tried several ways, upper confidence bounds say where to go on, and the reward model's
/// p stands in for a rollout. The controller decides after every expansion, on the best step so far: search on, take
/// it, or have the LLM write it or all that follows.
///
/// Nothing is emitted before it is settled: steps go out when the LLM has gone on from them, or at the search's end. At
/// most `tree_nodes` steps are drafted; from then on the answer is finished step by step.
package struct Tree: Strategy {
    private enum Phase: Hashable, Sendable {
        case ready
        case drafting(after: Int?, maxTokens: Int)
        case escalating(EscalationKind)
        /// Settled steps go out, then this.
        case emitting([EmittedStep], then: Next)
        case finished(Finish)
    }
    private enum Next: Hashable, Sendable {
        case search
        case escalate(EscalationPlan)
        case stepByStep
        case finish(Finish.Reason)
    }

    /// What is settled.
    private var answer: Answer
    private var tree = SearchTree()
    private var drafted = 0
    /// Expansions since the best p last rose.
    private var vain = 0
    private var bestSoFar = -1.0
    /// p of the last step that was settled; nil: none was, or the LLM has written since.
    private var lastReward: Double?
    private var outlook = SpendingOutlook()
    private var barred: Exclusion?
    private var phase = Phase.ready
    private var fallback: Stepwise?

    package init(_ context: StrategyContext) { answer = Answer(context) }

    package var summary: AnswerSummary { fallback?.summary ?? answer.summary }
    private var settings: RouteSettings { answer.context.settings }

    package mutating func next(_ event: StrategyEvent) -> StrategyAction {
        if fallback != nil { return fallback?.next(event) ?? finish(.outOfTurn) }
        switch (phase, event) {
        case (.finished(let finish), _): return .finish(finish)
        case (.ready, .start): return search()
        case (.drafting(let parent, let maxTokens), .drafted(let draft, let reward, let outlook)):
            return grow([DraftedCandidate(draft: draft, reward: reward)], parent, maxTokens, outlook)
        case (.drafting(let parent, let maxTokens), .candidates(let candidates, let outlook)):
            return grow(candidates, parent, maxTokens, outlook)
        case (.drafting, .draftFailed):
            // What there is is taken; the step-by-step end asks once more, and pays where the SLM is gone.
            return tree.isEmpty ? goStepByStep() : conclude()
        case (.escalating(let kind), .wrote(let reply)): return take(reply, kind)
        case (.escalating, .refused(let refusal)):
            answer.degrade(refusal.degraded)
            barred = .refusedEarlier
            return search()
        case (.emitting(let steps, let next), .emitted): return emit(steps, then: next)
        default: return finish(.outOfTurn)
        }
    }

    private mutating func finish(_ reason: Finish.Reason) -> StrategyAction {
        let finish = answer.finish(reason)
        phase = .finished(finish)
        return .finish(finish)
    }

    private mutating func goStepByStep(isLocalOnly: Bool = false) -> StrategyAction {
        var steps =
            isLocalOnly
            ? Stepwise(continuing: answer) : Stepwise(resuming: answer, barred: barred, before: lastReward)
        let action = steps.next(.start)
        fallback = steps
        return action
    }

    private mutating func emit(_ steps: [EmittedStep], then next: Next) -> StrategyAction {
        if let first = steps.first {
            phase = .emitting(Array(steps.dropFirst()), then: next)
            return .emit(first)
        }
        switch next {
        case .search: return answer.isFull ? finish(.length) : search()
        case .escalate(let plan):
            phase = .escalating(plan.kind)
            return .escalate(plan)
        case .stepByStep: return answer.isFull ? finish(.length) : goStepByStep()
        case .finish(let reason): return finish(reason)
        }
    }

    /// The settled answer with the steps that lead to a node.
    private func prefix(to index: Int?) -> Answer {
        var prefix = answer
        for node in tree.path(to: index) { _ = prefix.settle(node.draft, reward: node.reward) }
        return prefix
    }
}

// MARK: - Searching

extension Tree {
    /// Drafts candidates where they promise most, or ends the search.
    private mutating func search() -> StrategyAction {
        let left = settings.treeNodes - drafted
        guard left > 0, tree.isEmpty || tree.leaf() != nil else { return conclude() }
        let leaf = tree.leaf()
        // Another try draws other numbers than the ones before it.
        var plan = prefix(to: leaf).draftPlan(attempt: drafted, wantsReward: true)
        plan.candidates = min(settings.treeWidth, left)
        if plan.candidates > 1, plan.sampling.temperature <= 0 {
            plan.sampling.temperature = settings.resampleTemperature
        }
        phase = .drafting(after: leaf, maxTokens: plan.maxTokens)
        return .draft(plan)
    }

    private mutating func grow(
        _ candidates: [DraftedCandidate], _ parent: Int?, _ maxTokens: Int, _ outlook: SpendingOutlook
    ) -> StrategyAction {
        self.outlook = outlook
        drafted += max(candidates.count, 1)
        let before = prefix(to: parent)
        var nodes: [SearchTree.Node] = []
        for candidate in candidates {
            guard let reward = candidate.reward, !reward.calibrated.isNaN else { continue }
            nodes.append(node(candidate.draft, reward, after: before, parent, maxTokens))
        }
        guard !nodes.isEmpty else {
            // Without rewards there is nothing to search by.
            answer.degrade(.rewardUnavailable)
            return settle(to: parent, then: nil, isLocalOnly: true)
        }
        tree.add(nodes, after: parent)
        return decide()
    }

    private func node(
        _ draft: StepDraft, _ reward: ProcessReward, after before: Answer, _ parent: Int?, _ maxTokens: Int
    ) -> SearchTree.Node {
        var after = before
        let repetitions = before.repetitions(of: draft.text)
        let isBlank = draft.text.allSatisfy(\.isWhitespace)
        let isPoor = isBlank && (draft.end != .answer || before.depth == 0) || repetitions >= Stepwise.poorRepetitions
        let reward = isPoor ? ProcessReward(raw: reward.raw, calibrated: 0) : reward
        if !draft.text.isEmpty { _ = after.settle(draft, reward: reward) }
        let isStuck = draft.text.isEmpty || repetitions >= Stepwise.fatalRepetitions
        let fillsContext = draft.end == .length && draft.tokenCount < maxTokens
        var ending: Finish.Reason?
        if draft.end == .answer { ending = .stop } else if isStuck || fillsContext || after.isFull { ending = .length }
        return SearchTree.Node(
            parent: parent, draft: draft, reward: reward, ending: ending, total: reward.calibrated)
    }

    /// Asks the controller about the best step so far.
    private mutating func decide() -> StrategyAction {
        guard let best = tree.best(finished: false) else { return conclude() }
        let node = tree.nodes[best]
        vain = node.reward.calibrated > bestSoFar ? 0 : vain + 1
        bestSoFar = max(bestSoFar, node.reward.calibrated)
        let (observation, decision) = weigh(best, canSearch: drafted < settings.treeNodes && tree.leaf() != nil)
        switch decision.action {
        case .accept:
            guard node.ending != nil else { return search() }
            answer.degrade(answer.context.withheld(observation, decision, bound: outlook.bound))
            return settle(to: best, then: node.ending)
        case .resample: return search()
        case .llmStep: return escalate(.step, decision, best)
        case .llmRest: return escalate(.rest, decision, best)
        }
    }

    private func weigh(_ index: Int, canSearch: Bool) -> (StepObservation, Decision) {
        let node = tree.nodes[index]
        let depth = answer.depth + tree.path(to: node.parent).count
        var barredActions: [StepAction: Exclusion] = [:]
        if let barred { barredActions = [.llmStep: barred, .llmRest: barred] }
        if !canSearch { barredActions[.resample] = .noTriesLeft }
        var settings = settings
        settings.maxResamples = settings.treeNodes
        let stepsLeft = Double(settings.expectedRestTokens) / Double(max(settings.expectedStepTokens, 1)) - 1
        let share = Double(1 + answer.summary.escalations) / Double(2 + depth)
        let observation = StepObservation(
            reward: node.reward,
            // An answer that ends with the node, at its bound too, leaves nothing to be paid for later.
            before: node.ending == nil ? (node.parent.map { tree.nodes[$0] } ?? node).reward.calibrated : nil,
            depth: depth, resamplesUsed: vain, draftEnd: node.draft.end,
            contextTokens: node.draft.promptTokens, inputTokenBound: outlook.inputTokenBound, price: outlook.price,
            remaining: outlook.remaining,
            furtherEscalations: node.ending == .stop ? 0 : max(stepsLeft, 0) * min(share, 1),
            valueUSD: answer.context.valueUSD, barred: barredActions)
        return (observation, answer.context.controller.decide(observation, settings: settings))
    }

    /// The search is over: the best finished answer is weighed once more, an unfinished one goes on step by step.
    private mutating func conclude() -> StrategyAction {
        guard let best = tree.best(finished: true) ?? tree.best(finished: false) else { return goStepByStep() }
        let (observation, decision) = weigh(best, canSearch: false)
        if decision.action == .llmStep { return escalate(.step, decision, best) }
        if decision.action == .llmRest { return escalate(.rest, decision, best) }
        answer.degrade(answer.context.withheld(observation, decision, bound: outlook.bound))
        return settle(to: best, then: tree.nodes[best].ending)
    }

    /// Settles the steps that lead to a node and sends them; without an ending the answer goes on.
    private mutating func settle(
        to index: Int?, then ending: Finish.Reason?, isLocalOnly: Bool = false
    ) -> StrategyAction {
        var steps: [EmittedStep] = []
        for node in tree.path(to: index) where !node.draft.text.isEmpty {
            steps.append(answer.settle(node.draft, reward: node.reward))
            lastReward = node.reward.calibrated
        }
        answer.stop = index.flatMap { tree.nodes[$0].draft.stop }
        tree = SearchTree()
        if isLocalOnly, steps.isEmpty { return goStepByStep(isLocalOnly: true) }
        return emit(steps, then: ending.map { .finish($0) } ?? .stepByStep)
    }
}

// MARK: - Paying

extension Tree {
    /// Has the LLM write the step of a node, or it and all that follows. What that goes on from is sent first.
    private mutating func escalate(_ kind: EscalationKind, _ decision: Decision, _ index: Int) -> StrategyAction {
        let node = tree.nodes[index]
        let path = tree.path(to: node.parent)
        let steps = path.map { answer.settle($0.draft, reward: $0.reward) }
        lastReward = path.last?.reward.calibrated ?? lastReward
        tree = tree.below(node.parent)
        let plan = EscalationPlan(
            kind: kind, step: answer.depth, texts: answer.texts,
            maxTokens: answer.escalationTokens(kind, outlook, contextTokens: node.draft.promptTokens),
            decision: decision, reward: node.reward, rejected: node.draft.text)
        return emit(steps, then: .escalate(plan))
    }

    private mutating func take(_ reply: LLMReply, _ kind: EscalationKind) -> StrategyAction {
        answer.summary.escalations += 1
        let isInterrupted = reply.end == .interrupted
        if isInterrupted {
            answer.degrade(.providerUnavailable)
            barred = .refusedEarlier
        }
        answer.stop = reply.stop
        if reply.isStoppedAtOnce { return finish(.stop) }
        let text = kind == .step && reply.end == .step ? answer.closed(reply.text) : reply.text
        let isUseless = reply.text.allSatisfy(\.isWhitespace) || answer.repetitions(of: text) > 2
        if !reply.wasStreamed || reply.text.isEmpty, isUseless || isInterrupted {
            // The same step is not asked for twice, and the search may come back to it.
            barred = .refusedEarlier
            return search()
        }
        let written = answer.settle(reply, text: text)
        lastReward = nil
        tree = SearchTree()
        bestSoFar = -1
        vain = 0
        let next: Next =
            switch (reply.end, kind) {
            case (.length, .step), (.step, .step), (.interrupted, _): .search
            case (.answer, _), (.filtered, _), (.length, _), (.step, _): .finish(reply.end.ending)
            }
        return emit(reply.wasStreamed ? [] : [written], then: next)
    }
}
