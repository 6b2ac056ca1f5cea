internal import Foundation
internal import GatewayCore

/// From logits to answers.
extension Engine {
    /// Goes on from logits that were kept.
    func advance(_ lane: EngineLane, of work: EngineWork, from tail: EngineSlot.Tail) {
        lane.hidden = [tail.position: tail.hidden]
        tail.logits.withUnsafeBufferPointer { buffer in
            guard let logits = buffer.baseAddress else { return }
            let row = Row(logits: logits, scan: LogitsScan(logits, count: buffer.count))
            switch lane.kind {
            case .draft(let draft): advance(lane, of: work, draft, row)
            case .score: score(lane, of: work, row)
            case .probe, .read: break
            }
        }
    }

    func score(_ lane: EngineLane, of work: EngineWork, _ row: Row) {
        guard case .score(let good, let bad) = lane.kind else { return }
        let score = TokenScore(
            good: Double(exp(row.logProbability(good))), bad: Double(exp(row.logProbability(bad))),
            promptTokens: lane.promptCount, reusedTokens: lane.reused ?? 0)
        finish(lane, of: work, .score(score))
    }

    /// Chooses the next token, and sees whether the step ends with it.
    func advance(_ lane: EngineLane, of work: EngineWork, _ draft: Drafting, _ row: Row) {
        if let verdict = draft.dictation { return answer(lane, of: work, draft, verdict, row) }
        guard let token = context.sample(row.logits, best: row.scan.best, with: draft.sampler) else {
            return end(work, .failed(.broken("\(options.model): no token can be chosen")))
        }
        if model.endsAnswer(token) { return conclude(lane, of: work, draft, draft.splitter.finish()) }
        status.generatedTokens += 1
        draft.made.append(token)
        draft.logProbabilities.append(min(0, row.logProbability(token)))
        lane.tokens.append(token)
        do throws(LocalModelError) {
            var verdict = try draft.splitter.push(model.piece(token))
            if verdict == .more, lane.tokens.count >= lane.reservation { verdict = draft.splitter.exhaust() }
            if verdict == .more { stream(work, draft) }
            conclude(lane, of: work, draft, verdict)
        } catch {
            end(work, .failed(HostFailure(error)))
        }
    }

    /// Sends what of a draft's text is certain: whole characters, nothing that a stop string may yet take back.
    private func stream(_ work: EngineWork, _ draft: Drafting) {
        guard draft.isStreamed else { return }
        let settled = draft.splitter.settled
        guard settled.count > draft.sent.drafted else { return }
        let text = String(decoding: settled.dropFirst(draft.sent.drafted), as: UTF8.self)
        draft.sent.drafted = settled.count
        draft.sent.text += text.utf8.count
        work.job.reply(.text(text), [])
    }

    /// Sends the end of a streamed draft's text.
    private func streamRest(of text: String, _ work: EngineWork, _ draft: Drafting) {
        guard draft.isStreamed, text.utf8.count > draft.sent.text else { return }
        work.job.reply(.text(String(decoding: text.utf8.dropFirst(draft.sent.text), as: UTF8.self)), [])
    }

    /// Puts the step together; where its hidden state is still missing, its last token is evaluated first.
    func conclude(
        _ lane: EngineLane, of work: EngineWork, _ draft: Drafting, _ verdict: StepSplitter.Verdict
    ) {
        guard case .ends(let end, let kept, let text) = verdict, let slot = lane.slot else { return }
        streamRest(of: text, work, draft)
        draft.result = StepDraft(
            text: text, tokens: Array(draft.made.prefix(kept)),
            logProbabilities: Array(draft.logProbabilities.prefix(kept)), hidden: [], end: end,
            promptTokens: lane.promptCount, reusedTokens: lane.reused ?? 0)
        draft.result?.stop = draft.splitter.stop
        let length = lane.promptCount + kept
        lane.tokens = Array(lane.tokens.prefix(length))
        trim(slot, to: length)
        guard draft.wantsHidden, lane.hidden[length - 1]?.isEmpty != false else {
            return deliver(lane, of: work, draft)
        }
        trim(slot, to: length - 1)
    }

    func deliver(_ lane: EngineLane, of work: EngineWork, _ draft: Drafting) {
        guard let result = draft.result else { return }
        let hidden = draft.wantsHidden ? lane.hidden[lane.tokens.count - 1] ?? [] : []
        finish(lane, of: work, .draft(result, hidden: hidden))
    }
}
