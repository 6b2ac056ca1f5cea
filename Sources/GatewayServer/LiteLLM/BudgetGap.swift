package import Ledger

/// Calls that nothing is paid for, since no budget of the tenant's own counts them: a team's or a key's will not do.
package struct BudgetGap: Hashable, Sendable {
    /// "has no budget of its own: no paid call".
    package var reason: String
    /// The command that ends it.
    package var remedy: String

    /// nil: the tenant's budgets cover every call.
    package init?(_ budgets: [BudgetInfo], of tenant: String) {
        // What caps single requests is no budget that they count on.
        let own = budgets.filter { $0.teamID == nil && $0.keyID == nil && $0.window != .request }
        let coversAll = own.contains { $0.tag == nil && ($0.model ?? "").allSatisfy { $0 == "*" } }
        guard !coversAll else { return nil }
        let covered = Set(own.map { ($0.model ?? "any model") + ($0.tag.map { " tagged \($0)" } ?? "") })
        reason =
            covered.isEmpty
            ? "has no budget of its own: no paid call"
            : "has budgets of its own for \(covered.sorted().joined(separator: ", ")) only: no other paid call"
        remedy = "gboost budget set --tenant \(tenant) --limit-usd AMOUNT"
    }

    /// Both in one sentence.
    package var text: String { "\(reason) until \(remedy)" }
}
