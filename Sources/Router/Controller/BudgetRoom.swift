/// What was left of one of the budgets that limited a request.
package struct BudgetRoom: Hashable, Sendable, Codable {
    /// Whose budget it is, and for what, as the ledger has it: "key:17", "tenant:acme model:gpt-*"; nil: the only one.
    package var scope: String?
    /// Such as month:2026-11; nil: there is only one.
    package var period: String?
    /// In USD.
    package var remaining: Double
    /// Which share of the period has passed.
    package var elapsed: Double

    package init(scope: String? = nil, period: String? = nil, remaining: Double, elapsed: Double) {
        self.scope = scope
        self.period = period
        self.remaining = remaining
        self.elapsed = elapsed
    }

    var name: BudgetName { BudgetName(scope: scope, period: period) }
}

extension RouterState.Outcome {
    /// All budgets that are known to have limited the request.
    var allRooms: [BudgetRoom] {
        rooms ?? remaining.map { [BudgetRoom(period: period, remaining: $0, elapsed: elapsed)] } ?? []
    }
}
