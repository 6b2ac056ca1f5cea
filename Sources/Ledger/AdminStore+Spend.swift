internal import Foundation
internal import GatewayCore
internal import Postgres

/// What a spend report is broken down by.
package enum SpendGrouping: String, Sendable, Codable, CaseIterable {
    case team, key, model, day, route

    /// What is told apart for it; nil: the day alone.
    fileprivate var column: SpendColumn? {
        switch self {
        case .team: .team
        case .key: .key
        case .model: .price
        case .route: .route
        case .day: nil
        }
    }

    /// The name of a key `g.k`. Constant text, as all of these.
    fileprivate var label: String {
        switch self {
        case .team: "coalesce((select m.name from teams m where m.id = g.k), '(no team)')"
        case .key: "'key:' || g.k"
        case .model: "(select p.provider || '/' || p.model from prices p where p.id = g.k)"
        case .day: "to_char(g.k, 'YYYY-MM-DD')"
        case .route: "coalesce(g.k, '(direct)')"
        }
    }

    /// The parts `p` of a span's spend, added up.
    fileprivate var sums: String {
        """
        select '\(rawValue)' as by, \(label) as name, sum(g.amount)::bigint as amount,
          sum(g.unreconciled)::bigint as unreconciled, sum(g.calls)::bigint as calls,
          \(TokenSum.of("g.input")) as input, \(TokenSum.of("g.output")) as output
        from (select p.\(column?.rawValue ?? "day") as k, sum(p.amount) as amount, sum(p.unreconciled) as unreconciled,
            sum(p.calls) as calls, sum(p.input) as input, sum(p.output) as output from parts p group by 1) g
        group by 2
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
            let rows = try await spendRows([grouping], tenant, (span.start, span.end), transaction)[grouping] ?? []
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
                tenant: tenant.name, month: span.name, by: grouping, limitNanoUSD: cap?.limit,
                settledNanoUSD: settled.rawValue, heldNanoUSD: cap?.held ?? 0, rows: rows,
                chargebackNanoUSD: try Self.total(chargeback), chargebackRows: chargeback[grouping] ?? [])
        }
    }

    /// The spend of whole days in the tenant's time zone, the last one included.
    package func spend(
        tenant name: String, from first: String, through last: String, by grouping: SpendGrouping
    ) async throws(LedgerError) -> [SpendReport.Row] {
        try Self.checkDay(first, field: "start_date")
        try Self.checkDay(last, field: "end_date")
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let rows = try await transaction.query(
                """
                select gboost_instant(\(first)::date::timestamp, \(tenant.timeZone)) as first,
                  gboost_instant(\(last)::date + interval '1 day', \(tenant.timeZone)) as last
                """
            ).rows
            guard let row = rows.first else { throw LedgerError(.database, "no days") }
            let span: (start: Date, end: Date) = (try row.get("first"), try row.get("last"))
            guard span.start < span.end, span.end.timeIntervalSince(span.start) < 400 * 86_400 else {
                throw LedgerError(.invalid, field: "end_date", "is before start_date, or more than 400 days after it")
            }
            return try await spendRows([grouping], tenant, span, transaction)[grouping] ?? []
        }
    }

    private static func checkDay(_ day: String, field: String) throws(LedgerError) {
        let parts = day.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard day.utf8.count == 10, parts.count == 3, let year = parts[0], let month = parts[1], let number = parts[2],
            (1970...9999).contains(year), (1...12).contains(month),
            (1...(month == 2
                ? 28 + (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 1 : 0)
                : [4, 6, 9, 11].contains(month) ? 30 : 31)).contains(number)
        else { throw LedgerError(.invalid, field: field, "\(day.prefix(20)) is not a day like 2026-11-01") }
    }

    /// The same span by several groupings, in one pass over it.
    func spendRows(
        _ groupings: [SpendGrouping], _ tenant: TenantInfo, _ span: (start: Date, end: Date),
        _ transaction: PostgresTransaction
    ) async throws -> [SpendGrouping: [SpendReport.Row]] {
        let query = SpendQuery(tenant: tenant, span: span, columns: groupings.compactMap(\.column))
        let sums = groupings.map(\.sums).joined(separator: "\nunion all\n")
        var rows: [SpendGrouping: [SpendReport.Row]] = [:]
        for row in try await transaction.query(query.statement("\(sums)\norder by 1, 2")).rows {
            guard let grouping = SpendGrouping(rawValue: try row.get("by")) else { continue }
            rows[grouping, default: []].append(
                SpendReport.Row(
                    name: try row.get("name"), nanoUSD: try row.get("amount"),
                    unreconciledNanoUSD: try row.get("unreconciled"), calls: try row.get("calls"),
                    inputTokens: try row.get("input"), outputTokens: try row.get("output")))
        }
        return rows
    }

    /// Rolls up the next finished days of all tenants; says how many. Gateways do it by themselves.
    package func rollDays(atMost days: Int) async throws(LedgerError) -> Int {
        try await translated {
            let row = try await pool.query("select gboost_roll(\(Int32(days))) as days").rows.first
            return Int(try row?.get("days", as: Int32.self) ?? 0)
        }
    }

    // MARK: - For the other files

    static func checkMonth(_ month: String) throws(LedgerError) {
        let parts = month.split(separator: "-", omittingEmptySubsequences: false)
        // The last moment that can be sent to the database is in 9999: a month's end must be before it.
        guard parts.count == 2, parts[0].utf8.count == 4, parts[1].utf8.count == 2, let year = Int(parts[0]),
            let number = Int(parts[1]), (1970...9998).contains(year), (1...12).contains(number), parts[1].first != "+"
        else { throw LedgerError(.invalid, field: "month", "\(month.prefix(20)) is not a month like 2026-11") }
    }

    /// A month's name, first moment and end in the tenant's time zone; the current month when none is named. A closed
    /// month is what it was closed as, and the one after it begins at its end: a tenant may have moved to another zone,
    /// and no hour is in two months or in none.
    func monthSpan(
        _ month: String?, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> (name: String, start: Date, end: Date) {
        let rows = try await transaction.query(
            """
            select to_char(m, 'YYYY-MM') as name,
              coalesce(c.first, p.last, gboost_instant(m, \(tenant.timeZone))) as first,
              coalesce(c.last, gboost_instant(m + interval '1 month', \(tenant.timeZone))) as last
            from (select coalesce(to_timestamp(\(optional: month), 'YYYY-MM')::timestamp,
              date_trunc('month', now() at time zone \(tenant.timeZone))) as m) x
            left join lateral (select (s.document::jsonb ->> 'from')::timestamptz as first,
                (s.document::jsonb ->> 'until')::timestamptz as last from statements s
              where s.tenant_id = \(tenant.id) and s.month = to_char(m, 'YYYY-MM')) c on true
            left join lateral (select (s.document::jsonb ->> 'until')::timestamptz as last from statements s
              where s.tenant_id = \(tenant.id) and s.month = to_char(m - interval '1 month', 'YYYY-MM')) p on true
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
