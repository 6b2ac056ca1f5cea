extension EngineScheduler {
    /// What one tenant still has for the decode that is being put together.
    private struct Offer {
        var name: Int64
        var weight: Int
        var served: Int
        /// Lanes with one token, then lanes with prompts; oldest jobs first.
        var generating: ArraySlice<Portion>
        var prompts: ArraySlice<Portion>
    }

    /// Tokens for the next decode: empty only where no lane has any.
    ///
    /// What generates goes first within a tenant, oldest job first: where a tenant's share is small, its oldest
    /// answers get done instead of all of them crawling.
    mutating func nextBatch() -> [Portion] {
        let groups = offersByGroup()
        guard let least = groups.values.joined().map(\.served).min(), let next = nextGroup(groups),
            var offers = groups[next]
        else { return [] }
        virtualNow = max(virtualNow, least)
        take(turn: next)
        let lead = limits.lead * Self.scale / (offers.map(\.weight).max() ?? 1)
        var room = limits.batchTokens
        // Those whose turn it is not wait for this decode as well.
        let isGenerating = groups.values.joined().contains { !$0.generating.isEmpty }
        var promptRoom = isGenerating ? min(limits.promptChunk, room) : room
        var taken: [Portion] = []
        while room > 0, let floor = offers.map(\.served).min() {
            let next = offers.indices.filter { index in
                let offer = offers[index]
                return offer.served <= floor + lead
                    && (!offer.generating.isEmpty || promptRoom > 0 && !offer.prompts.isEmpty)
            }.min { (offers[$0].served, offers[$0].name) < (offers[$1].served, offers[$1].name) }
            guard let next else { break }
            let portion = take(&offers[next], room: min(room, promptRoom), grain: offers.count > 1)
            if !portion.isGenerating { promptRoom -= portion.tokens }
            room -= portion.tokens
            add(portion, to: &taken)
        }
        return taken
    }

    /// The group whose turn it is: the last one for a few decodes, then the one with the least served tenant.
    private func nextGroup(_ groups: [Int64: [Offer]]) -> Int64? {
        if groups[group] != nil, turn < limits.turn || groups.count == 1 { return group }
        return groups.filter { $0.key != group }.min { a, b in
            (a.value.map(\.served).min() ?? 0, a.key) < (b.value.map(\.served).min() ?? 0, b.key)
        }?.key
    }

    private func offersByGroup() -> [Int64: [Offer]] {
        var groups: [Int64: [Offer]] = [:]
        for (name, tenant) in tenants {
            var offers: [Int64: Offer] = [:]
            for id in tenant.running {
                guard let entry = entry(id) else { continue }
                for (index, lane) in entry.lanes.enumerated() where lane.pending > 0 {
                    let portion = Portion(job: id, lane: index, tokens: lane.pending)
                    let new = Offer(
                        name: name, weight: tenant.weight, served: tenant.served, generating: [], prompts: [])
                    if lane.isGenerating {
                        offers[entry.job.group, default: new].generating.append(portion)
                    } else {
                        offers[entry.job.group, default: new].prompts.append(portion)
                    }
                }
            }
            for (group, offer) in offers { groups[group, default: []].append(offer) }
        }
        return groups
    }

    private struct Piece {
        var portion: Portion
        var isGenerating: Bool
        var tokens: Int { portion.tokens }
    }

    /// The next token, or the next tokens of a prompt, of one tenant.
    private func take(_ offer: inout Offer, room: Int, grain: Bool) -> Piece {
        var portion: Portion
        let isGenerating = !offer.generating.isEmpty
        if isGenerating {
            portion = offer.generating.removeFirst()
            portion.tokens = 1
        } else {
            portion = offer.prompts[offer.prompts.startIndex]
            let tokens = min(portion.tokens, room, grain ? limits.grain : room)
            offer.prompts[offer.prompts.startIndex].tokens -= tokens
            if tokens == portion.tokens { offer.prompts.removeFirst() }
            portion.tokens = tokens
        }
        offer.served += portion.tokens * Self.scale / offer.weight
        return Piece(portion: portion, isGenerating: isGenerating)
    }

    private func add(_ piece: Piece, to taken: inout [Portion]) {
        let portion = piece.portion
        if !piece.isGenerating,
            let index = taken.firstIndex(where: { $0.job == portion.job && $0.lane == portion.lane })
        {
            taken[index].tokens += portion.tokens
        } else {
            taken.append(portion)
        }
    }
}
