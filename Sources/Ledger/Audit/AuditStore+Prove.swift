package import Audit
package import Foundation
internal import Postgres

/// Shows that one record is in its log, to somebody who has only a checkpoint.
package struct AuditProof: Sendable, Codable, Hashable {
    /// "escalations/7".
    package var log: String
    package var record: Int64
    /// The record's members; what they hash to is `leaf`.
    package var members: [String: String]
    package var leaf: String
    /// The tree that the proof leads to: a checkpoint's, or the last block's while there is none.
    package var size: Int64
    package var root: String
    /// Hexadecimal, from the leaf upwards (RFC 6962, 2.1.1).
    package var inclusion: [String]
    /// From the tree of `consistencyFrom` records (RFC 6962, 2.1.2), if it was asked for.
    package var consistency: [String]?
    package var consistencyFrom: Int64?
    /// The signed note; nil: no checkpoint reaches the record yet.
    package var checkpoint: String?
}

extension AuditStore {
    /// Most records of a log that proofs are made of: the leaf of each is read and hashed.
    private static let maxLeaves = 50_000_000

    /// The number of a call's latest record; nil when it has none.
    package func number(
        ofRequest request: UUID, step: Int16, attempt: Int16, in log: AuditLog
    ) async throws(LedgerError) -> Int64? {
        guard let source = TenantRecords(log.kind) else { return nil }
        return try await translated {
            try await pool.query(
                """
                select max(seq) as seq from \(unescaped: source.table) where tenant_id = \(log.tenant)
                  and request_id = \(request) and step = \(step) and attempt = \(attempt)
                """
            ).rows.first?.getOptional("seq")
        }
    }

    /// - Parameter old: the size of a tree that somebody has; the proof then also shows that it is the beginning.
    package func prove(
        _ number: Int64, in log: AuditLog, from old: Int64? = nil
    ) async throws(LedgerError) -> AuditProof {
        try await translated {
            try await pool.transaction(isolation: .repeatableRead) { transaction in
                let (size, note) = try await Self.target(number, log, transaction)
                guard let inclusion = MerkleProof.inclusionParts(of: Int(number) - 1, count: Int(size)) else {
                    throw LedgerError(.notFound, field: "record", "\(log) has no sealed record \(number)")
                }
                var consistency: [Range<Int>] = []
                if let old {
                    guard let parts = MerkleProof.consistencyParts(from: Int(old), count: Int(size)) else {
                        throw LedgerError(.invalid, field: "from", "is a number of 1…\(size)")
                    }
                    consistency = parts
                }
                var tree = MerkleParts([0..<Int(size)] + inclusion + consistency)
                let leaf = try await Self.read(log, size, leaf: number, into: &tree, transaction)
                let roots = tree.roots.map(\.hexadecimal)
                var proof = AuditProof(
                    log: log.description, record: number, members: try await Self.members(number, log, transaction),
                    leaf: leaf.hexadecimal, size: size, root: roots[0],
                    inclusion: Array(roots[1...].prefix(inclusion.count)), checkpoint: note)
                if let old {
                    proof.consistencyFrom = old
                    proof.consistency = Array(roots.suffix(consistency.count))
                }
                return proof
            }
        }
    }

    private static func target(
        _ number: Int64, _ log: AuditLog, _ transaction: PostgresTransaction
    ) async throws -> (size: Int64, note: String?) {
        let row = try await transaction.query(
            """
            select coalesce(k.size, b.last_seq) as size, k.note from (select max(last_seq) as last_seq from audit_blocks
              where log = \(log.kind.rawValue) and tenant_id = \(log.tenant)) b
            left join lateral (select k.size, k.note from audit_checkpoints k where k.log = \(log.kind.rawValue)
              and k.tenant_id = \(log.tenant) and k.size >= \(number) order by k.size desc, k.at desc limit 1) k on true
            """
        ).rows.first
        let size = try row?.getOptional("size", as: Int64.self) ?? 0
        guard number > 0, number <= size else {
            throw LedgerError(.notFound, field: "record", "\(log) has no sealed record \(number)")
        }
        guard size <= maxLeaves else {
            throw LedgerError(.invalid, field: "record", "\(log) has more than \(maxLeaves) records")
        }
        return (size, try row?.getOptional("note"))
    }

    /// Hands on a log's leaves in their order, some blocks in memory at a time; gives back that of a record.
    private static func read(
        _ log: AuditLog, _ size: Int64, leaf number: Int64, into tree: inout MerkleParts,
        _ transaction: PostgresTransaction
    ) async throws -> AuditHash {
        var wanted: AuditHash?
        while Int64(tree.count) < size {
            let rows = try await transaction.query(
                """
                select leaves from audit_blocks where log = \(log.kind.rawValue) and tenant_id = \(log.tenant)
                  and first_seq > \(Int64(tree.count)) and last_seq <= \(size) order by number limit 64
                """
            ).rows
            let before = tree.count
            for row in rows {
                for leaf in AuditHash.list(try row.get("leaves")) ?? [] {
                    tree.append(leaf)
                    if Int64(tree.count) == number { wanted = leaf }
                }
            }
            guard tree.count > before else { throw LedgerError(.database, "blocks of \(log) are missing") }
        }
        guard let wanted else { throw LedgerError(.database, "blocks of \(log) are missing") }
        return wanted
    }

    private static func members(
        _ number: Int64, _ log: AuditLog, _ transaction: PostgresTransaction
    ) async throws -> [String: String] {
        let columns = AuditColumns.of(log.kind)
        let statement: PostgresStatement =
            if let source = TenantRecords(log.kind) {
                """
                select \(unescaped: columns.list) from \(unescaped: source.table) e \(unescaped: source.join)
                where e.tenant_id = \(log.tenant) and e.seq = \(number)
                """
            } else {
                """
                select \(unescaped: columns.list) from audit_events a join events e on e.id = a.event_id
                where a.seq = \(number)
                """
            }
        guard let row = try await transaction.query(statement).rows.first else { return [:] }
        return columns.texts(row)
    }
}
