package import GatewayCore
internal import Postgres

/// How long a budget's period is, in the budget's time zone. Weeks begin on Monday.
package enum BudgetWindow: String, Sendable, Codable, CaseIterable { case day, week, month }

/// What a budget is for.
package enum BudgetScope: Sendable, Hashable {
    case tenant
    case team(String)
    case key(Int64)
}

/// What a budget is to be.
package struct BudgetDraft: Sendable {
    package var tenant: String
    package var scope: BudgetScope
    package var window: BudgetWindow
    package var limit: NanoUSD
    /// Percent of the limit at which to alert; nil leaves it as it is.
    package var alertAt: [Int]?
    /// Nil leaves it as it is, at first the tenant's.
    package var timeZone: String?
    package init(
        tenant: String, scope: BudgetScope = .tenant, window: BudgetWindow = .month, limit: NanoUSD,
        alertAt: [Int]? = nil, timeZone: String? = nil
    ) {
        self.tenant = tenant
        self.scope = scope
        self.window = window
        self.limit = limit
        self.alertAt = alertAt
        self.timeZone = timeZone
    }
}

/// A budget with its current period.
package struct BudgetInfo: Sendable, Codable, Hashable {
    package var id: Int64
    package var window: BudgetWindow
    /// What the operator set, for every period.
    package var limit: NanoUSD
    /// What was added to the current period only.
    package var topUp: NanoUSD
    package var alertAt: [Int]
    /// The budget's own; nil: the tenant's.
    package var timeZone: String?
    /// Now. Its limit is the cap in force: never below what is settled and held.
    package var state: BudgetState

    init(_ row: PostgresRow) throws {
        id = try row.get("id")
        let cycle = try row.get("cycle", as: String.self)
        guard let window = BudgetWindow(rawValue: cycle) else { throw PostgresError(.decoding, "window \(cycle)") }
        self.window = window
        limit = NanoUSD(try row.get("limit_n"))
        topUp = NanoUSD(try row.get("topup"))
        alertAt = try row.get("thresholds", as: [Int16].self).map { Int($0) }
        timeZone = try row.getOptional("time_zone")
        state = try LedgerStatements.budget(row)
    }
}

extension AdminStore {
    /// Sets a limit. It holds at once, for the open period too, but never takes back what is settled or held.
    package func setBudget(_ draft: BudgetDraft) async throws(LedgerError) -> BudgetInfo {
        try Self.check(draft)
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            if let zone = draft.timeZone { try await requireTimeZone(zone, transaction) }
            let scope = try await resolve(draft.scope, tenant, transaction)
            if let id = try await budgetID(tenant, scope, draft.window, transaction) {
                let before = try await budget(id, transaction)
                _ = try await transaction.query(
                    """
                    update budgets set thresholds = coalesce(\(optional: draft.alertAt?.map { Int16($0) }), thresholds),
                      time_zone = coalesce(\(optional: draft.timeZone), time_zone)
                    where id = \(id)
                    """)
                _ = try await transaction.query("select gboost_set_limit(\(id), \(draft.limit.rawValue))")
                let after = try await budget(id, transaction)
                try await note(
                    "budget.set", after.state.scope, tenantID: tenant.id, before: before, after: after, transaction)
                return after
            }
            let rows = try await transaction.query(
                """
                insert into budgets (tenant_id, team_id, key_id, cycle, limit_n, thresholds, time_zone)
                values (\(tenant.id), \(optional: scope.team), \(optional: scope.key), \(draft.window.rawValue),
                  \(draft.limit.rawValue), \((draft.alertAt ?? []).map { Int16($0) }), \(optional: draft.timeZone))
                returning id
                """
            ).rows
            guard let id = try rows.first?.get("id", as: Int64.self) else {
                throw LedgerError(.database, "no budget was made")
            }
            let after = try await budget(id, transaction)
            try await note("budget.set", after.state.scope, tenantID: tenant.id, after: after, transaction)
            return after
        }
    }

    /// Adds to the current period only. The draft's `limit` is the amount to add.
    package func topUpBudget(_ draft: BudgetDraft) async throws(LedgerError) -> BudgetInfo {
        guard draft.limit > .zero else { throw LedgerError(.invalid, field: "amount-usd", "must be positive") }
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            let scope = try await resolve(draft.scope, tenant, transaction)
            guard let id = try await budgetID(tenant, scope, draft.window, transaction) else {
                throw LedgerError(.notFound, field: "budget", "there is no such budget: set it first")
            }
            let before = try await budget(id, transaction)
            guard before.state.limit.adding(draft.limit) != nil else {
                throw LedgerError(.invalid, field: "amount-usd", "is too large")
            }
            _ = try await transaction.query("select gboost_top_up(\(id), \(draft.limit.rawValue))")
            let after = try await budget(id, transaction)
            try await note(
                "budget.top-up", after.state.scope, tenantID: tenant.id, before: before, after: after, transaction)
            return after
        }
    }

    /// A tenant's budgets, each with its current period.
    package func budgets(tenant: String) async throws(LedgerError) -> [BudgetInfo] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            return try await transaction.query(
                """
                \(unescaped: Self.budgetColumns) where b.tenant_id = \(owner.id)
                order by b.team_id nulls first, b.key_id nulls first, b.id
                """
            ).rows.map { try BudgetInfo($0) }
        }
    }

    // MARK: -

    private static let budgetColumns = """
        select b.id, b.cycle, b.limit_n, b.thresholds, b.time_zone, a.scope, a.period, a.resets_at,
          coalesce(p.topup, 0) as topup, coalesce(p.lim, b.limit_n) as lim, coalesce(p.settled, 0) as settled,
          coalesce(p.held, 0) as held
        from budgets b
        join lateral gboost_applying(b.tenant_id, b.team_id, b.key_id, now()) a on a.budget_id = b.id
        left join budget_periods p on p.id = a.period_id
        """

    private static func check(_ draft: BudgetDraft) throws(LedgerError) {
        guard draft.limit >= .zero else { throw LedgerError(.invalid, field: "limit-usd", "is negative") }
        for percent in draft.alertAt ?? [] where !(1...100).contains(percent) {
            throw LedgerError(.invalid, field: "alert-at", "\(percent) is not a percentage from 1 to 100")
        }
    }

    private func budget(_ id: Int64, _ transaction: PostgresTransaction) async throws -> BudgetInfo {
        let rows = try await transaction.query("\(unescaped: Self.budgetColumns) where b.id = \(id)").rows
        guard let row = rows.first else { throw LedgerError(.notFound, field: "budget", "it is gone") }
        return try BudgetInfo(row)
    }

    private func budgetID(
        _ tenant: TenantInfo, _ scope: (team: Int64?, key: Int64?), _ window: BudgetWindow,
        _ transaction: PostgresTransaction
    ) async throws -> Int64? {
        let rows = try await transaction.query(
            """
            select id from budgets where tenant_id = \(tenant.id) and cycle = \(window.rawValue)
              and team_id is not distinct from \(optional: scope.team)
              and key_id is not distinct from \(optional: scope.key)
            """
        ).rows
        return try rows.first?.get("id")
    }

    private func resolve(
        _ scope: BudgetScope, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> (team: Int64?, key: Int64?) {
        switch scope {
        case .tenant: return (nil, nil)
        case .team(let name): return (try await teamID(name, tenant: tenant, transaction), nil)
        case .key(let id):
            let rows = try await transaction.query(
                "select id from api_keys where id = \(id) and tenant_id = \(tenant.id)"
            ).rows
            guard !rows.isEmpty else { throw LedgerError(.notFound, field: "key", "\(tenant.name) has no key \(id)") }
            return (nil, id)
        }
    }
}
