package import Audit
internal import Foundation
internal import Postgres

/// What one round of sealing did.
package struct SealSummary: Sendable, Hashable {
    /// False: another gateway is at it.
    package var isMine = true
    package var records: Int64 = 0
    package var blocks = 0
    /// How long the oldest record that was sealed had waited, in seconds.
    package var lag = 0.0
    /// Logs that cannot be gone on with: for their last block, or for the next record.
    package var damaged: [AuditLog] = []
    /// Whether more are waiting.
    package var isFull = false
}

extension AuditStore {
    /// Most records of one round: bounds its memory and its transaction.
    static let recordsPerRound = 16_384
    /// Most logs of one round.
    static let logsPerRound = 1024

    /// How far back a round that looks at recent events only looks for those that were committed late.
    private static let eventWindow: Int64 = 1000

    /// Seals what has been recorded since: one gateway at a time, records of a log in their order.
    /// - Parameter allEvents: looks for events however late they were committed, which reads all there are; else for
    ///   recent ones.
    package func seal(allEvents: Bool = true) async throws(LedgerError) -> SealSummary {
        try await translated {
            try await pool.transaction { transaction in
                guard try await Self.isMine(transaction) else { return SealSummary(isMine: false) }
                // Each entry is looked up once: to remember it for the next record costs more than the look.
                _ = try await transaction.query("set local enable_memoize = off")
                var summary = SealSummary()
                try await Self.sealTenants(.escalations, &summary, transaction)
                _ = try await transaction.query("select gboost_number_refusals(\(Int32(Self.recordsPerRound)))")
                try await Self.sealTenants(.refusals, &summary, transaction)
                try await Self.sealEvents(all: allEvents, &summary, transaction)
                return summary
            }
        }
    }

    static func isMine(_ transaction: PostgresTransaction) async throws -> Bool {
        let row = try await transaction.query(
            "select pg_try_advisory_xact_lock(\(unescaped: lockKeys)) as mine"
        ).rows.first
        return try row?.get("mine") ?? false
    }

    private static func sealTenants(
        _ kind: AuditKind, _ summary: inout SealSummary, _ transaction: PostgresTransaction
    ) async throws {
        guard let source = TenantRecords(kind) else { return }
        let rows = try await transaction.query(
            """
            select c.tenant_id, b.number, b.last_seq, b.frontier from \(unescaped: source.counters) c
            left join lateral (select b.number, b.last_seq, b.frontier from audit_blocks b
              where b.log = \(kind.rawValue) and b.tenant_id = c.tenant_id order by b.number desc limit 1) b on true
            where c.seq > coalesce(b.last_seq, 0) order by c.tenant_id limit \(Int64(logsPerRound))
            """
        ).rows
        var heads: [Head] = []
        for row in rows {
            let log = AuditLog(kind, tenant: try row.get("tenant_id"))
            // One log that somebody has damaged must not keep the others from being sealed.
            if let head = try? head(log, row) { heads.append(head) } else { summary.damaged.append(log) }
        }
        guard !heads.isEmpty else { return }
        let each = max(16, min(AuditBlock.maxRecords, recordsPerRound / heads.count))
        let columns = AuditColumns.of(kind)
        let records = try await transaction.query(
            """
            select \(unescaped: columns.list)
            from unnest(\(heads.map(\.log.tenant)), \(heads.map(\.frontier.size))) u(tenant, size)
            cross join lateral (select e.* from \(unescaped: source.table) e
              where e.tenant_id = u.tenant and e.seq > u.size order by e.seq, e.at limit \(Int64(each))) e
            \(unescaped: source.join)
            """
        ).rows
        let largest = try await seal(records, heads, columns, &summary, transaction)
        summary.isFull = summary.isFull || heads.count == logsPerRound || largest >= each
    }

    private static func sealEvents(
        all: Bool, _ summary: inout SealSummary, _ transaction: PostgresTransaction
    ) async throws {
        let log = AuditLog(.events)
        let last = try await transaction.query(
            """
            select b.number, b.last_seq, b.frontier from audit_blocks b where b.log = 'events' and b.tenant_id = 0
            order by b.number desc limit 1
            """
        ).rows.first
        // As with a tenant's log: one that somebody has damaged must not keep the others from being sealed.
        let beginning = Head(log: log, number: 0, frontier: MerkleFrontier())
        guard let head = try? last.map({ try Self.head(log, $0) }) ?? beginning else {
            summary.damaged.append(log)
            return
        }
        let recent = "e.id > coalesce((select max(a.event_id) from audit_events a), 0) - \(eventWindow) and"
        _ = try await transaction.query(
            """
            insert into audit_events (seq, event_id)
            select coalesce((select max(a.seq) from audit_events a), 0) + row_number() over (order by e.id), e.id
            from events e
            where \(unescaped: all ? "" : recent) not exists (select from audit_events a where a.event_id = e.id)
            order by e.id limit \(Int64(AuditBlock.maxRecords))
            """)
        let columns = AuditColumns.events
        let records = try await transaction.query(
            """
            select \(unescaped: columns.list)
            from audit_events a join events e on e.id = a.event_id where a.seq > \(head.frontier.size) order by a.seq
            """
        ).rows
        _ = try await seal(records, [head], columns, &summary, transaction)
    }

    /// Rows by log and number. They come so: to ask the server for it would have it sort wide rows on disk.
    private static func ordered(
        _ rows: [PostgresRow], _ columns: AuditColumns
    ) throws -> [(tenant: Int64, number: Int64, row: PostgresRow)] {
        let all = try rows.map { (tenant: try columns.tenant($0), number: try columns.number($0), row: $0) }
        let isOrdered = zip(all, all.dropFirst()).allSatisfy { ($0.tenant, $0.number) <= ($1.tenant, $1.number) }
        return isOrdered ? all : all.sorted { ($0.tenant, $0.number) < ($1.tenant, $1.number) }
    }

    /// One block for each head that has records; gives back how many the largest has.
    private static func seal(
        _ rows: [PostgresRow], _ heads: [Head], _ columns: AuditColumns, _ summary: inout SealSummary,
        _ transaction: PostgresTransaction
    ) async throws -> Int {
        let (leaves, oldest) = try Self.leaves(rows, heads, columns, &summary)
        let sealed = heads.compactMap { head -> (block: AuditBlock, frontier: MerkleFrontier)? in
            guard let leaves = leaves[head.log.tenant] else { return nil }
            return AuditBlock.sealing(leaves, log: head.log, number: head.number + 1, after: head.frontier)
        }
        guard let kind = sealed.first?.block.log.kind else { return 0 }
        let blocks = sealed.map(\.block)
        let waited = try await transaction.query(
            """
            insert into audit_blocks (log, tenant_id, number, first_seq, last_seq, previous, root, frontier, leaves)
            select \(kind.rawValue), * from unnest(\(blocks.map(\.log.tenant)), \(blocks.map(\.number)),
              \(blocks.map(\.first)), \(blocks.map(\.last)), \(blocks.map(\.previous.bytes)),
              \(blocks.map(\.root.bytes)),
              \(sealed.map { AuditHash.bytes($0.frontier.subtrees) }), \(blocks.map { AuditHash.bytes($0.leaves) }))
            returning extract(epoch from clock_timestamp() - \(optional: oldest)::timestamptz)::float8 as waited
            """
        ).rows.first
        summary.lag = max(summary.lag, try waited?.getOptional("waited") ?? 0)
        summary.blocks += blocks.count
        summary.records += blocks.reduce(0) { $0 + Int64($1.leaves.count) }
        return leaves.values.reduce(0) { max($0, $1.count) }
    }

    /// The leaf hashes that come after each head, by tenant, and the moment of the oldest of these records.
    private static func leaves(
        _ rows: [PostgresRow], _ heads: [Head], _ columns: AuditColumns, _ summary: inout SealSummary
    ) throws -> (byTenant: [Int64: [AuditHash]], oldest: String?) {
        var leaves: [Int64: [AuditHash]] = [:]
        let heads = Dictionary(uniqueKeysWithValues: heads.map { ($0.log.tenant, $0) })
        var reader = AuditReader(columns)
        var oldest: String?
        var rest = try ordered(rows, columns)[...]
        while let first = rest.first {
            let records = rest.prefix { $0.tenant == first.tenant }
            rest = rest[records.endIndex...]
            guard let head = heads[first.tenant] else { continue }
            var own: [AuditHash] = []
            // A number that is missing or doubled stays unsealed, and all after it: that is for a person to look at.
            for record in records where record.number == head.frontier.size + Int64(own.count) + 1 {
                guard let leaf = reader.leaf(record.row) else {
                    // So does one that has no canonical form; the other logs are sealed.
                    summary.damaged.append(head.log)
                    break
                }
                if own.isEmpty {
                    // A log's records wait in their order. In UTC, the year first: the earlier one is the lesser text.
                    let at = String(decoding: record.row.bytes(at: columns.at) ?? [], as: UTF8.self)
                    oldest = min(oldest ?? at, at)
                }
                own.append(leaf)
            }
            if !own.isEmpty { leaves[first.tenant] = own }
        }
        return (leaves, oldest)
    }
}
