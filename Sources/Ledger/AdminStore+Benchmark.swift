internal import Postgres

extension AdminStore {
    /// Fills the ledger with entries and requests that never happened, for measurements of reports: never on a
    /// database with real ones.
    /// - Parameters:
    ///   - rows: of each kind, over the months before this one.
    ///   - months: how many.
    ///   - share: one row in so many is the first tenant's; 1: all of them, and there are no requests.
    package func loadBenchmarkRows(_ rows: Int64, months: Int, share: Int = 5) async throws(LedgerError) {
        let isEmpty = try await reading { transaction in
            try await transaction.query("select 1 from ledger_entries limit 1").rows.isEmpty
        }
        guard isEmpty else {
            throw LedgerError(.conflict, field: "database", "there are entries already: load into an empty ledger")
        }
        let (months, hasRequests, share) = (Int32(months), share > 1, Int64(share))
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
                        case when n % \(share) = 0 then 0 else n / 7 % 100 end as owner
                      from generate_series(0, \(rows) - 1) n) g
                join (select k.*, row_number() over (order by k.id) - 2 as owner from api_keys k) k on k.owner = g.owner
                """)
            guard hasRequests else { return }
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

    /// Adds escalations that never happened, with their entries, as full as real ones are: for measurements of the
    /// audit, on an empty ledger only.
    package func loadBenchmarkRecords(_ rows: Int64) async throws(LedgerError) {
        try await changing { transaction in
            guard try await transaction.query("select 1 from ledger_entries limit 1").rows.isEmpty else {
                throw LedgerError(.conflict, field: "database", "there are entries already: load into an empty ledger")
            }
            _ = try await transaction.query("set local statement_timeout = 0")
            _ = try await transaction.query(
                """
                insert into ledger_entries (at, taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt,
                  kind, outcome, held, amount, price_id, input_tokens, cached_input_tokens, output_tokens,
                  provider_request_id, usage, periods)
                select now(), now(), k.tenant_id, k.team_id, k.id, 'math', gen_random_uuid(), 1, 0, 'charge',
                  'completed', 2000000, 1000000 + n % 1000000, 1, 500, 100, 200, 'req_' || md5(n::text),
                  '{"prompt_tokens": 500, "completion_tokens": 200, "total_tokens": 700}',
                  array[n % 97 + 1, n % 89 + 100]
                from generate_series(0, \(rows) - 1) n
                join (select k.*, row_number() over (order by k.id) - 1 as o from api_keys k limit 20) k on k.o = n % 20
                """)
            _ = try await transaction.query(
                """
                insert into escalations (tenant_id, seq, at, entry_id, entry_kind, request_id, step, attempt, team_id,
                  key_id, route, price_id, held, amount, outcome, kind, reward_raw, reward_calibrated, shadow_price,
                  actions, reason, slm_sha256, prm_sha256, prompt_hash, answer_hash, gateway)
                select l.tenant_id, row_number() over (partition by l.tenant_id order by l.id), l.at, l.id, l.kind,
                  l.request_id, l.step, l.attempt, l.team_id, l.key_id, l.route, l.price_id, l.held, l.amount,
                  l.outcome, 'step', (l.id % 997) / 997.0, (l.id % 991) / 991.0, 1.25, '[{"gain": 0, "action": "accept",
                    "costUSD": 0, "utility": 0.31, "latencySeconds": 0}, {"gain": 0.21, "action": "llm_step",
                    "costUSD": 0.0004, "utility": 0.52, "latencySeconds": 1.4}]', 'the step is weak',
                  repeat('0a', 32), repeat('1b', 32), md5(l.id::text) || md5(l.id::text), repeat('2c', 32),
                  gen_random_uuid()
                from ledger_entries l
                """)
            _ = try await transaction.query(
                """
                insert into escalation_counters (tenant_id, seq) select tenant_id, max(seq) from escalations group by 1
                """)
        }
        try await translated { _ = try await pool.query("vacuum (analyze) ledger_entries, escalations") }
    }
}
