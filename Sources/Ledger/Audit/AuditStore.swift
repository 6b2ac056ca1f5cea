internal import Audit
internal import Foundation
package import Postgres

/// The audit's blocks and checkpoints in the database.
package struct AuditStore: Sendable {
    let pool: PostgresPool

    /// Serializes sealing over all gateways.
    static let lockKeys = "7161021, 7"

    package init(pool: PostgresPool) { self.pool = pool }

    /// What a log was sealed to.
    struct Head: Sendable {
        var log: AuditLog
        var number: Int64
        var frontier: MerkleFrontier
    }

    static func head(_ log: AuditLog, _ row: PostgresRow) throws -> Head {
        let size = try row.getOptional("last_seq", as: Int64.self) ?? 0
        let subtrees = AuditHash.list(try row.getOptional("frontier") ?? [])
        guard let frontier = subtrees.flatMap({ MerkleFrontier(size: size, subtrees: $0) }) else {
            throw LedgerError(.database, "the last block of \(log) is damaged: run gboost audit verify")
        }
        return Head(log: log, number: try row.getOptional("number") ?? 0, frontier: frontier)
    }

    func translated<R>(_ body: () async throws -> R) async throws(LedgerError) -> R {
        do { return try await body() } catch let error as LedgerError {
            throw error
        } catch let error as PostgresError {
            throw LedgerError(error)
        } catch {
            throw LedgerError(.database, "\(error)")
        }
    }
}

extension AdminStore {
    /// The audit of the same database.
    package var audit: AuditStore { AuditStore(pool: pool) }
}

extension AuditBlock {
    init(_ row: PostgresRow, log: AuditLog) throws {
        guard let previous = AuditHash(try row.get("previous", as: [UInt8].self)),
            let root = AuditHash(try row.get("root", as: [UInt8].self)),
            let leaves = AuditHash.list(try row.get("leaves"))
        else { throw LedgerError(.database, "a block of \(log) is damaged") }
        self.init(
            log: log, number: try row.get("number"), records: (try row.get("first_seq"), try row.get("last_seq")),
            roots: (previous, root), leaves: leaves)
    }
}
