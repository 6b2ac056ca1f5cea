package import GatewayCore
internal import Postgres

/// How long a budget's period is, in the budget's time zone; `total` never ends, `request` is each request by itself.
package enum BudgetWindow: String, Sendable, Codable, CaseIterable { case day, week, month, quarter, total, request }

/// What a budget is for.
package enum BudgetScope: Sendable, Hashable {
    case tenant
    case team(String)
    case key(Int64)
}

/// What a budget passes on to the next period.
package enum BudgetRollover: Sendable, Hashable {
    case none
    /// What was left, at most this much.
    case upTo(NanoUSD)
}

/// What a budget is to be.
package struct BudgetDraft: Sendable {
    package var tenant: String
    package var scope: BudgetScope
    /// Only paid models that match count, e.g. "openai/gpt-4*"; nil: every one.
    package var model: String?
    /// Only requests with this tag count; nil: every one.
    package var tag: String?
    package var window: BudgetWindow
    package var limit: NanoUSD
    /// Percent of the limit at which to alert; nil leaves it as it is.
    package var alertAt: [Int]?
    /// Nil leaves it as it is, at first the tenant's.
    package var timeZone: String?
    /// First day of the week, 1 (Monday) to 7; nil leaves it as it is, at first Monday.
    package var weekStart: Int?
    /// Nil leaves it as it is, at first none.
    package var rollover: BudgetRollover?
    package init(
        tenant: String, scope: BudgetScope = .tenant, model: String? = nil, tag: String? = nil,
        window: BudgetWindow = .month, limit: NanoUSD, alertAt: [Int]? = nil, timeZone: String? = nil,
        weekStart: Int? = nil, rollover: BudgetRollover? = nil
    ) {
        self.tenant = tenant
        self.scope = scope
        self.model = model
        self.tag = tag
        self.window = window
        self.limit = limit
        self.alertAt = alertAt
        self.timeZone = timeZone
        self.weekStart = weekStart
        self.rollover = rollover
    }
}

/// A budget with its current period.
package struct BudgetInfo: Sendable, Codable, Hashable {
    package var id: Int64
    package var teamID: Int64?
    package var keyID: Int64?
    package var model: String?
    package var tag: String?
    package var window: BudgetWindow
    /// What the operator set, for every period without an override.
    package var limit: NanoUSD
    /// What was added to the current period only.
    package var topUp: NanoUSD
    /// What the periods before passed on, or would if this one were opened now; negative: spent before the periods were
    /// cut anew.
    package var carried: NanoUSD
    /// The current period's limit: the operator's, or its override's, with what was added, carried and passed on.
    package var periodLimit: NanoUSD
    /// How far settled and held lie above that: the limit was lowered, or calls cost more than was held for them.
    package var overBy: NanoUSD
    package var alertAt: [Int]
    /// The highest percentage that was told of in this period and is reached at the current limit; 0 for none.
    package var alerted: Int
    /// The budget's own; nil: the tenant's.
    package var timeZone: String?
    package var weekStart: Int
    /// The most that a period passes on; nil: nothing.
    package var rolloverUpTo: NanoUSD?
    /// Now. Its limit is the cap in force: never below what is settled and held.
    package var state: BudgetState

    init(_ row: PostgresRow) throws {
        id = try row.get("id")
        teamID = try row.getOptional("team_id")
        keyID = try row.getOptional("key_id")
        model = try row.getOptional("model_pattern")
        tag = try row.getOptional("tag")
        let cycle = try row.get("cycle", as: String.self)
        guard let window = BudgetWindow(rawValue: cycle) else { throw PostgresError(.decoding, "window \(cycle)") }
        self.window = window
        limit = NanoUSD(try row.get("limit_n"))
        topUp = NanoUSD(try row.get("topup"))
        carried = NanoUSD(try row.get("carried"))
        let target = NanoUSD(try row.get("target"))
        periodLimit = target
        alertAt = try row.get("thresholds", as: [Int16].self).map { Int($0) }
        alerted = Int(try row.get("alerted", as: Int16.self))
        timeZone = try row.getOptional("time_zone")
        weekStart = Int(try row.get("week_start", as: Int16.self))
        rolloverUpTo = try row.getOptional("rollover_n", as: Int64.self).map { NanoUSD($0) }
        state = try LedgerStatements.budget(row)
        overBy = max(.zero, state.settled.adding(state.held)?.subtracting(target) ?? .zero)
    }
}

extension AdminStore {
    /// Sets a limit. It holds at once, for the open period too, but never takes back what is settled or held.
    package func setBudget(_ draft: BudgetDraft) async throws(LedgerError) -> BudgetInfo {
        guard case .budget(let info)? = try await setCaps([.budget(draft)]).first else {
            throw LedgerError(.database, "no budget was made")
        }
        return info
    }

    /// Takes a budget away: calls are no longer tested against it. Its history stays.
    @discardableResult
    package func removeBudget(_ draft: BudgetDraft) async throws(LedgerError) -> BudgetInfo {
        guard case .budget(let info)? = try await removeCaps([.budget(draft)]).first else {
            throw LedgerError(.database, "no budget was taken away")
        }
        return info
    }

    /// Adds to the current period only. The draft's `limit` is the amount to add.
    package func topUpBudget(_ draft: BudgetDraft) async throws(LedgerError) -> BudgetInfo {
        guard draft.limit > .zero else { throw LedgerError(.invalid, field: "amount-usd", "must be positive") }
        guard draft.window != .request else {
            throw LedgerError(.invalid, field: "window", "a ceiling of single requests has no period to add to")
        }
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            let before = try await existing(draft, tenant, transaction)
            try await openPeriod(of: before, transaction)
            try await requireRange(of: before, adding: draft.limit, field: "amount-usd", transaction)
            _ = try await transaction.query("select gboost_top_up(\(before.id), \(draft.limit.rawValue))")
            let after = try await budget(before.id, transaction)
            try await note(
                "budget.top-up", (after.state.scope, tenant.id), before: before, after: after, transaction)
            return after
        }
    }

    /// A tenant's budgets, each with its current period: its own, then those of keys, then those of teams.
    /// - Parameters:
    ///   - after: the number of the last one already seen.
    ///   - limit: how many at most; nil is all.
    package func budgets(
        tenant: String, after: Int64 = 0, limit: Int? = nil
    ) async throws(LedgerError) -> [BudgetInfo] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            if after > 0 {
                // One that was taken away meanwhile is still where the next page begins.
                try await requireMark(
                    "select id from budgets where id = \(after) and tenant_id = \(owner.id)", transaction)
            }
            // They are chosen first, so that what they would carry over is reckoned of these alone.
            return try await transaction.query(
                """
                \(unescaped: Self.budgetColumns) where b.tenant_id = \(owner.id) and b.unit = 'usd' and b.id in (
                  select x.id from budgets x
                  where x.tenant_id = \(owner.id) and x.unit = 'usd' and x.removed_at is null
                    and (\(after) = 0 or (coalesce(x.team_id, 0), coalesce(x.key_id, 0), x.id) > (
                      select coalesce(y.team_id, 0), coalesce(y.key_id, 0), y.id from budgets y where y.id = \(after)))
                  order by coalesce(x.team_id, 0), coalesce(x.key_id, 0), x.id limit \(optional: limit))
                order by b.team_id nulls first, b.key_id nulls first, b.id
                """
            ).rows.map { try BudgetInfo($0) }
        }
    }

    // MARK: - For the other files

    static let budgetColumns = """
        select b.id, b.team_id, b.key_id, b.model_pattern, b.tag, b.cycle, b.limit_n, b.thresholds, b.time_zone,
          b.week_start, b.rollover_n, a.scope, a.period, nullif(a.resets_at, 'infinity') as resets_at,
          coalesce(p.topup, 0) as topup, coalesce(p.carried - p.elsewhere, c.carried) as carried,
          coalesce(p.alerted, 0::smallint) as alerted, coalesce(p.target, a.limit_n + c.carried) as target,
          coalesce(p.lim, a.limit_n + c.carried) as lim, coalesce(p.settled, 0) as settled,
          coalesce(p.held, 0) as held
        from budgets b
        join tenants t on t.id = b.tenant_id
        join lateral gboost_budgets_at(b.tenant_id, now()) a on a.budget_id = b.id
        left join budget_periods p on p.id = a.period_id
        cross join lateral (select \(wouldCarry) as carried offset 0) c
        """

    /// What a budget `b` of a tenant `t` would carry into a period `a` that has no row `p` yet. Constant text. In a
    /// subquery with `offset 0`, which is not flattened: else it is reckoned anew wherever its column is named.
    static let wouldCarry = """
        case when p.id is null then gboost_would_carry(b, a.first_day, coalesce(b.time_zone, t.time_zone)) else 0 end
        """

    /// Refuses a limit, or what is added to it, that makes a sum with what was added and carried in the open period
    /// which cannot be counted.
    func requireRange(
        of budget: BudgetInfo, adding amount: NanoUSD = .zero, field: String, _ transaction: PostgresTransaction
    ) async throws {
        let rows = try await transaction.query(
            """
            select p.id from budgets b cross join lateral gboost_budgets_at(b.tenant_id, now()) a
            join budget_periods p on p.id = a.period_id
            where b.id = \(budget.id) and a.budget_id = b.id
              and a.limit_n::numeric + p.topup + p.carried + \(amount.rawValue)::bigint > \(Int64.max)::bigint
            """
        ).rows
        guard rows.isEmpty else { throw BudgetInfo.tooLarge(field) }
    }

    /// The budget that a draft names, whatever its limit.
    func existing(
        _ draft: BudgetDraft, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> BudgetInfo {
        let scope = try await resolve(draft.scope, tenant, transaction)
        let rows = try await transaction.query(
            """
            select id from budgets where tenant_id = \(tenant.id) and cycle = \(draft.window.rawValue)
              and unit = 'usd' and removed_at is null
              and team_id is not distinct from \(optional: scope.team)
              and key_id is not distinct from \(optional: scope.key)
              and model_pattern is not distinct from \(optional: draft.model)
              and tag is not distinct from \(optional: draft.tag)
            """
        ).rows
        guard let id = try rows.first?.get("id", as: Int64.self) else {
            throw LedgerError(.notFound, field: "budget", "there is no such budget: set it first")
        }
        return try await budget(id, transaction)
    }

    func budget(_ id: Int64, _ transaction: PostgresTransaction) async throws -> BudgetInfo {
        let rows = try await transaction.query("\(unescaped: Self.budgetColumns) where b.id = \(id)").rows
        guard let row = rows.first else { throw LedgerError(.notFound, field: "budget", "it is gone") }
        return try BudgetInfo(row)
    }

    func budgets(_ ids: [Int64], _ transaction: PostgresTransaction) async throws -> [BudgetInfo] {
        try await transaction.query("\(unescaped: Self.budgetColumns) where b.id = any(\(ids))").rows
            .map { try BudgetInfo($0) }
    }

    /// Opens a budget's running period before the budget changes. What idle periods pass on is reckoned when the next
    /// one opens: by then it would be reckoned by what the budget has become.
    func openPeriod(of budget: BudgetInfo, _ transaction: PostgresTransaction) async throws {
        _ = try await transaction.query(
            """
            select gboost_open_periods(b.tenant_id, now(), p_budget => b.id) from budgets b where b.id = \(budget.id)
            """)
    }

    func resolve(
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

extension BudgetRollover {
    var limit: NanoUSD? { if case .upTo(let limit) = self { limit } else { nil } }
}
