internal import Foundation
internal import GatewayCore
internal import Postgres

/// The statements about one hold or request: one function call each, since everything that decides is in the database.
enum LedgerStatements {
    static func settle(_ s: Settlement, gateway: UUID) -> PostgresStatement {
        """
        select verdict, alarm, posted from gboost_settle(
          \(s.id.request), \(s.id.step), \(s.id.attempt), \(s.outcome.letter)::text::"char",
          \(s.amount.rawValue), \(optional: s.tokens), \(PostgresJSON(SettlementRecord.json(s))), \(gateway))
        """
    }

    static func abandon(_ a: JournalRecord.Abandonment, gateway: UUID) -> PostgresStatement {
        """
        select gboost_abandon(\(a.id.request), \(a.id.step), \(a.id.attempt), \(a.tenantID), \(a.keyID), \(a.priceID),
          \(a.amount.rawValue), \(optional: clean(a.route)), \(gateway)) as verdict
        """
    }

    /// Stores a finished request. Where its local model has a rate, it is charged by the one that was in force when the
    /// request began: exact, rounded up once, and once however often it is recorded.
    static func insert(_ r: RequestRecord) -> PostgresStatement {
        """
        with recorded as (
          insert into requests (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps,
            escalations, degraded, slm_input_tokens, slm_output_tokens, cost_n, milliseconds)
          values (\(r.id), \(r.startedAt), \(r.tenantID), \(optional: r.teamID), \(r.keyID), \(clean(r.model)),
            \(optional: clean(r.route)), \(optional: r.servedBy?.rawValue), \(Int32(clamping: r.status)),
            \(Int32(clamping: r.steps)), \(Int32(clamping: r.escalations)), \(optional: r.degraded?.rawValue),
            \(r.slmInputTokens), \(r.slmOutputTokens), \(r.costNanoUSD), \(r.milliseconds))
          on conflict do nothing
          returning id, started_at, tenant_id, team_id, key_id, route, slm_input_tokens as input,
            slm_output_tokens as output),
        charged as (
          insert into slm_charges (request_id, started_at, tenant_id, team_id, key_id, route, model, price_id,
            input_tokens, output_tokens, amount)
          select r.id, r.started_at, r.tenant_id, r.team_id, r.key_id, r.route, m.slm, p.id, r.input, r.output,
            least(9223372036854775807, p.per_call_nano
              + ceil((r.input::numeric * p.input_pico + r.output::numeric * p.output_pico) / 1000))::bigint
          from recorded r cross join (select \(optional: clean(r.slm)) as slm) m
          cross join lateral (
            select p.* from prices p
            where p.provider = \(LocalRate.provider) and p.model in (m.slm, \(LocalRate.anyModel))
              and p.effective_at <= r.started_at
            order by p.model = m.slm desc, p.effective_at desc limit 1) p
          where m.slm is not null and r.input + r.output > 0
          on conflict do nothing)
        insert into router_outcomes (tenant_id, route, request, outcome)
        select tenant_id, route, id, outcome
        from recorded, (select \(optional: r.outcome.map { PostgresJSON($0) }) as outcome) o
        where route is not null and outcome is not null
        """
    }

    static func budget(_ row: PostgresRow) throws(PostgresError) -> BudgetState {
        BudgetState(
            scope: try row.get("scope"), period: try row.get("period"), limit: NanoUSD(try row.get("lim")),
            settled: NanoUSD(try row.get("settled")), held: NanoUSD(try row.get("held")),
            resetsAt: try row.getOptional("resets_at"))
    }

    /// PostgreSQL stores no zero bytes; a settlement must not fail for one in a provider's request id.
    private static func clean(_ text: String) -> String { text.replacing("\0", with: "") }
    private static func clean(_ text: String?) -> String? { text.map { clean($0) } }
}
