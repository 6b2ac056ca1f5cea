package import Audit
internal import Postgres

/// A checkpoint as it was signed.
package struct SignedCheckpoint: Sendable, Hashable {
    package var log: AuditLog
    package var size: Int64
    /// The note.
    package var note: String
}

extension AuditStore {
    /// Signs a checkpoint of every log that has grown since its latest one. Nil: another gateway is sealing.
    /// - Parameters:
    ///   - signers: the current key, and while it is being replaced the next one.
    ///   - deployment: what its logs' names begin with.
    package func checkpoint(
        signers: [NoteSigner], deployment: String
    ) async throws(LedgerError) -> [SignedCheckpoint]? {
        try await translated {
            try await pool.transaction { transaction in
                guard try await Self.isMine(transaction) else { return nil }
                let rows = try await transaction.query(
                    """
                    select u.log, u.tenant_id, b.last_seq, b.root
                    from (select 'escalations' as log, c.tenant_id from escalation_counters c
                      union all select 'refusals', c.tenant_id from refusal_counters c
                      union all select 'events', 0) u
                    cross join lateral (select b.last_seq, b.root from audit_blocks b
                      where b.log = u.log and b.tenant_id = u.tenant_id order by b.number desc limit 1) b
                    left join lateral (select k.size from audit_checkpoints k
                      where k.log = u.log and k.tenant_id = u.tenant_id order by k.size desc limit 1) k on true
                    where k.size is distinct from b.last_seq order by 1, 2
                    """
                ).rows
                let signed = try rows.map { try Self.sign($0, signers, deployment) }
                if !signed.isEmpty { try await Self.keep(signed, transaction) }
                return signed
            }
        }
    }

    private static func sign(
        _ row: PostgresRow, _ signers: [NoteSigner], _ deployment: String
    ) throws -> SignedCheckpoint {
        guard let kind = AuditKind(rawValue: try row.get("log")),
            let root = AuditHash(try row.get("root", as: [UInt8].self))
        else { throw LedgerError(.database, "a block is damaged") }
        let log = AuditLog(kind, tenant: try row.get("tenant_id"))
        let size: Int64 = try row.get("last_seq")
        let checkpoint = Checkpoint(origin: Checkpoint.origin(deployment, log), size: size, root: root)
        return SignedCheckpoint(
            log: log, size: size, note: try SignedNote(signing: checkpoint.text, by: signers).published)
    }

    private static func keep(_ signed: [SignedCheckpoint], _ transaction: PostgresTransaction) async throws {
        _ = try await transaction.query(
            """
            insert into audit_checkpoints (log, tenant_id, size, note)
            select * from unnest(\(signed.map(\.log.kind.rawValue)), \(signed.map(\.log.tenant)), \(signed.map(\.size)),
              \(signed.map(\.note)))
            """)
    }

    /// The latest checkpoint of each log: of a tenant's logs, or of all.
    package func latestCheckpoints(tenant: Int64? = nil) async throws(LedgerError) -> [SignedCheckpoint] {
        try await translated {
            let rows = try await pool.query(
                """
                select distinct on (log, tenant_id) log, tenant_id, size, note from audit_checkpoints
                where \(optional: tenant) is null or log <> 'events' and tenant_id = \(optional: tenant)
                order by log, tenant_id, size desc, at desc
                """
            ).rows
            return try rows.compactMap { try Self.checkpoint($0) }
        }
    }

    static func checkpoint(_ row: PostgresRow) throws -> SignedCheckpoint? {
        try AuditKind(rawValue: row.get("log")).map { kind in
            SignedCheckpoint(
                log: AuditLog(kind, tenant: try row.get("tenant_id")), size: try row.get("size"),
                note: try row.get("note"))
        }
    }
}
