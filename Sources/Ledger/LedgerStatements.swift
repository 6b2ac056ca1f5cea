internal import Foundation
internal import GatewayCore
internal import Postgres

/// The statements of the paid hop: one function call each, since everything that decides is in the database.
enum LedgerStatements {
    /// - Parameter now: tests only; nil is the database's own clock.
    static func reserve(_ r: Reservation, gateway: UUID, now: Date?) -> PostgresStatement {
        """
        select verdict, scope, period, lim, settled, held, resets_at from gboost_reserve(
          \(r.id.request), \(r.id.step), \(r.id.attempt), \(r.caller.tenant.id), \(r.caller.keyID),
          \(optional: clean(r.route)), \(clean(r.model.provider)), \(clean(r.model.model)), \(r.priceID),
          \(r.amount.rawValue), \(gateway), \(optional: now))
        """
    }

    static func settle(_ s: Settlement, gateway: UUID) throws(PostgresError) -> PostgresStatement {
        var record = s.escalation
        record.reason = clean(record.reason)
        record.slmSHA256 = clean(record.slmSHA256)
        record.prmSHA256 = clean(record.prmSHA256)
        record.promptHash = clean(record.promptHash)
        record.answerHash = clean(record.answerHash)
        let json: String
        do { json = try LedgerJSON.text(record) } catch {
            throw PostgresError(.encoding, "an escalation record cannot be written as JSON")
        }
        let usage = s.usage.map { [$0.input, $0.cachedInput, $0.output, $0.reasoning] }
        return """
            select verdict, alarm, posted from gboost_settle(
              \(s.id.request), \(s.id.step), \(s.id.attempt), \(s.outcome.rawValue), \(s.amount.rawValue),
              \(optional: usage), \(optional: clean(s.providerRequestID)), \(PostgresJSON(json)), \(gateway))
            """
    }

    static func abandon(_ a: JournalRecord.Abandonment, gateway: UUID) -> PostgresStatement {
        """
        select gboost_abandon(\(a.id.request), \(a.id.step), \(a.id.attempt), \(a.tenantID), \(a.keyID), \(a.priceID),
          \(a.amount.rawValue), \(optional: clean(a.route)), \(gateway)) as verdict
        """
    }

    static func insert(_ r: RequestRecord) -> PostgresStatement {
        """
        insert into requests (id, started_at, tenant_id, team_id, key_id, model, route, served_by, status, steps,
          escalations, degraded, slm_input_tokens, slm_output_tokens, cost_n, milliseconds)
        values (\(r.id), \(r.startedAt), \(r.tenantID), \(optional: r.teamID), \(r.keyID), \(clean(r.model)),
          \(optional: clean(r.route)), \(optional: r.servedBy?.rawValue), \(Int32(clamping: r.status)),
          \(Int32(clamping: r.steps)), \(Int32(clamping: r.escalations)), \(optional: r.degraded?.rawValue),
          \(r.slmInputTokens), \(r.slmOutputTokens), \(r.costNanoUSD), \(r.milliseconds))
        on conflict do nothing
        """
    }

    static func states(tenantID: Int64, keyID: Int64, now: Date?) -> PostgresStatement {
        """
        select scope, period, lim, settled, held, resets_at, is_tenant from gboost_budget_states(
          \(tenantID), (select team_id from api_keys where id = \(keyID)), \(keyID), \(optional: now))
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
