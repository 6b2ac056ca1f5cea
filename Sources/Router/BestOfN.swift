internal import GatewayCore

/// The SLM samples whole answers, the reward model picks, and another is sampled for as long as the controller expects
/// more of that than of accepting the best so far or of paying. At most `max_candidates`; one is `Cascade`.
package struct BestOfN: Strategy {
    private var drafts: Cascade

    package init(_ context: StrategyContext) {
        drafts = Cascade(context, tries: context.settings.maxCandidates)
    }

    package var summary: AnswerSummary { drafts.summary }
    package mutating func next(_ event: StrategyEvent) -> StrategyAction { drafts.next(event) }
}
