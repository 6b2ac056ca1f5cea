package import GatewayCore
internal import Postgres

/// Whose a budget or a limit is, by number: the tenant's own, a team's or a key's.
package enum BudgetOwner: Sendable, Hashable {
    case tenant
    case team(Int64)
    case key(Int64)

    /// At most one of the two numbers is there; neither: the tenant.
    package init(team: Int64?, key: Int64?) {
        self = key.map { .key($0) } ?? team.map { .team($0) } ?? .tenant
    }

    /// 0: it is no team.
    var team: Int64 { if case .team(let id) = self { id } else { 0 } }
    /// 0: it is no key.
    var key: Int64 { if case .key(let id) = self { id } else { 0 } }
}

/// What some teams and keys have and have spent: a tenant may have tens of thousands of which nothing is asked.
extension AdminStore {
    /// The budgets of some owners alone, each with its current period; in the order of all of a tenant's.
    package func budgets(
        tenant: String, of owners: [BudgetOwner]
    ) async throws(LedgerError) -> [BudgetInfo] {
        try await reading { transaction in
            let holder = try await self.tenant(tenant, transaction)
            let (teams, keys) = (owners.map(\.team), owners.map(\.key))
            return try await transaction.query(
                """
                \(unescaped: Self.budgetColumns) where b.tenant_id = \(holder.id) and b.unit = 'usd' and b.id in (
                  select x.id from budgets x
                  where x.tenant_id = \(holder.id) and x.unit = 'usd' and x.removed_at is null
                    and (coalesce(x.team_id, 0), coalesce(x.key_id, 0)) in (
                      select o.team, o.key from unnest(\(teams)::bigint[], \(keys)::bigint[]) o (team, key)))
                order by b.team_id nulls first, b.key_id nulls first, b.id
                """
            ).rows.map { try BudgetInfo($0) }
        }
    }

    /// The rate limits of some owners alone; in the order of all of a tenant's.
    package func limits(
        tenant: String, of owners: [BudgetOwner]
    ) async throws(LedgerError) -> [LimitInfo] {
        try await reading { transaction in
            let holder = try await self.tenant(tenant, transaction)
            let (teams, keys) = (owners.map(\.team), owners.map(\.key))
            return try await transaction.query(
                """
                with o as (select * from unnest(\(teams)::bigint[], \(keys)::bigint[]) u (team, key))
                \(unescaped: Self.paidLimits) where b.tenant_id = \(holder.id) and b.unit <> 'usd'
                  and (coalesce(b.team_id, 0), coalesce(b.key_id, 0)) in (select o.team, o.key from o)
                union all
                \(unescaped: Self.localLimits) where l.tenant_id = \(holder.id) and l.removed_at is null
                  and (coalesce(l.team_id, 0), coalesce(l.key_id, 0)) in (select o.team, o.key from o)
                order by traffic desc, team_id nulls first, key_id nulls first, id
                """
            ).rows.map { try LimitInfo($0) }
        }
    }

    /// A part of a tenant's rate limits, in the order of all of them.
    /// - Parameters:
    ///   - skipped: how many come before the first one that is wanted.
    ///   - limit: how many at most.
    package func limits(
        tenant: String, skipping skipped: Int64, limit: Int
    ) async throws(LedgerError) -> [LimitInfo] {
        try await reading { transaction in
            let holder = try await self.tenant(tenant, transaction)
            return try await transaction.query(
                """
                \(unescaped: Self.paidLimits) where b.tenant_id = \(holder.id) and b.unit <> 'usd'
                union all
                \(unescaped: Self.localLimits) where l.tenant_id = \(holder.id) and l.removed_at is null
                order by traffic desc, team_id nulls first, key_id nulls first, id offset \(skipped) limit \(limit)
                """
            ).rows.map { try LimitInfo($0) }
        }
    }

    /// What some teams and keys have spent in a month. Who has spent nothing is left out, and so is the tenant itself.
    /// - Parameter month: "2026-11"; nil is the current month where the tenant is.
    package func monthSpend(
        tenant name: String, month: String? = nil, of owners: [BudgetOwner]
    ) async throws(LedgerError) -> [BudgetOwner: NanoUSD] {
        if let month { try Self.checkMonth(month) }
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            let kinds: [(column: SpendColumn, ids: [Int64])] = [
                (.team, owners.map(\.team).filter { $0 > 0 }), (.key, owners.map(\.key).filter { $0 > 0 }),
            ]
            var spent: [BudgetOwner: NanoUSD] = [:]
            for (column, ids) in kinds where !ids.isEmpty {
                var query = SpendQuery(tenant: tenant, span: (span.start, span.end), columns: [column])
                query.hasOthers = false
                query.only = (column, ids)
                let sums = query.statement(
                    "select p.\(column.rawValue) as id, sum(p.amount)::bigint as amount from parts p group by 1")
                for row in try await transaction.query(sums).rows {
                    let id = try row.get("id", as: Int64.self)
                    let owner: BudgetOwner = column == .team ? .team(id) : .key(id)
                    spent[owner] = NanoUSD(try row.get("amount"))
                }
            }
            return spent
        }
    }
}
