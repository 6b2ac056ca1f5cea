internal import Foundation
internal import GatewayCore
internal import Postgres

/// What a spend report is broken down by.
package enum SpendGrouping: String, Sendable, Codable, CaseIterable {
    case team, key, model, day, route

    /// What entries `e` of a tenant `t` are gathered by, before they have names. Constant text, as all of these.
    fileprivate var key: String {
        switch self {
        case .team: "e.team_id"
        case .key: "e.key_id"
        case .model: "e.price_id"
        case .day: "(e.taken_at at time zone t.time_zone)::date"
        case .route: "e.route"
        }
    }

    /// The name of a key `g.k`.
    fileprivate var label: String {
        switch self {
        case .team: "coalesce((select m.name from teams m where m.id = g.k), '(no team)')"
        case .key: "'key:' || g.k"
        case .model: "(select p.provider || '/' || p.model from prices p where p.id = g.k)"
        case .day: "to_char(g.k, 'YYYY-MM-DD')"
        case .route: "coalesce(g.k, '(direct)')"
        }
    }

    /// Sums of a `span` of time by key, from the covering index alone. Days have each a stretch of the index: to ask
    /// each entry for its day would take longer than to add it up.
    fileprivate var sums: String {
        let sums =
            "sum(e.amount) as amount, count(*) as calls, sum(e.input_tokens) as input, sum(e.output_tokens) as output"
        let isMine = "e.tenant_id = s.tenant"
        guard self == .day else {
            return """
                select \(key) as k, \(sums) from span s join ledger_entries e
                  on \(isMine) and e.taken_at >= s.first and e.taken_at < s.last
                group by 1
                """
        }
        return """
            select d.k, x.* from span s join tenants t on t.id = s.tenant
            cross join lateral (
              select day::date as k, gboost_instant(day, t.time_zone) as first,
                gboost_instant(day + interval '1 day', t.time_zone) as last
              from generate_series((s.first at time zone t.time_zone)::date::timestamp,
                (s.last at time zone t.time_zone)::date::timestamp, interval '1 day') day) d
            cross join lateral (
              select \(sums) from ledger_entries e
              where \(isMine) and e.taken_at >= greatest(d.first, s.first) and e.taken_at < least(d.last, s.last)) x
            where x.calls > 0
            """
    }
}

/// A month's spend in the tenant's time zone. A call counts where its hold was taken. Sums are exact.
package struct SpendReport: Sendable, Codable, Hashable {
    /// One team, key, model, day or route.
    package struct Row: Sendable, Codable, Hashable {
        package var name: String
        package var nanoUSD: Int64
        /// Of that, posted in full by recovery without knowing the charge.
        package var unreconciledNanoUSD: Int64
        package var calls: Int64
        package var inputTokens: Int64
        package var outputTokens: Int64
        enum CodingKeys: String, CodingKey {
            case name
            case nanoUSD = "nano_usd"
            case unreconciledNanoUSD = "unreconciled_nano_usd"
            case calls
            case inputTokens = "input_tokens"
            case outputTokens = "output_tokens"
        }
    }
    package var tenant: String
    package var month: String
    package var by: SpendGrouping
    /// The tenant's monthly budget: the cap in force. Nil without one.
    package var limitNanoUSD: Int64?
    package var settledNanoUSD: Int64
    package var heldNanoUSD: Int64
    package var rows: [Row]
    /// What local models are charged inside the company, which is no part of the spend and counts on no budget.
    package var chargebackNanoUSD: Int64
    package var chargebackRows: [ChargebackLine]
    enum CodingKeys: String, CodingKey {
        case tenant
        case month
        case by
        case limitNanoUSD = "limit_nano_usd"
        case settledNanoUSD = "settled_nano_usd"
        case heldNanoUSD = "held_nano_usd"
        case rows
        case chargebackNanoUSD = "chargeback_nano_usd"
        case chargebackRows = "chargeback_rows"
    }
}

extension AdminStore {
    /// - Parameter month: "2026-11"; nil is the current month where the tenant is.
    package func spend(
        tenant name: String, month: String? = nil, by grouping: SpendGrouping = .model
    ) async throws(LedgerError) -> SpendReport {
        if let month { try Self.checkMonth(month) }
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            let rows = try await spendRows(grouping, tenant.id, (span.start, span.end), transaction)
            var settled = NanoUSD.zero
            for row in rows {
                guard let sum = settled.adding(NanoUSD(row.nanoUSD)) else {
                    throw LedgerError(.database, "the sum of the month does not fit")
                }
                settled = sum
            }
            let cap = try await cap(tenant, month: span.name, transaction)
            let chargeback = try await chargeback(tenant, (span.start, span.end), transaction)
            return SpendReport(
                tenant: name, month: span.name, by: grouping, limitNanoUSD: cap?.limit,
                settledNanoUSD: settled.rawValue, heldNanoUSD: cap?.held ?? 0, rows: rows,
                chargebackNanoUSD: try Self.total(chargeback), chargebackRows: chargeback[grouping] ?? [])
        }
    }

    func spendRows(
        _ grouping: SpendGrouping, _ tenant: Int64, _ span: (start: Date, end: Date),
        _ transaction: PostgresTransaction
    ) async throws -> [SpendReport.Row] {
        try await transaction.query(Self.statement(grouping, tenant, span.start, span.end)).rows.map { row in
            SpendReport.Row(
                name: try row.get("name"), nanoUSD: try row.get("amount"),
                unreconciledNanoUSD: try row.get("unreconciled"), calls: try row.get("calls"),
                inputTokens: try row.get("input"), outputTokens: try row.get("output"))
        }
    }

    /// The sums, and what the few entries that say more than the index knows change about them.
    private static func statement(
        _ grouping: SpendGrouping, _ tenant: Int64, _ start: Date, _ end: Date
    ) -> PostgresStatement {
        """
        with span as (select \(tenant) as tenant, \(start) as first, \(end) as last),
        sums as (\(unescaped: grouping.sums)),
        others as (
          select \(unescaped: grouping.key) as k, count(*) filter (where e.kind = 'adjustment') as adjustments,
            sum(e.amount) filter (where h.unreconciled) as unreconciled
          from span s join tenants t on t.id = s.tenant
          join ledger_entries e on e.tenant_id = s.tenant and e.taken_at >= s.first and e.taken_at < s.last
            and e.kind in ('adjustment', 'unreconciled')
          left join holds h on e.kind = 'unreconciled' and h.request_id = e.request_id and h.step = e.step
            and h.attempt = e.attempt
          group by 1)
        select \(unescaped: grouping.label) as name, sum(g.amount)::bigint as amount,
          coalesce(sum(o.unreconciled), 0)::bigint as unreconciled,
          (sum(g.calls) - coalesce(sum(o.adjustments), 0))::bigint as calls,
          coalesce(sum(g.input), 0)::bigint as input, coalesce(sum(g.output), 0)::bigint as output
        from sums g left join others o on o.k is not distinct from g.k
        group by 1 order by 1
        """
    }

    // MARK: - For the other files

    static func checkMonth(_ month: String) throws(LedgerError) {
        let parts = month.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == 4, parts[1].utf8.count == 2, let year = Int(parts[0]),
            let number = Int(parts[1]), year >= 1970, (1...12).contains(number)
        else { throw LedgerError(.invalid, field: "month", "\(month) is not a month like 2026-11") }
    }

    /// A month's name, first moment and end in the tenant's time zone; the current month when none is named.
    func monthSpan(
        _ month: String?, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> (name: String, start: Date, end: Date) {
        let rows = try await transaction.query(
            """
            select to_char(m, 'YYYY-MM') as name, gboost_instant(m, \(tenant.timeZone)) as first,
              gboost_instant(m + interval '1 month', \(tenant.timeZone)) as last
            from (select coalesce(to_timestamp(\(optional: month), 'YYYY-MM')::timestamp,
              date_trunc('month', now() at time zone \(tenant.timeZone))) as m) x
            """
        ).rows
        guard let row = rows.first else { throw LedgerError(.database, "no month") }
        return (try row.get("name"), try row.get("first"), try row.get("last"))
    }

    private func cap(
        _ tenant: TenantInfo, month: String, _ transaction: PostgresTransaction
    ) async throws -> (limit: Int64, held: Int64)? {
        let suffix = month.filter { $0 != "-" } + "00"
        let rows = try await transaction.query(
            """
            select coalesce(p.lim, b.limit_n) as lim, coalesce(p.held, 0) as held from budgets b
            left join budget_periods p on p.id = b.id * 100000000 + \(suffix)::bigint
            where b.tenant_id = \(tenant.id) and b.team_id is null and b.key_id is null and b.cycle = 'month'
              and b.model_pattern is null and b.tag is null and b.removed_at is null
            """
        ).rows
        return try rows.first.map { (try $0.get("lim"), try $0.get("held")) }
    }
}
