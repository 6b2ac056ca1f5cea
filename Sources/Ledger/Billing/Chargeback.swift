internal import Foundation
internal import GatewayCore
internal import Postgres

/// What local models did for one team, key, model, day or route of a month, and what that is charged.
package struct ChargebackLine: Sendable, Codable, Hashable {
    package var name: String
    package var nanoUSD: Int64
    package var requests: Int64
    /// Tokens that the SLM evaluated; those found again are not among them.
    package var inputTokens: Int64
    /// Tokens that it drafted, accepted or not.
    package var outputTokens: Int64
    enum CodingKeys: String, CodingKey {
        case name
        case nanoUSD = "nano_usd"
        case requests
        case inputTokens = "input_tokens"
        case outputTokens = "output_tokens"
    }
}

extension AdminStore {
    /// A month's chargeback in every grouping, from one pass over it. The sums of all of them are the same.
    func chargeback(
        _ tenant: TenantInfo, _ span: (start: Date, end: Date), _ transaction: PostgresTransaction
    ) async throws -> [SpendGrouping: [ChargebackLine]] {
        let rows = try await transaction.query(
            """
            select grouping, name, sum(amount)::bigint as amount, sum(n)::bigint as n,
              \(unescaped: TokenSum.of("input")) as input, \(unescaped: TokenSum.of("output")) as output
            from (
              select g.*, case grouping
                  when 'team' then coalesce((select m.name from teams m where m.id = g.team_id), '(no team)')
                  when 'key' then 'key:' || g.key_id
                  when 'model' then g.model
                  when 'day' then to_char(g.day, 'YYYY-MM-DD')
                  else coalesce(g.route, '(no route)') end as name
              from (
                select case grouping(c.team_id, c.key_id, c.model, c.day, c.route)
                    when 15 then 'team' when 23 then 'key' when 27 then 'model' when 29 then 'day' else 'route' end
                    as grouping,
                  c.team_id, c.key_id, c.model, c.day, c.route, sum(c.amount) as amount, count(*) as n,
                  sum(c.input_tokens) as input, sum(c.output_tokens) as output
                from (select s.*, (s.started_at at time zone \(tenant.timeZone))::date as day from slm_charges s
                  where s.tenant_id = \(tenant.id) and s.started_at >= \(span.start) and s.started_at < \(span.end)) c
                group by grouping sets ((c.team_id), (c.key_id), (c.model), (c.day), (c.route))) g) x
            group by grouping, name order by grouping, name
            """
        ).rows
        var lines: [SpendGrouping: [ChargebackLine]] = [:]
        for row in rows {
            guard let grouping = SpendGrouping(rawValue: try row.get("grouping")) else { continue }
            lines[grouping, default: []].append(
                ChargebackLine(
                    name: try row.get("name"), nanoUSD: try row.get("amount"), requests: try row.get("n"),
                    inputTokens: try row.get("input"), outputTokens: try row.get("output")))
        }
        return lines
    }

    /// What the groupings add up to, each.
    static func total(_ chargeback: [SpendGrouping: [ChargebackLine]]) throws(LedgerError) -> Int64 {
        var sums: Set<Int64> = []
        for grouping in SpendGrouping.allCases { sums.insert(try sum((chargeback[grouping] ?? []).map(\.nanoUSD))) }
        guard sums.count == 1, let total = sums.first else {
            throw LedgerError(.database, "the breakdowns of the chargeback add up to different sums")
        }
        return total
    }
}
