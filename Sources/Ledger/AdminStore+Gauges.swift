package import Foundation
package import GatewayCore
internal import Postgres

/// What the ledger shows to monitoring, as of one moment.
package struct LedgerGauges: Sendable, Hashable {
    /// One budget in its current period.
    package struct Budget: Sendable, Hashable {
        package var tenant: String
        package var state: BudgetState
        /// When the period began; nil for budgets without one.
        package var startsAt: Date?
        /// Percent of the limit at which it alerts, rising.
        package var thresholds: [Int]
        /// Of one key: there may be very many.
        package var isOfKey: Bool
    }
    /// Holds of a tenant that were posted in full since nobody knows the charge.
    package struct Unreconciled: Sendable, Hashable {
        package var tenant: String
        package var holds: Int64
        package var amount: NanoUSD
    }
    package var budgets: [Budget]
    package var openHolds: Int64
    package var oldestOpenSeconds: Double
    package var unreconciled: [Unreconciled]
    /// Records of paid calls that no block of the audit has yet, and how old the oldest is.
    package var unsealedRecords: Int64
    package var unsealedSeconds: Double
}

extension AdminStore {
    /// Every tenant's budgets, the holds that are open or unknown, and what is not sealed, for metrics.
    package func gauges() async throws(LedgerError) -> LedgerGauges {
        try await reading { transaction in
            // As far back as a gateway that may have open holds says; all holds of all time are too many for a scrape.
            let open = try await transaction.query(
                """
                select count(*) as n, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as age
                from holds where state in ('r', 'd') and created_at >= (
                  select coalesce(min(coalesce(open_since, started_at)), now()) - interval '1 hour'
                  from gateways where recovered_at is null)
                """
            ).rows.first
            let unsealed = try await Self.unsealed(transaction)
            return LedgerGauges(
                budgets: try await Self.budgets(transaction), openHolds: try open?.get("n") ?? 0,
                oldestOpenSeconds: try open?.get("age") ?? 0, unreconciled: try await Self.unreconciled(transaction),
                unsealedRecords: unsealed.records, unsealedSeconds: unsealed.seconds)
        }
    }

    private static func budgets(_ transaction: PostgresTransaction) async throws -> [LedgerGauges.Budget] {
        try await transaction.query(
            """
            select t.name as tenant, a.scope, a.period, nullif(a.resets_at, 'infinity') as resets_at,
              nullif(a.first_at, '-infinity') as first_at, a.key_id is not null as of_key,
              array(select x::bigint from unnest(b.thresholds) x order by x) as thresholds,
              coalesce(p.lim, a.limit_n + c.carried) as lim, coalesce(p.settled, 0) as settled,
              coalesce(p.held, 0) as held
            from tenants t cross join lateral gboost_budgets_at(t.id, now()) a join budgets b on b.id = a.budget_id
            left join budget_periods p on p.id = a.period_id
            cross join lateral (select \(unescaped: wouldCarry) as carried offset 0) c
            where t.deleted_at is null and a.unit = 'usd' and a.cycle <> 'request' order by 1, 2, 3
            """
        ).rows.map { row in
            LedgerGauges.Budget(
                tenant: try row.get("tenant"), state: try LedgerStatements.budget(row),
                startsAt: try row.getOptional("first_at"),
                thresholds: try row.get("thresholds", as: [Int64].self).map { Int($0) }, isOfKey: try row.get("of_key"))
        }
    }

    /// From the few entries that recovery made, not from all holds.
    private static func unreconciled(_ transaction: PostgresTransaction) async throws -> [LedgerGauges.Unreconciled] {
        try await transaction.query(
            """
            select t.name as tenant, count(h.request_id) as n, coalesce(sum(h.actual), 0)::bigint as amount
            from tenants t
            left join ledger_entries e on e.tenant_id = t.id and e.kind = 'unreconciled'
            left join holds h on h.request_id = e.request_id and h.step = e.step and h.attempt = e.attempt
              and h.unreconciled
            where t.deleted_at is null group by t.name order by t.name
            """
        ).rows.map { row in
            LedgerGauges.Unreconciled(
                tenant: try row.get("tenant"), holds: try row.get("n"), amount: NanoUSD(try row.get("amount")))
        }
    }

    private static func unsealed(
        _ transaction: PostgresTransaction
    ) async throws -> (records: Int64, seconds: Double) {
        let row = try await transaction.query(
            """
            select coalesce(sum(c.seq - b.last), 0)::bigint as n,
              coalesce(max(extract(epoch from clock_timestamp() - e.at)), 0)::float8 as age
            from escalation_counters c
            cross join lateral (select coalesce((select b.last_seq from audit_blocks b
              where b.log = 'escalations' and b.tenant_id = c.tenant_id order by b.number desc limit 1), 0) as last) b
            left join lateral (select e.at from escalations e where e.tenant_id = c.tenant_id and e.seq = b.last + 1
              limit 1) e on true
            where c.seq > b.last
            """
        ).rows.first
        guard let row else { return (0, 0) }
        return (try row.get("n"), try row.get("age"))
    }
}
