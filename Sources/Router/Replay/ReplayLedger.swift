/// The ledger's rule in one process: a hold of the highest possible cost must fit, and is settled by what was billed.
struct ReplayLedger: Hashable, Sendable {
    let limit: Int64
    private(set) var settled: Int64 = 0
    private(set) var held: Int64 = 0
    /// Instants at which more was settled and held than the limit; the rule makes that impossible, and it is counted.
    private(set) var violations = 0

    init(limit: Int64) { self.limit = max(limit, 0) }

    var remaining: Int64 { limit - settled - held }

    /// Holds `most`, or what is left where that is still `useful`, as the gateway does by a smaller bound of tokens.
    /// - Returns: what is held; nil: no call.
    mutating func reserve(most: Int64, useful: Int64) -> Int64? {
        let amount = min(most, remaining)
        guard amount > 0, amount >= min(most, useful) else { return nil }
        held += amount
        if settled + held > limit { violations += 1 }
        return amount
    }

    /// - Returns: what was charged: an answer that would cost more than its hold was cut off at that.
    mutating func settle(hold: Int64, cost: Int64) -> Int64 {
        let charge = min(cost, hold)
        held -= hold
        settled += charge
        if settled + held > limit { violations += 1 }
        return charge
    }
}
