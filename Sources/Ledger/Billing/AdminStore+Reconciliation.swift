package import Foundation
internal import GatewayCore
internal import Postgres

/// What the ledger has of one model in one span of time, for bills that only have sums.
package struct LedgerUsage: Sendable, Hashable {
    package var model: String
    package var nanoUSD: Int64
    package var inputTokens: Int64
    package var outputTokens: Int64
    /// Those that reached the model: no provider counts what it refused, or what was never sent.
    package var calls: Int64
}

extension AdminStore {
    /// Rows that are fetched at once.
    private static let fetchRows = 20_000

    /// Every paid call of a provider whose hold was taken in a span, its entries together.
    package func calls(ofProvider provider: String, in span: Range<Date>) async throws(LedgerError) -> [LedgerCall] {
        try await reading { transaction in
            _ = try await transaction.query("set local statement_timeout = 0")
            _ = try await transaction.query(
                """
                declare calls no scroll cursor for
                select e.request_id, e.step, e.attempt, e.tenant_id, t.name as tenant, p.model, e.provider_request,
                  e.amount, e.taken_at, coalesce(h.unreconciled, false) as unreconciled
                from (select e.request_id, e.step, e.attempt, min(e.tenant_id) as tenant_id,
                    min(e.price_id) as price_id, min(e.taken_at) as taken_at,
                    max(e.provider_request_id) as provider_request, sum(e.amount)::bigint as amount
                  from ledger_entries e join prices p on p.id = e.price_id
                  where p.provider = \(provider) and e.taken_at >= \(span.lowerBound)
                    and e.taken_at < \(span.upperBound)
                  group by 1, 2, 3) e
                join prices p on p.id = e.price_id join tenants t on t.id = e.tenant_id
                left join holds h on h.request_id = e.request_id and h.step = e.step and h.attempt = e.attempt
                """)
            var calls: [LedgerCall] = []
            while true {
                let rows = try await transaction.query(
                    "fetch \(unescaped: String(Self.fetchRows)) from calls"
                ).rows
                for row in rows {
                    calls.append(
                        LedgerCall(
                            request: try row.get("request_id"), step: try row.get("step"),
                            attempt: try row.get("attempt"), tenantID: try row.get("tenant_id"),
                            tenant: try row.get("tenant"), model: try row.get("model"),
                            providerRequest: try row.getOptional("provider_request"),
                            nanoUSD: try row.get("amount"), isUnreconciled: try row.get("unreconciled"),
                            takenAt: try row.get("taken_at")))
                }
                if rows.count < Self.fetchRows { return calls }
            }
        }
    }

    /// What a provider's models were used for in a span.
    package func usage(ofProvider provider: String, in span: Range<Date>) async throws(LedgerError) -> [LedgerUsage] {
        try await reading { transaction in
            try await transaction.query(
                """
                select p.model, sum(e.amount)::bigint as amount,
                  \(unescaped: TokenSum.of("e.input_tokens")) as input,
                  \(unescaped: TokenSum.of("e.output_tokens")) as output,
                  count(*) filter (where e.kind not in ('adjustment', 'release'))
                    - count(*) filter (where e.kind = 'adjustment' and e.outcome = 'failed') as calls
                from ledger_entries e join prices p on p.id = e.price_id
                where p.provider = \(provider) and e.taken_at >= \(span.lowerBound) and e.taken_at < \(span.upperBound)
                group by 1 order by 1
                """
            ).rows.map { row in
                LedgerUsage(
                    model: try row.get("model"), nanoUSD: try row.get("amount"), inputTokens: try row.get("input"),
                    outputTokens: try row.get("output"), calls: try row.get("calls"))
            }
        }
    }

    /// Posts the difference between what was set aside for a call and what its provider charged. True: it was posted
    /// now; false: somebody has settled it meanwhile.
    package func resolve(_ found: Reconciliation.Found, source: String) async throws(LedgerError) -> Bool {
        let (call, billed) = (found.call, found.billed)
        let record: [String: String] = [
            "kind": "unknown", "reason": "reconciled with \(source)", "provider": billed.providerRequest,
            "in": String(billed.inputTokens), "out": String(billed.outputTokens),
        ]
        return try await changing { transaction in
            let row = try await transaction.query(
                """
                select s.verdict from gboost_settle(\(call.request), \(call.step), \(call.attempt), 'c',
                  \(billed.nanoUSD), \(billed.inputTokens + billed.outputTokens),
                  \(PostgresJSON(try LedgerJSON.text(record))),
                  (select h.gateway from holds h where h.request_id = \(call.request) and h.step = \(call.step)
                    and h.attempt = \(call.attempt))) s
                """
            ).rows.first
            let isPosted = try row?.get("verdict", as: String.self) == "adjusted"
            if isPosted {
                // By its number: it may be deleted, and its name another's.
                try await note(
                    "hold.reconcile", (call.name, call.tenantID), before: ["nano_usd": call.nanoUSD],
                    after: ["nano_usd": billed.nanoUSD], transaction)
            }
            return isPosted
        }
    }
}
