internal import Postgres

extension AdminStore {
    /// Fills the ledger with entries and requests that never happened, for measurements of reports: never on a
    /// database with real ones.
    /// - Parameters:
    ///   - rows: of each kind, over the months before this one; a fifth of them are the first tenant's.
    ///   - months: how many.
    package func loadBenchmarkRows(_ rows: Int64, months: Int) async throws(LedgerError) {
        let isEmpty = try await reading { transaction in
            try await transaction.query("select 1 from ledger_entries limit 1").rows.isEmpty
        }
        guard isEmpty else {
            throw LedgerError(.conflict, field: "database", "there are entries already: load into an empty ledger")
        }
        let months = Int32(months)
        try await changing { transaction in
            _ = try await transaction.query("set local statement_timeout = 0")
            _ = try await transaction.query(
                """
                insert into ledger_entries (at, taken_at, tenant_id, team_id, key_id, request_id, step, attempt, kind,
                  outcome, held, amount, price_id, input_tokens, output_tokens, periods)
                select g.at, g.at, k.tenant_id, k.team_id, k.id, gen_random_uuid(), 0, 0, 'charge', 'completed',
                  2000000, 1000000 + g.n % 1000000, 1, 500, 200, '{}'
                from (select n, date_trunc('month', now()) - \(months) * interval '1 month'
                        + (n::float8 / \(rows)) * (date_trunc('month', now())
                            - (date_trunc('month', now()) - \(months) * interval '1 month')) as at,
                        case when n % 5 = 0 then 0 else n / 7 % 100 end as owner
                      from generate_series(0, \(rows) - 1) n) g
                join (select k.*, row_number() over (order by k.id) - 2 as owner from api_keys k) k on k.owner = g.owner
                """)
            _ = try await transaction.query(
                """
                insert into requests (id, started_at, tenant_id, team_id, key_id, model, status, steps, escalations,
                  slm_input_tokens, slm_output_tokens, cost_n, milliseconds)
                select e.request_id, e.taken_at, e.tenant_id, e.team_id, e.key_id, 'sim/general', 200, 1, 1, 0, 0,
                  e.amount, 900
                from ledger_entries e
                """)
        }
        do {
            _ = try await pool.query("vacuum (analyze) ledger_entries")
        } catch {
            throw LedgerError(.database, "the entries cannot be vacuumed")
        }
    }
}
