internal import Foundation
internal import GatewayCore
internal import Postgres

extension LedgerStatements {
    /// Rows of finished requests, and with each or not at all: what its route's router is to learn from it, paid calls
    /// that it wanted and did not get, and what its local model is charged, where that has a rate (the one in force
    /// when the request began: exact, rounded up once, and once however often it is recorded). One array a column: many
    /// rows cost the database little more than one.
    /// - Parameter gateway: the one that refused calls.
    static func insert(_ requests: [RequestRecord], gateway: UUID) -> PostgresStatement {
        let refused = requests.map { request in
            request.refused.flatMap { $0.isEmpty ? nil : PostgresJSON(SettlementRecord.json($0)) }
        }
        return """
            with finished as (
              select * from unnest(\(requests.map(\.id)), \(requests.map(\.startedAt)), \(requests.map(\.tenantID)),
                \(requests.map(\.teamID)), \(requests.map(\.keyID)), \(requests.map { clean($0.model) }),
                \(requests.map { clean($0.route) }), \(requests.map { $0.servedBy?.rawValue }),
                \(requests.map { Int32(clamping: $0.status) }), \(requests.map { Int32(clamping: $0.steps) }),
                \(requests.map { Int32(clamping: $0.escalations) }), \(requests.map { $0.degraded?.rawValue }),
                \(requests.map(\.slmInputTokens)), \(requests.map(\.slmOutputTokens)), \(requests.map(\.costNanoUSD)),
                \(requests.map(\.milliseconds)), \(requests.map { clean($0.slm) }),
                \(requests.map { $0.outcome.map { PostgresJSON($0) } }), \(refused))
                as r (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps, escalations,
                  degraded, input, output, cost_n, milliseconds, slm, outcome, refused)),
            recorded as (
              insert into requests (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps,
                escalations, degraded, slm_input_tokens, slm_output_tokens, cost_n, milliseconds)
              select id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps, escalations,
                degraded, input, output, cost_n, milliseconds from finished
              on conflict do nothing returning id),
            charged as (
              insert into slm_charges (request_id, started_at, tenant_id, team_id, key_id, route, model, price_id,
                input_tokens, output_tokens, amount)
              select r.id, r.started_at, r.tenant_id, r.team_id, r.key_id, r.route, r.slm, p.id, r.input, r.output,
                least(9223372036854775807, p.per_call_nano
                  + ceil((r.input::numeric * p.input_pico + r.output::numeric * p.output_pico) / 1000))::bigint
              from finished r join recorded using (id)
              cross join lateral (
                select p.* from prices p
                where p.provider = \(LocalRate.provider) and p.model in (r.slm, \(LocalRate.anyModel))
                  and p.effective_at <= r.started_at
                order by p.model = r.slm desc, p.effective_at desc limit 1) p
              where r.slm is not null and r.input + r.output > 0
              on conflict do nothing),
            refused as (
              insert into refusal_inbox (tenant_id, refused_at, request_id, step, attempt, team_id, key_id, route,
                model, kind, refusal, price_id, wanted, more, reward_raw, reward_calibrated, shadow_price, actions,
                reason, slm_sha256, prm_sha256, prompt_hash, gateway)
              select r.tenant_id, x.refused_at, r.id, x.step, x.attempt, r.team_id, r.key_id, r.route, x.model,
                x.kind, x.refusal, x.price_id, x.wanted, x.more, x.reward_raw, x.reward_calibrated, x.shadow_price,
                x.actions, x.reason, x.slm_sha256, x.prm_sha256, x.prompt_hash, \(gateway)
              from finished r join recorded using (id) cross join lateral jsonb_to_recordset(r.refused) as x (
                step smallint, attempt smallint, refused_at timestamptz, model text, kind text, refusal text,
                price_id bigint, wanted bigint, more int, reward_raw float8, reward_calibrated float8,
                shadow_price float8, actions jsonb, reason text, slm_sha256 text, prm_sha256 text, prompt_hash text)
              where r.refused is not null)
            insert into router_outcomes (tenant_id, route, request, outcome)
            select tenant_id, route, id, outcome from finished join recorded using (id)
            where route is not null and outcome is not null
            """
    }
}
