package import Postgres

/// The rows of LiteLLM's own database that say who may spend what, each as JSON, whatever columns its version has.
package struct LiteLLMTables: Sendable {
    /// More of one table is not read in one go.
    package static let maxRows = 200_000
    /// What is read, by the name of its table.
    package static let names = [
        "LiteLLM_OrganizationTable", "LiteLLM_TeamTable", "LiteLLM_BudgetTable", "LiteLLM_VerificationToken",
        "LiteLLM_ProxyModelTable",
    ]
    /// What is only counted: there is nothing like it here.
    package static let counted = [
        "LiteLLM_UserTable", "LiteLLM_EndUserTable", "LiteLLM_TeamMembership", "LiteLLM_ProjectTable",
        "LiteLLM_TagTable",
    ]
    package private(set) var rows: [String: [String]] = [:]
    package private(set) var counts: [String: Int64] = [:]

    /// Reads all of it as of one moment, and writes nothing.
    package init(_ pool: PostgresPool) async throws(LedgerError) {
        do {
            (rows, counts) = try await pool.transaction(isolation: .repeatableRead) { transaction in
                var rows: [String: [String]] = [:]
                var counts: [String: Int64] = [:]
                for name in Self.names where try await Self.exists(name, transaction) {
                    rows[name] = try await Self.read(name, transaction)
                }
                for name in Self.counted where try await Self.exists(name, transaction) {
                    counts[name] = try await Self.count(name, transaction)
                }
                return (rows, counts)
            }
        } catch let error as LedgerError { throw error } catch let error as PostgresError {
            throw LedgerError(error)
        } catch { throw LedgerError(.database, "LiteLLM's database cannot be read: \(error)") }
        guard rows["LiteLLM_VerificationToken"] != nil else {
            throw LedgerError(.notFound, field: "database-url", "there is no table LiteLLM_VerificationToken")
        }
    }

    private static func exists(_ name: String, _ transaction: PostgresTransaction) async throws -> Bool {
        let found = try await transaction.query("select to_regclass(quote_ident(\(name))) is not null as found").rows
        return try found.first?.get("found") ?? false
    }

    private static func read(_ name: String, _ transaction: PostgresTransaction) async throws -> [String] {
        let rows = try await transaction.query(
            """
            select to_jsonb(t)::text as row from \(ident: name) t order by to_jsonb(t)::text limit \(maxRows + 1)
            """
        ).rows
        guard rows.count <= maxRows else {
            throw LedgerError(.invalid, field: name, "has more than \(maxRows) rows")
        }
        return try rows.map { try $0.get("row") }
    }

    private static func count(_ name: String, _ transaction: PostgresTransaction) async throws -> Int64 {
        let rows = try await transaction.query("select count(*) as n from \(ident: name)").rows
        return try rows.first?.get("n") ?? 0
    }
}
