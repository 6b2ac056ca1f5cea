internal import Foundation
internal import GatewayCore

/// Drafts whose tokens are chosen elsewhere, by what this model and others think of the next one.
extension Engine {
    /// A lane for the tokens that were chosen so far: all but the last have been evaluated for the question before.
    func dictatedLane(
        _ drafting: Drafting, prompt: [Int32], _ tokens: [Int32], limit: Int
    ) throws(LocalModelError) -> EngineLane {
        guard tokens.allSatisfy({ model.isToken($0) }) else { throw .invalid("a token is not the model's") }
        let reservation = min(maxSequence, prompt.count + limit + StepSplitter.maxExtraTokens)
        var verdict = StepSplitter.Verdict.more
        for token in tokens {
            guard verdict == .more else { throw .invalid("the step had ended before its last token") }
            if model.endsAnswer(token) {
                verdict = drafting.splitter.finish()
                continue
            }
            drafting.made.append(token)
            // Whoever chooses knows how probable they were.
            drafting.logProbabilities.append(0)
            verdict = try drafting.splitter.push(model.piece(token))
            if verdict == .more, prompt.count + drafting.made.count >= reservation {
                verdict = drafting.splitter.exhaust()
            }
        }
        drafting.dictation = verdict
        return EngineLane(
            kind: .draft(drafting), tokens: prompt + drafting.made, reservation: reservation,
            promptCount: prompt.count)
    }

    /// The draft, where it has ended; else the logarithm of every token's probability.
    func answer(
        _ lane: EngineLane, of work: EngineWork, _ draft: Drafting, _ verdict: StepSplitter.Verdict, _ row: Row
    ) {
        guard verdict == .more else { return conclude(lane, of: work, draft, verdict) }
        let logits = UnsafeBufferPointer(start: row.logits, count: model.vocabularySize)
        finish(lane, of: work, .logits(logits.map { $0 - row.scan.logSumExp }))
    }
}
