internal import Foundation
package import GatewayCore
internal import Postgres

/// A limit of a budget for the periods that begin within a span of days.
package struct BudgetOverride: Sendable, Codable, Hashable {
    package var id: Int64
    /// "2026-12-01": periods that begin on this day or later.
    package var from: String
    /// "2027-01-01": periods that begin before this day.
    package var until: String
    package var limit: NanoUSD

    /// One that has its number.
    package init(id: Int64, from: String, until: String, limit: NanoUSD) {
        self.id = id
        self.from = from
        self.until = until
        self.limit = limit
    }
}

extension AdminStore {
    /// Gives a budget another limit for the periods that begin in a span of days, the open one included. Of several
    /// that cover a day the newest counts.
    /// - Parameters:
    ///   - draft: names the budget; its limit is the override's.
    ///   - from: first day, "2026-12-01".
    ///   - until: first day after it.
    /// - Returns: the budget as it is now, and the override's number.
    package func overrideBudget(
        _ draft: BudgetDraft, from: String, until: String
    ) async throws(LedgerError) -> (budget: BudgetInfo, override: Int64) {
        try Self.checkDay(from, field: "from")
        try Self.checkDay(until, field: "until")
        guard from < until else { throw LedgerError(.invalid, field: "until", "must be after \(from)") }
        guard draft.limit >= .zero else { throw LedgerError(.invalid, field: "limit-usd", "is negative") }
        guard draft.window != .total, draft.window != .request else {
            throw LedgerError(.invalid, field: "window", "a \(draft.window.rawValue) budget has no dates")
        }
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            let before = try await existing(draft, tenant, transaction)
            try await openPeriod(of: before, transaction)
            let rows = try await transaction.query(
                """
                insert into budget_overrides (budget_id, from_day, until_day, limit_n)
                values (\(before.id), \(from)::date, \(until)::date, \(draft.limit.rawValue)) returning id
                """
            ).rows
            guard let id = try rows.first?.get("id", as: Int64.self) else {
                throw LedgerError(.notFound, field: "budget", "it is gone")
            }
            try await requireRange(of: before, field: "limit-usd", transaction)
            return (try await refreshed(before, "budget.override", tenant, transaction), id)
        }
    }

    /// Takes an override back: open periods have the budget's own limit again, those that are over stay as they were.
    package func removeOverride(_ id: Int64, of draft: BudgetDraft) async throws(LedgerError) -> BudgetInfo {
        try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            let before = try await existing(draft, tenant, transaction)
            try await openPeriod(of: before, transaction)
            let rows = try await transaction.query(
                """
                update budget_overrides set removed_at = now()
                where id = \(id) and budget_id = \(before.id) and removed_at is null returning id
                """
            ).rows
            guard !rows.isEmpty else {
                throw LedgerError(.notFound, field: "override", "this budget has no override \(id)")
            }
            try await requireRange(of: before, field: "override", transaction)
            return try await refreshed(before, "budget.override.remove", tenant, transaction)
        }
    }

    /// A budget's overrides, the newest last.
    package func overrides(of draft: BudgetDraft) async throws(LedgerError) -> [BudgetOverride] {
        try await reading { transaction in
            let tenant = try await self.tenant(draft.tenant, transaction)
            let budget = try await existing(draft, tenant, transaction)
            return try await transaction.query(
                """
                select id, from_day::text as first, until_day::text as last, limit_n from budget_overrides
                where budget_id = \(budget.id) and removed_at is null order by id
                """
            ).rows.map { row in
                BudgetOverride(
                    id: try row.get("id"), from: try row.get("first"), until: try row.get("last"),
                    limit: NanoUSD(try row.get("limit_n")))
            }
        }
    }

    private func refreshed(
        _ before: BudgetInfo, _ action: String, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> BudgetInfo {
        _ = try await transaction.query("select gboost_refresh_periods(\(before.id), now())")
        let after = try await budget(before.id, transaction)
        try await note(action, (after.state.scope, tenant.id), before: before, after: after, transaction)
        return after
    }

    private static func checkDay(_ text: String, field: String) throws(LedgerError) {
        let wrong = LedgerError(.invalid, field: field, "\(text) is not a day like 2026-12-01")
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        // Digits alone: `Int` takes a sign, and what the database would make of one is nobody's wish.
        guard parts.map(\.utf8.count) == [4, 2, 2],
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), year >= 1970
        else { throw wrong }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        guard DateComponents(calendar: calendar, year: year, month: month, day: day).isValidDate else { throw wrong }
    }
}
