package import Foundation
package import GatewayCore
internal import Postgres

/// A tenant in its current month: what it may spend, and what it has spent.
package struct TenantMonth: Sendable, Hashable {
    package var tenant: TenantInfo
    /// What the tenant's monthly budget allows, with what was added and carried over; nil: it has none.
    package var limit: NanoUSD?
    /// Of that budget; without one, what the ledger has for the month.
    package var settled: NanoUSD
    package var held: NanoUSD
    /// The month's first moment and its end.
    package var from: Date
    package var until: Date
    package init(tenant: TenantInfo, limit: NanoUSD?, settled: NanoUSD, held: NanoUSD, span: Range<Date>) {
        self.tenant = tenant
        self.limit = limit
        self.settled = settled
        self.held = held
        (from, until) = (span.lowerBound, span.upperBound)
    }
}

/// A month's spend broken down every way, from one pass over it.
package struct SpendBreakdown: Sendable, Hashable {
    package var tenant: TenantInfo
    package var month: String
    package var rows: [SpendGrouping: [SpendReport.Row]]
    /// What local models are charged inside the company, besides.
    package var chargeback: [SpendGrouping: [ChargebackLine]]
    package init(
        tenant: TenantInfo, month: String, rows: [SpendGrouping: [SpendReport.Row]],
        chargeback: [SpendGrouping: [ChargebackLine]]
    ) {
        self.tenant = tenant
        self.month = month
        self.rows = rows
        self.chargeback = chargeback
    }
}

extension AdminStore {
    /// Tenants in their current months, by name, in one look at the database.
    /// - Parameters:
    ///   - name: of the only one to look at; nil: all.
    ///   - after: the number of the last one already seen.
    ///   - limit: how many at most.
    package func tenantMonths(
        of name: String? = nil, after: Int64 = 0, limit: Int
    ) async throws(LedgerError) -> [TenantMonth] {
        if let name { try AdminText.requirePossible(name, field: "tenant") }
        return try await reading { transaction in
            // One that was deleted meanwhile is still where the next page begins.
            if after > 0 { try await requireMark("select id from tenants where id = \(after)", transaction) }
            return try await transaction.query(
                """
                select t.*, m.target, coalesce(m.settled,
                    gboost_spent(t.id, z.first, z.last, t.time_zone)::bigint) as settled,
                  coalesce(m.held, 0) as held, coalesce(m.first, z.first) as first, coalesce(m.last, z.last) as last
                from (select x.* from tenants x where x.deleted_at is null
                    and (\(optional: name) is null or x.name = \(optional: name))
                    and (\(after) = 0 or x.name > (select y.name from tenants y where y.id = \(after)))
                  order by x.name limit \(limit)) t
                cross join lateral (
                  select gboost_instant(d.m, t.time_zone) as first,
                    gboost_instant(d.m + interval '1 month', t.time_zone) as last
                  from (select date_trunc('month', now() at time zone t.time_zone) as m) d) z
                left join lateral (
                  select a.first_at as first, a.resets_at as last, coalesce(p.target, a.limit_n + c.carried) as target,
                    coalesce(p.settled, 0) as settled, coalesce(p.held, 0) as held
                  from gboost_budgets_at(t.id, now()) a join budgets b on b.id = a.budget_id
                  left join budget_periods p on p.id = a.period_id
                  cross join lateral (select \(unescaped: Self.wouldCarry) as carried offset 0) c
                  where a.unit = 'usd' and a.cycle = 'month' and a.team_id is null and a.key_id is null
                    and a.model_pattern is null and a.tag is null) m on true
                order by t.name
                """
            ).rows.map { try TenantMonth($0) }
        }
    }

    /// Deleted tenants in their current months, the latest deleted first, with what the ledger has for the month.
    package func deletedTenantMonths(limit: Int) async throws(LedgerError) -> [TenantMonth] {
        try await reading { transaction in
            try await transaction.query(
                """
                select t.*, null::bigint as target, 0::bigint as held, z.first, z.last,
                  gboost_spent(t.id, z.first, z.last, t.time_zone)::bigint as settled
                from (select x.* from tenants x where x.deleted_at is not null
                    order by x.deleted_at desc, x.id desc limit \(limit)) t
                cross join lateral (
                  select gboost_instant(d.m, t.time_zone) as first,
                    gboost_instant(d.m + interval '1 month', t.time_zone) as last
                  from (select date_trunc('month', now() at time zone t.time_zone) as m) d) z
                order by t.deleted_at desc, t.id desc
                """
            ).rows.map { try TenantMonth($0) }
        }
    }

    /// A month's spend, broken down every way.
    /// - Parameter month: "2026-11"; nil is the current month where the tenant is.
    package func spendBreakdown(
        tenant name: String, month: String? = nil
    ) async throws(LedgerError) -> SpendBreakdown {
        if let month { try Self.checkMonth(month) }
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            let times = (start: span.start, end: span.end)
            return SpendBreakdown(
                tenant: tenant, month: span.name,
                rows: try await spendRows(SpendGrouping.allCases, tenant, times, transaction),
                chargeback: try await chargeback(tenant, times, transaction))
        }
    }

    /// A tenant's latest escalations, latest first.
    /// - Parameter before: only those with a smaller number; nil: from the last one on.
    package func latestEscalations(
        tenant name: String, before: Int64? = nil, limit: Int
    ) async throws(LedgerError) -> [EscalationInfo] {
        try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            return try await transaction.query(
                """
                select e.*, p.provider, p.model, m.name as team from (
                  select x.* from escalations x where x.tenant_id = \(tenant.id) and x.seq < \(before ?? Int64.max)
                  order by x.seq desc limit \(limit)) e
                join prices p on p.id = e.price_id left join teams m on m.id = e.team_id
                order by e.seq desc
                """
            ).rows.map { try EscalationInfo($0) }
        }
    }

    /// A tenant's latest refused calls, latest first: before the numbered ones those that have no number yet.
    /// - Parameter before: only numbered ones with a smaller number; nil: from the last one on.
    package func latestRefusals(
        tenant name: String, before: Int64? = nil, limit: Int
    ) async throws(LedgerError) -> [RefusalInfo] {
        try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            var found: [RefusalInfo] = []
            if before == nil {
                found = try await transaction.query(
                    """
                    select null::bigint as seq, i.*, m.name as team from refusal_inbox i
                    left join teams m on m.id = i.team_id
                    where i.tenant_id = \(tenant.id) order by i.refused_at desc, i.id desc limit \(limit)
                    """
                ).rows.map { try RefusalInfo($0) }
            }
            found += try await transaction.query(
                """
                select r.*, m.name as team from refusals r left join teams m on m.id = r.team_id
                where r.tenant_id = \(tenant.id) and r.seq < \(before ?? Int64.max)
                order by r.seq desc limit \(max(0, limit - found.count))
                """
            ).rows.map { try RefusalInfo($0) }
            return found
        }
    }

    /// What the routers of a tenant's routes have learned, as JSON, by the name of the route.
    package func routerStates(tenant name: String) async throws(LedgerError) -> [String: String] {
        try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let rows = try await transaction.query(
                """
                select route, state::text as state from router_states
                where tenant_id = \(tenant.id) and state is not null
                """
            ).rows
            var states: [String: String] = [:]
            for row in rows {
                let route: String = try row.get("route")
                let state: String = try row.get("state")
                states[route] = state
            }
            return states
        }
    }
}

extension TenantMonth {
    init(_ row: PostgresRow) throws {
        let (first, last) = (try row.get("first", as: Date.self), try row.get("last", as: Date.self))
        self.init(
            tenant: try TenantInfo(row), limit: try row.getOptional("target", as: Int64.self).map { NanoUSD($0) },
            settled: NanoUSD(try row.get("settled")), held: NanoUSD(try row.get("held")),
            span: first..<max(first, last))
    }
}
