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

    static func budget(_ row: PostgresRow) throws(PostgresError) -> BudgetState {
        BudgetState(
            scope: try row.get("scope"), period: try row.get("period"), limit: NanoUSD(try row.get("lim")),
            settled: NanoUSD(try row.get("settled")), held: NanoUSD(try row.get("held")),
            resetsAt: try row.getOptional("resets_at"))
    }

    /// PostgreSQL stores no zero bytes; a settlement must not fail for one in a provider's request id.
    static func clean(_ text: String) -> String {
        text.utf8.contains(0) ? text.replacing("\0", with: "") : text
    }
    static func clean(_ text: String?) -> String? { text.map { clean($0) } }
}
