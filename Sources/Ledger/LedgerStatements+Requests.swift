internal import Foundation
internal import GatewayCore
internal import Postgres

extension LedgerStatements {
    /// Rows of finished requests, and with each or not at all: what its route's router is to learn from it, and what its
    /// local model is charged, where that has a rate (the one in force when the request began: exact, rounded up once,
    /// and once however often it is recorded). One array a column: many rows cost the database little more than one.
    static func insert(_ requests: [RequestRecord]) -> PostgresStatement {
        """
        with finished as (
          select * from unnest(\(requests.map(\.id)), \(requests.map(\.startedAt)), \(requests.map(\.tenantID)),
            \(requests.map(\.teamID)), \(requests.map(\.keyID)), \(requests.map { clean($0.model) }),
            \(requests.map { clean($0.route) }), \(requests.map { $0.servedBy?.rawValue }),
            \(requests.map { Int32(clamping: $0.status) }), \(requests.map { Int32(clamping: $0.steps) }),
            \(requests.map { Int32(clamping: $0.escalations) }), \(requests.map { $0.degraded?.rawValue }),
            \(requests.map(\.slmInputTokens)), \(requests.map(\.slmOutputTokens)), \(requests.map(\.costNanoUSD)),
            \(requests.map(\.milliseconds)), \(requests.map { clean($0.slm) }),
            \(requests.map { $0.outcome.map { PostgresJSON($0) } }))
            as r (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps, escalations,
              degraded, input, output, cost_n, milliseconds, slm, outcome)),
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
          on conflict do nothing)
        insert into router_outcomes (tenant_id, route, request, outcome)
        select tenant_id, route, id, outcome from finished join recorded using (id)
        where route is not null and outcome is not null
        """
    }
}
