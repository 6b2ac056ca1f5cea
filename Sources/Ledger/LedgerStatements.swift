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

    /// The request, and with it or not at all what it leaves behind.
    /// - Parameter gateway: the one that refused calls of it.
    static func insert(_ r: RequestRecord, gateway: UUID) -> PostgresStatement {
        let refused = (r.refused ?? []).isEmpty ? nil : r.refused.map { PostgresJSON(SettlementRecord.json($0)) }
        return """
            with recorded as (
              insert into requests (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps,
                escalations, degraded, slm_input_tokens, slm_output_tokens, cost_n, milliseconds)
              values (\(r.id), \(r.startedAt), \(r.tenantID), \(optional: r.teamID), \(r.keyID), \(clean(r.model)),
                \(optional: clean(r.route)), \(optional: r.servedBy?.rawValue), \(Int32(clamping: r.status)),
                \(Int32(clamping: r.steps)), \(Int32(clamping: r.escalations)), \(optional: r.degraded?.rawValue),
                \(r.slmInputTokens), \(r.slmOutputTokens), \(r.costNanoUSD), \(r.milliseconds))
              on conflict do nothing returning id, tenant_id, team_id, key_id, route),
            refused as (
              insert into refusal_inbox (tenant_id, refused_at, request_id, step, attempt, team_id, key_id, route,
                model, kind, refusal, price_id, wanted, more, reward_raw, reward_calibrated, shadow_price, actions,
                reason, slm_sha256, prm_sha256, prompt_hash, gateway)
              select r.tenant_id, x.refused_at, r.id, x.step, x.attempt, r.team_id, r.key_id, r.route, x.model,
                x.kind, x.refusal, x.price_id, x.wanted, x.more, x.reward_raw, x.reward_calibrated, x.shadow_price,
                x.actions, x.reason, x.slm_sha256, x.prm_sha256, x.prompt_hash, \(gateway)
              from recorded r, jsonb_to_recordset(\(optional: refused)) as x (
                step smallint, attempt smallint, refused_at timestamptz, model text, kind text, refusal text,
                price_id bigint, wanted bigint, more int, reward_raw float8, reward_calibrated float8,
                shadow_price float8, actions jsonb, reason text, slm_sha256 text, prm_sha256 text, prompt_hash text))
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
