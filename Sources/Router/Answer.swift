internal import GatewayCore

/// The settled part of an answer, with its bounds: what every strategy keeps.
struct Answer: Sendable {
    let context: StrategyContext
    private(set) var segments: [AnswerSegment] = []
    private(set) var texts: [String] = []
    private(set) var tokens = 0
    /// The client's stop string that its last step, also one without a text, ended before.
    var stop: String?
    var summary = AnswerSummary()

    init(_ context: StrategyContext) { self.context = context }

    private var settings: RouteSettings { context.settings }
    var depth: Int { texts.count }
    /// Tokens that may still be written.
    var remainingTokens: Int {
        max(min(settings.maxAnswerTokens, context.maxTokens ?? Int.max) - tokens, 0)
    }
    var isFull: Bool { depth >= settings.maxSteps || remainingTokens == 0 }

    /// Its end, for this reason.
    func finish(_ reason: Finish.Reason) -> Finish {
        Finish(reason: reason, degraded: summary.degraded, stop: reason == .stop ? stop : nil)
    }

    /// Remembers why less was done than wanted; the first reason stays, but money outranks a missing reward.
    mutating func degrade(_ reason: DegradedReason) {
        if summary.degraded == nil || summary.degraded == .rewardUnavailable { summary.degraded = reason }
    }

    /// The same, of an escalation that was not even asked for; nil: none was.
    mutating func degrade(_ withheld: WithheldEscalation?) {
        guard let withheld else { return }
        degrade(withheld.reason)
        if summary.withheld.count < AnswerSummary.maxWithheld {
            summary.withheld.append(withheld)
        } else {
            summary.moreWithheld += 1
        }
    }

    /// A plan for the next step.
    func draftPlan(attempt: Int, wantsReward: Bool) -> DraftPlan {
        var sampling = context.sampling
        if attempt > 0, sampling.temperature <= 0 { sampling.temperature = settings.resampleTemperature }
        // Another step and another try draw other numbers, the same ones for the same request.
        let variation = UInt32(truncatingIfNeeded: depth) &* 0x9E37_79B1 &+ UInt32(truncatingIfNeeded: attempt)
        sampling.seed = sampling.seed &+ variation
        return DraftPlan(
            step: depth, attempt: attempt, answer: segments, texts: texts, sampling: sampling,
            maxTokens: max(min(settings.maxStepTokens, remainingTokens), 1), boundary: settings.boundary,
            wantsReward: wantsReward)
    }

    /// The most that an LLM may write in one call: the settings' bound, what the answer still has room for, and what
    /// is left to pay with beside its thoughts.
    func escalationTokens(_ kind: EscalationKind, _ outlook: SpendingOutlook, contextTokens: Int = 0) -> Int {
        var bound = min(kind == .step ? settings.maxLLMStepTokens : settings.maxLLMRestTokens, remainingTokens)
        if let price = outlook.price, let remaining = outlook.remaining,
            let affordable = price.affordableOutput(
                inputTokens: Int64(max(outlook.inputTokenBound, contextTokens, 0)), within: remaining)
        {
            bound = min(bound, Int(clamping: affordable) - max(settings.llmThinkingTokens, 0))
        }
        return max(bound, 1)
    }

    /// Settles a draft.
    mutating func settle(_ draft: StepDraft, reward: ProcessReward?) -> EmittedStep {
        summary.slmSteps += 1
        return settle(draft.segment, draft.text, count: draft.tokenCount, reward: reward, source: .slm)
    }

    /// Settles a text that the LLM wrote.
    mutating func settle(_ reply: LLMReply, text: String) -> EmittedStep {
        summary.llmSteps += 1
        return settle(.text(text), text, count: reply.tokens, reward: nil, source: .llm)
    }

    private mutating func settle(
        _ segment: AnswerSegment, _ text: String, count: Int, reward: ProcessReward?, source: StepSource
    ) -> EmittedStep {
        let step = EmittedStep(
            index: depth, segment: segment, text: text, source: source, reward: reward, tokens: count)
        segments.append(segment)
        texts.append(text)
        // A provider's count may be missing or absurd: a step costs at least one token and never gives any back.
        tokens += max(count, 1)
        return step
    }

    /// How often the answer would end in the same one to four steps over and over, if `text` were its next: 1 means
    /// no repetition.
    func repetitions(of text: String) -> Int {
        let all = texts + [text]
        var most = 1
        for period in 1...4 where all.count >= 2 * period {
            let block = all.suffix(period)
            var count = 1
            var end = all.count - period
            while end >= period, all[(end - period)..<end].elementsEqual(block) {
                count += 1
                end -= period
            }
            most = max(most, count)
        }
        return most
    }

    /// `text` closed as a step, so that the SLM starts the next one afresh.
    func closed(_ text: String) -> String {
        switch settings.boundary {
        case .newline: text.hasSuffix("\n") ? text : text + "\n"
        case .blankLine: text.hasSuffix("\n\n") ? text : text + (text.hasSuffix("\n") ? "\n" : "\n\n")
        case .pattern: text
        }
    }
}
