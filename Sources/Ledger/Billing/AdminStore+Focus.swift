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
    /// No call, but what corrects others of the same month; or anything of an earlier month that was found after that
    /// one's closing: `charge` is then before `billing`.
    package var isCorrection: Bool
}

extension AdminStore {
    /// A month's charges, which add up to its statement: a closed month's as they were closed, and what was found
    /// later of months before as corrections, where the statement has them too.
    /// - Parameter month: "2026-11"; nil is the current month where the tenant is.
    package func focus(tenant name: String, month: String? = nil) async throws(LedgerError) -> [FocusRow] {
        if let month { try Self.checkMonth(month) }
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            let closed = try await closedMonth(span.name, tenant, transaction)
            let billing = span.start..<span.end
            let bill = FocusBill(tenant: tenant, billing: billing, charged: billing, until: closed?.at)
            var rows = try await charges(bill, transaction)
            if let closed { rows += bill.rest(of: closed.nanoUSD, rows) }
            for correction in try await stated(span.name, tenant, closed, transaction) {
                let of = try await correctedSpan(correction.month, tenant, transaction)
                let later = FocusBill(
                    tenant: tenant, billing: billing, charged: of, after: correction.after, until: closed?.at)
                let found = try await charges(later, transaction)
                rows += found + later.rest(of: correction.nanoUSD, found)
            }
            return rows.sorted { $0.charge.lowerBound < $1.charge.lowerBound }
        }
    }

    /// When a month was closed, and with which charges of its own; nil: it is open.
    private func closedMonth(
        _ month: String, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> (at: Date, nanoUSD: Int64)? {
        try await transaction.query(
            """
            select closed_at, spend + chargeback as amount from statements
            where tenant_id = \(tenant.id) and month = \(month)
            """
        ).rows.first.map { (try $0.get("closed_at"), try $0.get("amount")) }
    }

    /// The corrections in a month's statement, each with when the statement before was closed. An open month has them
    /// where it is the next to be closed.
    private func stated(
        _ month: String, _ tenant: TenantInfo, _ closed: (at: Date, nanoUSD: Int64)?, _ transaction: PostgresTransaction
    ) async throws -> [(month: String, nanoUSD: Int64, after: Date)] {
        let before = try await transaction.query(
            """
            select closed_at from statements where tenant_id = \(tenant.id)
              and month = to_char(to_timestamp(\(month), 'YYYY-MM')::timestamp - interval '1 month', 'YYYY-MM')
            """
        ).rows.first
        guard let before else { return [] }
        let after: Date = try before.get("closed_at")
        if closed == nil {
            return try await corrections(tenant, before: month, transaction).map { ($0.month, $0.nanoUSD, after) }
        }
        return try await transaction.query(
            """
            select of_month, amount from statement_corrections where tenant_id = \(tenant.id) and month = \(month)
            order by of_month
            """
        ).rows.map { (try $0.get("of_month"), try $0.get("amount"), after) }
    }

    /// What corrections of a closed month are of.
    private func correctedSpan(
        _ month: String, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> Range<Date> {
        let row = try await transaction.query(
            """
            select i.first, i.last from statements s cross join lateral (\(unescaped: Self.statedSpan)) i
            where s.tenant_id = \(tenant.id) and s.month = \(month)
            """
        ).rows.first
        guard let row else { throw LedgerError(.database, "\(month) is corrected and not closed") }
        return (try row.get("first"))..<(try row.get("last"))
    }

    private func charges(_ bill: FocusBill, _ transaction: PostgresTransaction) async throws -> [FocusRow] {
        let rows = try await transaction.query(
            SpendQuery(
                tenant: bill.tenant, span: (bill.charged.lowerBound, bill.charged.upperBound),
                columns: [.price, .team, .key, .route, .correction], hasOthers: false,
                posted: (bill.after, bill.until)
            ).statement(
                """
                select gboost_instant(g.day::timestamp, t.time_zone) as first,
                  gboost_instant(g.day + interval '1 day', t.time_zone) as last, g.*, p.provider, p.model,
                  m.name as team
                from (select p.day, p.price_id, p.team_id, p.key_id, p.route, p.is_correction,
                    sum(p.amount)::bigint as amount, sum(p.calls)::bigint as calls,
                    \(TokenSum.of("p.input")) as input, \(TokenSum.of("p.output")) as output
                  from parts p group by 1, 2, 3, 4, 5, 6) g
                join tenants t on t.id = (select d.tenant from days d limit 1)
                join prices p on p.id = g.price_id left join teams m on m.id = g.team_id
                order by g.day, p.provider, p.model, g.price_id, g.team_id, g.key_id, g.route, g.is_correction
                """)
        ).rows
        let paid = try rows.map { row in
            try bill.row(row, provider: row.get("provider"), isCorrection: row.get("is_correction"))
        }
        return try await paid + localCharges(bill, transaction)
    }

    private func localCharges(_ bill: FocusBill, _ transaction: PostgresTransaction) async throws -> [FocusRow] {
        let zone = bill.tenant.timeZone
        return try await transaction.query(
            """
            select gboost_instant(g.day, \(zone)) as first, gboost_instant(g.day + interval '1 day', \(zone)) as last,
              g.*, m.name as team
            from (select (s.started_at at time zone \(zone))::date::timestamp as day, s.model, s.price_id,
                s.team_id, s.key_id, s.route, sum(s.amount)::bigint as amount, count(*) as calls,
                \(unescaped: TokenSum.of("s.input_tokens")) as input,
                \(unescaped: TokenSum.of("s.output_tokens")) as output
              from slm_charges s where s.tenant_id = \(bill.tenant.id) and s.started_at >= \(bill.charged.lowerBound)
                and s.started_at < \(bill.charged.upperBound)
                and (\(optional: bill.after)::timestamptz is null or s.at > \(optional: bill.after))
                and (\(optional: bill.until)::timestamptz is null or s.at <= \(optional: bill.until))
              group by 1, 2, 3, 4, 5, 6) g
            left join teams m on m.id = g.team_id
            order by g.day, g.model, g.price_id, g.team_id, g.key_id, g.route
            """
        ).rows.map { row in
            var local = try bill.row(row, provider: LocalRate.provider, isCorrection: false)
            local.isChargeback = true
            return local
        }
    }
}

/// Charges of one span of time that are on one month's bill.
private struct FocusBill: Sendable {
    var tenant: TenantInfo
    var billing: Range<Date>
    /// `billing`, or an earlier month, of which something was found later.
    var charged: Range<Date>
    /// Posted after this, until that.
    var after: Date?
    var until: Date?

    func row(_ row: PostgresRow, provider: String, isCorrection: Bool) throws -> FocusRow {
        let day: Range<Date> = try row.get("first")..<(try row.get("last"))
        return FocusRow(
            tenantID: tenant.id, tenant: tenant.name, billing: billing, charge: day.clamped(to: charged),
            nanoUSD: try row.get("amount"),
            calls: try row.get("calls"), inputTokens: try row.get("input"), outputTokens: try row.get("output"),
            provider: provider, model: try row.get("model"), priceID: try row.get("price_id"),
            teamID: try row.getOptional("team_id"), team: try row.getOptional("team"),
            keyID: try row.get("key_id"), route: try row.getOptional("route"),
            isCorrection: isCorrection || charged != billing)
    }

    /// What is stated but not in `rows`: an entry that was posted around the closing may be in the closing's sum and
    /// after its instant, or the other way round.
    func rest(of nanoUSD: Int64, _ rows: [FocusRow]) -> [FocusRow] {
        let missing = nanoUSD - rows.reduce(0) { $0 + $1.nanoUSD }
        guard missing != 0 else { return [] }
        return [
            FocusRow(
                tenantID: tenant.id, tenant: tenant.name, billing: billing, charge: charged, nanoUSD: missing, calls: 0,
                inputTokens: 0, outputTokens: 0, provider: "gateway", model: "posted around the closing",
                priceID: 0, keyID: 0, isCorrection: true)
        ]
    }
}
