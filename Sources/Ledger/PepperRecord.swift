package import Postgres

/// What a database knows of the pepper that its keys are hashed with.
///
/// Keys that were hashed with another one are unknown to everybody else, so another one is refused. Databases from
/// before have keys and no record: what a gateway serves with is taken for the right one, since its clients' keys work;
/// a command's cannot be told from a wrong one.
package struct PepperRecord: Hashable, Sendable {
    /// What errors about it name.
    package static let field = "secrets.key_pepper"

    private static let statement: PostgresStatement =
        "select (select p.proof from key_pepper p) as proof, exists (select from api_keys) as has_keys"

    private let proof: [UInt8]?
    private let hasKeys: Bool

    private init(_ result: PostgresResult) throws(PostgresError) {
        proof = try result.rows.first?.getOptional("proof", as: [UInt8].self)
        hasKeys = try result.rows.first?.get("has_keys", as: Bool.self) ?? false
    }

    /// Asks the database.
    package static func read(_ pool: PostgresPool) async throws(LedgerError) -> PepperRecord {
        do { return try PepperRecord(await pool.query(statement)) } catch { throw LedgerError(error) }
    }

    /// Whether there is a pepper that keys are hashed with, so that no other one may be made.
    package var isTaken: Bool { proof != nil || hasKeys }

    /// Whether there are keys, and no telling by which pepper.
    package var isUnproven: Bool { proof == nil && hasKeys }

    /// Refuses any pepper but the database's. Where it has none yet, any will do.
    /// - Parameter isServing: a gateway's, which will do where there are keys and no record, too.
    package func check(_ hasher: KeyHasher, isServing: Bool = false) throws(LedgerError) {
        if isUnproven, !isServing {
            throw LedgerError(
                .conflict, field: Self.field,
                "this database does not know yet which pepper its keys are hashed with: start a gateway with it "
                    + "(gboost serve), which records it")
        }
        guard proof == nil || proof == hasher.proof else {
            throw LedgerError(
                .conflict, field: Self.field,
                "this pepper is not the one that this database's keys are hashed with: name that one")
        }
    }

    /// For a gateway that serves: its pepper becomes the database's, unless there is one, which it must be.
    package static func adopt(_ hasher: KeyHasher, _ pool: PostgresPool) async throws(LedgerError) {
        var record = try await read(pool)
        if record.proof == nil {
            do { _ = try await pool.query(insertion(hasher)) } catch { throw LedgerError(error) }
            record = try await read(pool)
        }
        try record.check(hasher)
    }

    /// Before a key's hash is stored. The first key brings its pepper's record with it; of two at once, one waits here
    /// for the other and is compared with it.
    static func require(_ hasher: KeyHasher, _ transaction: PostgresTransaction) async throws {
        var record = try PepperRecord(await transaction.query(statement))
        if !record.isTaken {
            _ = try await transaction.query(insertion(hasher))
            record = try PepperRecord(await transaction.query(statement))
        }
        try record.check(hasher)
    }

    private static func insertion(_ hasher: KeyHasher) -> PostgresStatement {
        "insert into key_pepper (proof) values (\(hasher.proof)) on conflict do nothing"
    }
}
