internal import GatewayCore

/// The LLM answers; the SLM only where the LLM cannot be paid or reached.
package struct Direct: Strategy {
    private var answer: Answer
    /// Takes over once the LLM is out.
    private var fallback: Stepwise?
    private var waitsForReply = false
    private var ending: Finish?

    package init(_ context: StrategyContext) { answer = Answer(context) }

    package var summary: AnswerSummary { fallback?.summary ?? answer.summary }

    package mutating func next(_ event: StrategyEvent) -> StrategyAction {
        if fallback != nil { return fallback?.next(event) ?? finish(.outOfTurn) }
        if let ending {
            return .finish(ending)
        }
        switch event {
        case .start where !waitsForReply:
            if answer.context.settings.escalationForbidden { return goOnLocally(without: nil) }
            waitsForReply = true
            return .escalate(
                EscalationPlan(
                    kind: .direct, step: 0, texts: [], maxTokens: answer.escalationTokens(.direct, SpendingOutlook()),
                    decision: Decision(
                        action: .llmRest, shadowPrice: answer.context.settings.shadowPrice, reason: "direct")))
        case .wrote(let reply) where waitsForReply: return take(reply)
        case .refused(let refusal) where waitsForReply: return goOnLocally(without: refusal)
        default: return finish(.outOfTurn)
        }
    }

    private mutating func take(_ reply: LLMReply) -> StrategyAction {
        answer.summary.escalations += 1
        answer.stop = reply.stop
        if reply.end == .interrupted, !reply.wasStreamed || reply.text.isEmpty {
            return goOnLocally(without: .providerUnavailable)
        }
        let ending = reply.end.ending
        if reply.text.isEmpty { return finish(ending) }
        let step = answer.settle(reply, text: reply.text)
        if reply.end == .interrupted { return goOnLocally(without: .providerUnavailable) }
        let finish = finish(ending)
        return reply.wasStreamed ? finish : .emit(step)
    }

    /// nil: escalation is forbidden, which is no degradation.
    private mutating func goOnLocally(without refusal: EscalationRefusal?) -> StrategyAction {
        if let refusal { answer.degrade(refusal.degraded) }
        guard answer.context.hasLocalModel else { return finish(.refused(refusal ?? .providerUnavailable)) }
        var local = Stepwise(continuing: answer)
        let action = local.next(.start)
        fallback = local
        return action
    }

    private mutating func finish(_ reason: Finish.Reason) -> StrategyAction {
        let finish = answer.finish(reason)
        ending = finish
        return .finish(finish)
    }
}
