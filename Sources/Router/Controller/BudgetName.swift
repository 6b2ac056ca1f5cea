/// Which budget an outcome tells of: whose it is, and which of theirs.
///
/// Budgets of one owner (a tenant, a team, a key) by model, tag or window limit the same requests, those of different
/// owners different ones.
struct BudgetName: Hashable, Sendable {
    var owner: String
    /// Of the owner's: the model or tag that it is for, and the kind of its periods.
    var budget: String
    /// Such as month:2026-11.
    var period: String?

    /// - Parameter scope: as the ledger has it, such as "key:17" or "tenant:acme model:gpt-*"; nil: the only budget.
    init(scope: String?, period: String?) {
        let scope = scope ?? ""
        owner = String(scope.prefix { $0 != " " })
        budget = String(scope.dropFirst(owner.count)) + (period.map { PeriodKind($0).shape } ?? "")
        self.period = period
    }

    init(_ outcome: RouterState.Outcome) { self.init(scope: outcome.budget, period: outcome.period) }
}
