internal import Foundation
internal import GatewayCore
internal import Postgres

extension LedgerStatements {
    /// Rows of finished requests, and what their routes' routers are to learn from them. One array a column: many rows
    /// cost the database little more than one.
    static func insert(_ requests: [RequestRecord]) -> PostgresStatement {
        """
        with finished as (
          select * from unnest(\(requests.map(\.id)), \(requests.map(\.startedAt)), \(requests.map(\.tenantID)),
            \(requests.map(\.teamID)), \(requests.map(\.keyID)), \(requests.map { clean($0.model) }),
            \(requests.map { clean($0.route) }), \(requests.map { $0.servedBy?.rawValue }),
            \(requests.map { Int32(clamping: $0.status) }), \(requests.map { Int32(clamping: $0.steps) }),
            \(requests.map { Int32(clamping: $0.escalations) }), \(requests.map { $0.degraded?.rawValue }),
            \(requests.map(\.slmInputTokens)), \(requests.map(\.slmOutputTokens)), \(requests.map(\.costNanoUSD)),
            \(requests.map(\.milliseconds)), \(requests.map { $0.outcome.map { PostgresJSON($0) } }))
            as r (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps, escalations,
              degraded, slm_input_tokens, slm_output_tokens, cost_n, milliseconds, outcome)),
        recorded as (
          insert into requests (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps,
            escalations, degraded, slm_input_tokens, slm_output_tokens, cost_n, milliseconds)
          select id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps, escalations,
            degraded, slm_input_tokens, slm_output_tokens, cost_n, milliseconds from finished
          on conflict do nothing returning id)
        insert into router_outcomes (tenant_id, route, request, outcome)
        select tenant_id, route, id, outcome from finished join recorded using (id)
        where route is not null and outcome is not null
        """
    }
}
