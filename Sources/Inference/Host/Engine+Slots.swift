internal import Foundation
internal import GatewayCore

/// Sequences: who gets which, and what is kept of them.
extension Engine {
    /// Sequences whose logits are kept at the places where drafts began and ended: a row is as wide as the
    /// vocabulary.
    static let maxTailed = 24

    /// A common beginning of fewer tokens is evaluated by each lane: to wait a decode for it would cost more.
    static let minShared = 4

    /// Gives sequences to lanes that are ready for one.
    func attachLanes() {
        for work in running { attachLanes(of: work) }
    }

    /// The first lane at once; the others when it has evaluated what all begin with.
    func attachLanes(of work: EngineWork) {
        // Attaching may end the job, where a draft goes on from what is kept: nothing would release its lanes then.
        while works[work.id] === work, let lead = work.lead {
            let rest = work.common - (lead.slot?.tokens.count ?? 0)
            let next = work.lanes.first { lane in
                let isReady = rest <= (work.common < lane.tokens.count ? Self.minShared : 0)
                return lane.slot == nil && lane.result == nil && (lane === lead || isReady)
            }
            guard let next else { break }
            attach(next, of: work)
        }
        report(work)
    }

    /// Tells the scheduler how far a job is.
    func report(_ work: EngineWork) {
        let othersWait = work.lanes.contains { $0.slot == nil && $0.result == nil }
        scheduler.update(
            work.id,
            lanes: work.lanes.map { lane in
                guard lane.result == nil else { return .init() }
                var pending = lane.pending
                let rest = work.common - (lane.slot?.tokens.count ?? 0)
                // With a window, the others can go on only from where the lead stands, not from where it was.
                if model.window > 0, othersWait, rest > 0 { pending = min(pending, rest) }
                return .init(pending: pending, isGenerating: lane.isGenerating)
            })
    }

    /// Finds the longest beginning that the tenant has evaluated, and a sequence to go on in.
    private func attach(_ lane: EngineLane, of work: EngineWork) {
        let source = slots.filter { $0.tenant == work.tenant && $0.group == work.group && !$0.tokens.isEmpty }
            .map { (slot: $0, length: usable($0, for: lane)) }
            .filter { $0.length > 0 }
            .max { ($0.length, $0.slot.lastUsed) < ($1.length, $1.slot.lastUsed) }
        guard let target = target(for: source?.slot, length: source?.length ?? 0) else { return }
        if let source, source.slot !== target {
            touch(source.slot)
            context.share(from: source.slot.sequence, to: target.sequence, length: source.length)
            cells.share(from: source.slot.sequence, to: target.sequence, length: source.length)
            target.copy(source.slot, length: source.length)
        }
        target.tenant = work.tenant
        target.session = work.session
        target.group = work.group
        target.isBusy = true
        cells.setBusy(target.sequence, true)
        trim(target, to: source?.length ?? 0)
        touch(target)
        lane.slot = target
        if lane.reused == nil { count(reused: target.tokens.count, lane) }
        if lane.pending == 0, let tail = target.tail(at: target.tokens.count - 1) {
            advance(lane, of: work, from: tail)
        }
    }

    private func count(reused: Int, _ lane: EngineLane) {
        lane.reused = reused
        status.prefixLookups += 1
        status.prefixHits += reused > 0 ? 1 : 0
        status.reusedTokens += UInt64(reused)
    }

    /// How many tokens of a sequence a lane can go on from.
    private func usable(_ slot: EngineSlot, for lane: EngineLane) -> Int {
        var common = slot.sharedPrefix(with: lane.tokens)
        // A model without parts has but the state behind the last token.
        if !model.hasParts, common < slot.tokens.count { return 0 }
        // Hidden states are not kept: what is asked for is evaluated again.
        if case .probe(let positions) = lane.kind { common = min(common, positions.first ?? common) }
        if case .read(let reader) = lane.kind { common = min(common, reader.start) }
        if common == lane.tokens.count {
            let tail = slot.tail(at: common - 1)
            if tail == nil || (lane.wantsHidden && tail?.hidden.isEmpty == true) { common -= 1 }
        }
        if !model.hasParts, common < slot.tokens.count { return 0 }
        return slot.hasWindow(model.window, before: common) ? common : 0
    }

    /// The sequence to go on in: the source itself where nobody needs it as it is, else an empty one, or one that
    /// makes way.
    private func target(for source: EngineSlot?, length: Int) -> EngineSlot? {
        if let source, !source.isBusy, source.tokens.count == length { return source }
        if let empty = slots.first(where: { !$0.isBusy && $0.tenant == nil }) { return empty }
        if let idle = leastNeeded(except: source, by: { _ in 1 }) {
            free(idle)
            return idle
        }
        return source.flatMap { $0.isBusy ? nil : $0 }
    }

    /// Takes a lane's sequence away; its tokens stay for whoever of the tenant needs them.
    func release(_ lane: EngineLane) {
        guard let slot = lane.slot else { return }
        lane.slot = nil
        slot.isBusy = false
        cells.setBusy(slot.sequence, false)
        touch(slot)
        if slot.tokens.isEmpty { free(slot) }
        dropOldTails()
    }

    /// Makes sure that all running jobs can come to use what they have reserved: idle sequences make way.
    func makeRoom() {
        while scheduler.cellsInUse + cells.idle > context.totalCells,
            let idle = leastNeeded(except: nil, by: { $0.tokens.count })
        {
            free(idle)
        }
    }

    /// The idle sequence to give up: of the tenant that keeps the most, the one that was not used for longest. So
    /// one that floods loses its own prefixes, not those of others.
    private func leastNeeded(except kept: EngineSlot?, by size: (EngineSlot) -> Int) -> EngineSlot? {
        let idle = slots.filter { !$0.isBusy && $0.tenant != nil }
        let holdings = Dictionary(grouping: idle, by: \.tenant).mapValues { $0.reduce(0) { $0 + size($1) } }
        return idle.filter { $0 !== kept }.min { a, b in
            let (sizeA, sizeB) = (holdings[a.tenant] ?? 0, holdings[b.tenant] ?? 0)
            return sizeA == sizeB ? a.lastUsed < b.lastUsed : sizeA > sizeB
        }
    }

    /// Keeps the first `length` evaluated tokens of a sequence.
    func trim(_ slot: EngineSlot, to length: Int) {
        guard slot.tokens.count > length else { return }
        // A model that cannot forget a part of a sequence starts it anew.
        let kept = length > 0 && context.remove(sequence: slot.sequence, from: length) ? length : 0
        if kept == 0 { context.remove(sequence: slot.sequence, from: 0) }
        cells.truncate(slot.sequence, to: kept)
        slot.truncate(to: kept)
    }

    func free(_ slot: EngineSlot) {
        trim(slot, to: 0)
        slot.tenant = nil
        slot.session = nil
    }

    private func dropOldTails() {
        let tailed = slots.filter { !$0.tails.isEmpty }
        guard tailed.count > Self.maxTailed else { return }
        tailed.filter { !$0.isBusy }.min { $0.lastUsed < $1.lastUsed }?.dropTails()
    }
}
