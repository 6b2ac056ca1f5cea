internal import Foundation
internal import GatewayCore

extension Engine {
    /// One decode: a token of everything that generates, and chunks of the prompts.
    func step() {
        context.begin()
        let busy = busy
        for slot in busy {
            slot.outputs = []
            slot.inBatch = 0
        }
        let generating = busy.filter { $0.pending == 1 && isGenerating($0) }
        for slot in generating where context.room > 0 && context.outputRoom > 0 { add(slot, limit: 1) }
        var budget = generating.isEmpty ? context.room : min(options.promptChunk, context.room)
        for slot in busy where slot.inBatch == 0 && budget > 0 {
            add(slot, limit: budget)
            budget -= slot.inBatch
        }
        let taking = busy.filter { $0.inBatch > 0 }
        context.wantsHidden = taking.contains { $0.work?.wantsHidden == true && !$0.outputs.isEmpty }
        do {
            try context.decode()
        } catch {
            return fail(taking)
        }
        decodes += 1
        for slot in taking {
            slot.evaluated += slot.inBatch
            evaluatedTokens += UInt64(slot.inBatch)
            collect(slot)
        }
    }

    private func isGenerating(_ slot: EngineSlot) -> Bool {
        if case .draft(let draft)? = slot.work?.kind { !draft.made.isEmpty } else { false }
    }

    /// Adds pending tokens of a slot to the batch, with outputs where something is to be read.
    private func add(_ slot: EngineSlot, limit: Int) {
        var probes: Set<Int> = []
        if case .probe(let positions)? = slot.work?.kind { probes = Set(positions) }
        while slot.inBatch < limit, slot.inBatch < slot.pending {
            let position = slot.evaluated + slot.inBatch
            let isOutput = position == slot.tokens.count - 1 || probes.contains(position)
            // More outputs than reserved would end the process: the rest waits for the next decode.
            if isOutput, context.outputRoom == 0 { return }
            let index = context.add(
                slot.tokens[position], position: position, sequence: slot.sequence, isOutput: isOutput)
            if isOutput { slot.outputs.append((position, index)) }
            slot.inBatch += 1
        }
    }

    /// llama.cpp refused a batch: nothing of these sequences is certain any more.
    private func fail(_ taking: [EngineSlot]) {
        for slot in taking {
            slot.isOrphaned = true
            slot.evaluated = max(1, slot.evaluated)
            finish(slot, .failed(.interrupted))
        }
        // Idle sessions make way, in case it was for want of cells.
        for slot in slots where slot.work == nil { free(slot) }
    }

    /// Reads the outputs of a slot.
    private func collect(_ slot: EngineSlot) {
        guard let work = slot.work else { return }
        if work.wantsHidden {
            if case .draft = work.kind { work.hidden.removeAll(keepingCapacity: true) }
            for output in slot.outputs {
                if let vector = context.hidden(at: output.index) { work.hidden[output.position] = vector }
            }
        }
        guard slot.pending == 0, let last = slot.outputs.last else { return }
        let scan = context.scan(at: last.index)
        guard !scan.isBad, let logits = context.logits(at: last.index) else {
            return finish(slot, .failed(.broken("\(options.model) computes no numbers")))
        }
        switch work.kind {
        case .draft(let draft):
            if draft.made.isEmpty || draft.result != nil { keepTail(slot, work, at: last.position, logits) }
            if draft.result != nil { return deliver(slot, work, draft) }
            advance(slot, work, draft, logits, scan)
        case .score(let good, let bad):
            keepTail(slot, work, at: last.position, logits)
            finish(slot, score(work, good, bad, logits, scan))
        case .probe(let positions):
            let rows = positions.compactMap { work.hidden[$0] }
            guard rows.count == positions.count else { return finish(slot, .failed(.interrupted)) }
            finish(slot, .hiddenStates, hidden: rows.flatMap { $0 })
        }
    }

    private func keepTail(_ slot: EngineSlot, _ work: EngineWork, at position: Int, _ logits: UnsafePointer<Float>) {
        let row = Array(UnsafeBufferPointer(start: logits, count: model.vocabularySize))
        slot.keep(EngineSlot.Tail(position: position, logits: row, hidden: work.hidden[position] ?? []))
    }

    private func score(
        _ work: EngineWork, _ good: Int32, _ bad: Int32, _ logits: UnsafePointer<Float>, _ scan: LogitsScan
    ) -> HostReply.Body {
        .score(
            good: Double(exp(logits[Int(good)] - scan.logSumExp)), bad: Double(exp(logits[Int(bad)] - scan.logSumExp)),
            promptTokens: work.tokens.count, reusedTokens: work.reused)
    }

    /// Goes on from logits that were kept.
    func advance(_ slot: EngineSlot, from tail: EngineSlot.Tail) {
        guard let work = slot.work else { return }
        work.hidden = [tail.position: tail.hidden]
        tail.logits.withUnsafeBufferPointer { row in
            guard let logits = row.baseAddress else { return }
            let scan = LogitsScan(logits, count: row.count)
            switch work.kind {
            case .draft(let draft): advance(slot, work, draft, logits, scan)
            case .score(let good, let bad): finish(slot, score(work, good, bad, logits, scan))
            case .probe: break
            }
        }
    }

    /// Chooses the next token, and sees whether the step ends with it.
    private func advance(
        _ slot: EngineSlot, _ work: EngineWork, _ draft: Drafting, _ logits: UnsafePointer<Float>, _ scan: LogitsScan
    ) {
        let token = draft.sampler.map { context.sample(logits, with: $0) } ?? scan.best
        guard let token else { return finish(slot, .failed(.broken("\(options.model): nothing to sample"))) }
        if model.endsAnswer(token) { return conclude(slot, work, draft, draft.splitter.finish()) }
        generatedTokens += 1
        draft.made.append(token)
        draft.logProbabilities.append(min(0, logits[Int(token)] - scan.logSumExp))
        slot.tokens.append(token)
        do throws(LocalModelError) {
            var verdict = try draft.splitter.push(model.piece(token))
            if verdict == .more, slot.tokens.count >= work.reservation { verdict = draft.splitter.exhaust() }
            conclude(slot, work, draft, verdict)
        } catch {
            finish(slot, .failed(HostFailure(error)))
        }
    }

    /// Puts the step together; where its hidden state is still missing, its last token is evaluated first.
    private func conclude(_ slot: EngineSlot, _ work: EngineWork, _ draft: Drafting, _ verdict: StepSplitter.Verdict) {
        guard case .ends(let end, let kept, let text) = verdict else { return }
        draft.result = StepDraft(
            text: text, tokens: Array(draft.made.prefix(kept)),
            logProbabilities: Array(draft.logProbabilities.prefix(kept)), hidden: [], end: end,
            promptTokens: work.tokens.count, reusedTokens: work.reused)
        let length = work.tokens.count + kept
        slot.tokens = Array(slot.tokens.prefix(length))
        trim(slot, to: min(slot.evaluated, length))
        guard draft.wantsHidden, work.hidden[length - 1]?.isEmpty != false else { return deliver(slot, work, draft) }
        trim(slot, to: min(slot.evaluated, length - 1))
    }

    private func deliver(_ slot: EngineSlot, _ work: EngineWork, _ draft: Drafting) {
        guard let result = draft.result else { return }
        let hidden = draft.wantsHidden ? work.hidden[slot.tokens.count - 1] ?? [] : []
        finish(slot, .draft(result), hidden: hidden)
    }
}
