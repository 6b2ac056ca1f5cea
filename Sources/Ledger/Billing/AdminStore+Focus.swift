package import Foundation
internal import Postgres

/// A row of a month's cost in the columns of FOCUS 1.0: what was charged for one model, team, key and route on one day
/// of the tenant's time zone.
package struct FocusRow: Sendable, Hashable {
    package var tenantID: Int64
    package var tenant: String
    /// The month, and the day; each with its end.
    package var billing: Range<Date>
    package var charge: Range<Date>
    package var nanoUSD: Int64
    package var calls: Int64
    package var inputTokens: Int64
    package var outputTokens: Int64
    package var provider: String
    package var model: String
    package var priceID: Int64
    package var teamID: Int64?
    package var team: String?
    package var keyID: Int64
    package var route: String?
    /// Charged inside the company for a local model, not by a provider.
    package var isChargeback = false
    /// An entry that corrects others, and is no call; those of the same month, unless `charge` is before `billing`.
    package var isCorrection: Bool
}

extension AdminStore {
    /// - Parameter month: "2026-11"; nil is the current month where the tenant is.
    package func focus(tenant name: String, month: String? = nil) async throws(LedgerError) -> [FocusRow] {
        if let month { try Self.checkMonth(month) }
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            let query = SpendQuery(
                tenant: tenant, span: (span.start, span.end), columns: [.price, .team, .key, .route, .correction],
                hasOthers: false)
            let rows = try await transaction.query(
                query.statement(
                    """
                    select gboost_instant(g.day::timestamp, t.time_zone) as first,
                      gboost_instant(g.day + interval '1 day', t.time_zone) as last, g.*, p.provider, p.model,
                      m.name as team
                    from (select p.day, p.price_id, p.team_id, p.key_id, p.route, p.is_correction,
                        sum(p.amount)::bigint as amount, sum(p.calls)::bigint as calls, sum(p.input)::bigint as input,
                        sum(p.output)::bigint as output
                      from parts p group by 1, 2, 3, 4, 5, 6) g
                    join tenants t on t.id = (select d.tenant from days d limit 1)
                    join prices p on p.id = g.price_id left join teams m on m.id = g.team_id
                    order by g.day, p.provider, p.model, g.price_id, g.team_id, g.key_id, g.route, g.is_correction
                    """)
            ).rows
            let local = try await localFocus(tenant, (span.start, span.end), transaction)
            let paid = try rows.map { row in
                FocusRow(
                    tenantID: tenant.id, tenant: tenant.name, billing: span.start..<span.end,
                    charge: try row.get("first")..<(try row.get("last")), nanoUSD: try row.get("amount"),
                    calls: try row.get("calls"), inputTokens: try row.get("input"),
                    outputTokens: try row.get("output"), provider: try row.get("provider"),
                    model: try row.get("model"), priceID: try row.get("price_id"),
                    teamID: try row.getOptional("team_id"), team: try row.getOptional("team"),
                    keyID: try row.get("key_id"), route: try row.getOptional("route"),
                    isCorrection: try row.get("is_correction"))
            }
            return (paid + local).sorted { $0.charge.lowerBound < $1.charge.lowerBound }
        }
    }

    private func localFocus(
        _ tenant: TenantInfo, _ span: (start: Date, end: Date), _ transaction: PostgresTransaction
    ) async throws -> [FocusRow] {
        try await transaction.query(
            """
            select gboost_instant(g.day, \(tenant.timeZone)) as first,
              gboost_instant(g.day + interval '1 day', \(tenant.timeZone)) as last, g.*, m.name as team
            from (select (s.started_at at time zone \(tenant.timeZone))::date::timestamp as day, s.model, s.price_id,
                s.team_id, s.key_id, s.route, sum(s.amount)::bigint as amount, count(*) as calls,
                sum(s.input_tokens)::bigint as input, sum(s.output_tokens)::bigint as output
              from slm_charges s where s.tenant_id = \(tenant.id) and s.started_at >= \(span.start)
                and s.started_at < \(span.end) group by 1, 2, 3, 4, 5, 6) g
            left join teams m on m.id = g.team_id
            order by g.day, g.model, g.price_id, g.team_id, g.key_id, g.route
            """
        ).rows.map { row in
            FocusRow(
                tenantID: tenant.id, tenant: tenant.name, billing: span.start..<span.end,
                charge: try row.get("first")..<(try row.get("last")), nanoUSD: try row.get("amount"),
                calls: try row.get("calls"), inputTokens: try row.get("input"), outputTokens: try row.get("output"),
                provider: LocalRate.provider, model: try row.get("model"), priceID: try row.get("price_id"),
                teamID: try row.getOptional("team_id"), team: try row.getOptional("team"),
                keyID: try row.get("key_id"), route: try row.getOptional("route"), isChargeback: true,
                isCorrection: false)
        }
    }
}
