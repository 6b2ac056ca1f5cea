/// Which budget it is: whose, and which of theirs.
///
/// A request counts on budgets of several owners (its tenant, a team, a key), and on several of one: by window, and
/// those for the paid model or a tag.
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
}
