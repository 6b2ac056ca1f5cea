internal import Foundation
internal import GatewayCore

extension Engine {
    /// A lane in the current batch, with its job.
    struct Taking {
        var work: EngineWork
        var lane: EngineLane
    }

    /// One decode of what the scheduler has chosen.
    func step() {
        context.begin()
        var taking: [Taking] = []
        for portion in scheduler.nextBatch() {
            guard let work = works[portion.job] else { continue }
            let lane = work.lanes[portion.lane]
            add(lane, limit: portion.tokens)
            if lane.inBatch > 0 { taking.append(Taking(work: work, lane: lane)) }
        }
        guard !taking.isEmpty else { return }
        context.wantsHidden = taking.contains { $0.lane.wantsHidden && !$0.lane.outputs.isEmpty }
        let start = now
        do {
            try context.use(taking.first?.work.adapter)
            try context.decode()
        } catch {
            EngineHost.log("a decode of \(context.count) tokens was refused: \(error)")
            return fail(taking)
        }
        status.decodes += 1
        scheduler.note(tokens: context.count, took: now - start)
        // All are told before any of them answers: a job that ends may free what another has in this batch.
        for entry in taking { note(entry) }
        for entry in taking where entry.lane.slot != nil { collect(entry) }
        for work in running { report(work) }
    }

    /// Adds pending tokens of a lane to the batch, with outputs where something is to be read.
    private func add(_ lane: EngineLane, limit: Int) {
        lane.outputs = []
        lane.inBatch = 0
        guard let slot = lane.slot else { return }
        var probes: Set<Int> = []
        var readFrom = Int.max
        if case .probe(let positions) = lane.kind { probes = Set(positions) }
        if case .read(let reader) = lane.kind { readFrom = reader.start }
        while lane.inBatch < min(limit, lane.pending), context.room > 0 {
            let position = slot.tokens.count + lane.inBatch
            let isOutput = position == lane.tokens.count - 1 || position >= readFrom || probes.contains(position)
            // More outputs than reserved would end the process: the rest waits for the next decode.
            if isOutput, context.outputRoom == 0 { return }
            let index = context.add(
                lane.tokens[position], position: position, sequence: slot.sequence, isOutput: isOutput)
            if isOutput { lane.outputs.append((position, index)) }
            lane.inBatch += 1
        }
    }

    private func note(_ entry: Taking) {
        guard let slot = entry.lane.slot else { return }
        let from = slot.tokens.count
        slot.tokens += entry.lane.tokens[from..<(from + entry.lane.inBatch)]
        let isReserved = cells.append(entry.lane.inBatch, to: slot.sequence)
        assert(isReserved, "more cells than were reserved at the admission")
        status.evaluatedTokens += UInt64(entry.lane.inBatch)
        scheduler.charge(entry.work.id, tokens: entry.lane.inBatch)
    }

    /// llama.cpp refused a batch: nothing of these sequences is certain any more.
    private func fail(_ taking: [Taking]) {
        for entry in taking {
            for slot in entry.work.lanes.compactMap(\.slot) {
                trim(slot, to: 0)
                // Some of the batch may be in the cells although it is in no books.
                context.remove(sequence: slot.sequence, from: 0)
            }
            end(entry.work, .failed(.interrupted))
        }
        // Idle ones make way, in case it was for want of cells.
        for slot in slots where !slot.isBusy { free(slot) }
    }

    /// Reads the outputs of a lane.
    private func collect(_ entry: Taking) {
        let lane = entry.lane
        if case .read(let reader) = lane.kind { return collect(entry, reader) }
        if lane.wantsHidden {
            if case .draft = lane.kind { lane.hidden.removeAll(keepingCapacity: true) }
            for output in lane.outputs {
                if let vector = context.hidden(at: output.index) { lane.hidden[output.position] = vector }
            }
        }
        guard lane.pending == 0, let last = lane.outputs.last else { return }
        let scan = context.scan(at: last.index)
        guard !scan.isBad, let logits = context.logits(at: last.index) else {
            return end(entry.work, .failed(.broken("\(options.model) computes no numbers")))
        }
        switch lane.kind {
        case .draft(let draft):
            if draft.made.isEmpty || draft.result != nil { keepTail(lane, at: last.position, logits) }
            if draft.result != nil { return deliver(lane, of: entry.work, draft) }
            advance(lane, of: entry.work, draft, Row(logits: logits, scan: scan))
        case .score:
            keepTail(lane, at: last.position, logits)
            score(lane, of: entry.work, Row(logits: logits, scan: scan))
        case .probe(let positions):
            let rows = positions.compactMap { lane.hidden[$0] }
            guard rows.count == positions.count else { return end(entry.work, .failed(.interrupted)) }
            finish(lane, of: entry.work, .hidden(rows.flatMap { $0 }))
        case .read: break
        }
    }

    private func keepTail(_ lane: EngineLane, at position: Int, _ logits: UnsafePointer<Float>) {
        let row = Array(UnsafeBufferPointer(start: logits, count: model.vocabularySize))
        lane.slot?.keep(EngineSlot.Tail(position: position, logits: row, hidden: lane.hidden[position] ?? []))
    }

    /// A lane is done: its sequence is free for others of the tenant at once.
    func finish(_ lane: EngineLane, of work: EngineWork, _ result: EngineLane.Result) {
        lane.result = result
        release(lane)
        endIfDone(work)
    }
}

/// Logits of one output, and what one pass over them found.
struct Row {
    var logits: UnsafePointer<Float>
    var scan: LogitsScan

    /// Natural logarithm of a token's probability.
    func logProbability(_ token: Int32) -> Float { logits[Int(token)] - scan.logSumExp }
}
