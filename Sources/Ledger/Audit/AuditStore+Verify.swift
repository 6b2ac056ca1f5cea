package import Audit
internal import Foundation
internal import Postgres

extension AuditStore {
    /// Records and blocks that are read at once: bounds the memory.
    private static let recordsAPage: Int64 = 2048
    private static let blocksAPage: Int64 = 64
    /// Logs that are read at once, each over a connection.
    static let parallelLogs = 2

    /// Every log of the database: a tenant's, or all.
    package func logs(tenant: Int64? = nil) async throws(LedgerError) -> [(log: AuditLog, name: String)] {
        try await translated {
            let rows = try await pool.query(
                """
                select u.log, u.id, coalesce((select t.name from tenants t where t.id = u.id), '') as name from (
                  select 'escalations' as log, tenant_id as id from escalation_counters
                  union select 'escalations', t.id from tenants t
                    where exists (select from ledger_entries l where l.tenant_id = t.id)
                  union select 'refusals', tenant_id from refusal_counters
                  union select log, tenant_id from audit_blocks
                  union select log, tenant_id from audit_checkpoints
                  union select 'events', 0) u
                where \(optional: tenant) is null or u.log <> 'events' and u.id = \(optional: tenant)
                order by u.log, u.id
                """
            ).rows
            return try rows.compactMap { row in
                guard let kind = AuditKind(rawValue: try row.get("log")) else { return nil }
                return (AuditLog(kind, tenant: try row.get("id")), try row.get("name"))
            }
        }
    }

    /// Verifies what is sealed, against what known keys have signed.
    /// - Parameters:
    ///   - keys: none: checkpoints are not looked at.
    ///   - published: checkpoints from elsewhere, beside those in the database.
    ///   - tenant: `logs` are all of this tenant's, so that one of its that a published checkpoint knows must be among
    ///     them; nil: they are all that there are.
    package func verify(
        _ logs: [AuditLog], keys: [NoteVerifier], published: [String] = [], tenant: Int64? = nil
    ) async throws(LedgerError) -> AuditReport {
        try await translated {
            var shelf = CheckpointShelf(keys: keys)
            for note in published { shelf.add(note) }
            let given = shelf
            return try await withThrowingTaskGroup(of: AuditReport.self) { group in
                var report = AuditReport()
                for (number, log) in logs.enumerated() {
                    if number >= Self.parallelLogs, let next = try await group.next() { report.add(next) }
                    group.addTask { try await verify(log, given) }
                }
                while let next = try await group.next() { report.add(next) }
                report.findings += given.findings + given.absent(from: Set(logs), tenant: tenant)
                report.findings.sort { ($0.log, $0.record ?? 0, $0.message) < ($1.log, $1.record ?? 0, $1.message) }
                return report
            }
        }
    }

    /// One log, at one moment of the database.
    @concurrent private func verify(_ log: AuditLog, _ given: CheckpointShelf) async throws -> AuditReport {
        try await pool.transaction(isolation: .repeatableRead) { transaction in
            var shelf = given
            for note in try await Self.checkpoints(log, transaction) { shelf.add(note, expected: log) }
            let expired = try await Self.expired(log, transaction)
            var verifier = LogVerifier(
                log: log, published: shelf.published[log] ?? [], own: shelf.own[log] ?? [], expired: expired)
            var unsealed: Int64 = 0
            var unreadable: Int64?
            let columns = AuditColumns.of(log.kind)
            var reader = AuditReader(columns)
            try await Self.walk(log, transaction) { step in
                switch step {
                case .block(let block): verifier.begin(block)
                case .records(let rows):
                    for row in rows where verifier.finding == nil {
                        verifier.record(try columns.number(row), leaf: reader.leaf(row))
                    }
                case .unsealed(let rows):
                    unsealed += Int64(rows.count)
                    for row in rows where unreadable == nil {
                        let (number, leaf) = (try columns.number(row), reader.leaf(row))
                        verifier.unsealed(number, leaf: leaf)
                        if leaf == nil { unreadable = number }
                    }
                }
                return verifier.finding == nil
            }
            let unnumbered = log.kind == .events ? try await Self.eventsOfNoLog(transaction) : 0
            var report = verifier.end(unnumbered: unnumbered)
            report.unsealed = unsealed + unnumbered
            if report.isClean, let unreadable {
                let message = "its JSON is too deep: neither it nor what follows can be sealed"
                report.findings.append(AuditFinding(.changed, log, record: unreadable, message))
            }
            let records = report.records + report.expired + unsealed
            if report.isClean, let finding = try await Self.count(log, records, transaction) {
                report.findings.append(finding)
            }
            if log.kind == .events, report.isClean { report.findings += try await Self.statements(transaction) }
            report.findings += shelf.findings.dropFirst(given.findings.count)
            return report
        }
    }

    /// Events that the sealer has not put into their log yet.
    private static func eventsOfNoLog(_ transaction: PostgresTransaction) async throws -> Int64 {
        let row = try await transaction.query(
            """
            select count(*) as count from events e
            where not exists (select from audit_events a where a.event_id = e.id)
            """
        ).rows.first
        return try row?.get("count", as: Int64.self) ?? 0
    }

    /// The last record that retention has dropped, by its own event. Only by one that is sealed: anybody who may add a
    /// row to the table could otherwise explain what he has removed.
    static func expired(_ log: AuditLog, _ transaction: PostgresTransaction) async throws -> Int64 {
        guard let source = TenantRecords(log.kind) else { return 0 }
        let row = try await transaction.query(
            """
            select max((e.after->\(source.expired)->>\(String(log.tenant)))::bigint) as last
            from audit_events a join events e on e.id = a.event_id
            where e.action = 'partition.drop' and e.tenant_id is null and a.seq <= (select b.last_seq
              from audit_blocks b where b.log = 'events' and b.tenant_id = 0 order by b.number desc limit 1)
            """
        ).rows.first
        return try row?.getOptional("last") ?? 0
    }

    static func checkpoints(_ log: AuditLog, _ transaction: PostgresTransaction) async throws -> [String] {
        try await transaction.query(
            """
            select note from audit_checkpoints where log = \(log.kind.rawValue) and tenant_id = \(log.tenant)
            order by size, at
            """
        ).rows.map { try $0.get("note") }
    }

    /// The tenant's counter, which only ever grows, against the records that are there.
    private static func count(
        _ log: AuditLog, _ records: Int64, _ transaction: PostgresTransaction
    ) async throws -> AuditFinding? {
        guard let source = TenantRecords(log.kind) else { return nil }
        let row = try await transaction.query(
            "select seq from \(unescaped: source.counters) where tenant_id = \(log.tenant)"
        ).rows.first
        let counted = try row?.get("seq", as: Int64.self) ?? 0
        guard counted == records else {
            return AuditFinding(
                .count, log, record: min(counted, records) + 1,
                "the ledger has counted \(counted), but there are \(records)")
        }
        guard log.kind == .escalations else { return nil }
        // Entries stay for ever, and are what is billed: each has a record, even if retention has dropped that.
        let billed = try await transaction.query(
            "select count(*) as entries from ledger_entries where tenant_id = \(log.tenant)"
        ).rows.first
        let entries = try billed?.get("entries", as: Int64.self) ?? 0
        guard entries != counted else { return nil }
        return AuditFinding(
            .count, log,
            "the ledger has \(entries) entries, but has counted \(counted): what is billed is not what is recorded")
    }

    enum Step {
        case block(AuditBlock)
        case records(ArraySlice<PostgresRow>)
        case unsealed(ArraySlice<PostgresRow>)
    }

    /// A log's blocks, each before its records, then the records that are in none. `body` says whether to go on.
    ///
    /// While `body` works on a page the next one is on its way: server and reader each have a processor.
    static func walk(
        _ log: AuditLog, _ transaction: PostgresTransaction, _ body: (Step) async throws -> Bool
    ) async throws {
        var blocks = BlockPages(log: log)
        let columns = AuditColumns.of(log.kind)
        var last: Int64 = 0
        // Not from 1: whoever adds a row may give it any number.
        var rows = try await page(log, after: (.min, "-infinity"), transaction)
        while let end = rows.last {
            let isOver = Int64(rows.count) < recordsAPage
            let after = (try columns.number(end), String(decoding: end.bytes(at: columns.at) ?? [], as: UTF8.self))
            async let next = isOver ? [] : page(log, after: after, transaction)
            var rest = rows[...]
            while let first = rest.first {
                let number = try columns.number(first)
                while number > last, let block = try await blocks.next(transaction) {
                    last = max(last, block.last)
                    guard try await body(.block(block)) else { return }
                }
                guard number <= last else {
                    guard try await body(.unsealed(rest)) else { return }
                    break
                }
                let own = try rest.prefix { try columns.number($0) <= last }
                rest = rest[own.endIndex...]
                guard try await body(.records(own)) else { return }
            }
            rows = try await next
        }
        while let block = try await blocks.next(transaction) {
            guard try await body(.block(block)) else { return }
        }
    }

    private static func page(
        _ log: AuditLog, after: (number: Int64, at: String), _ transaction: PostgresTransaction
    ) async throws -> [PostgresRow] {
        let columns = AuditColumns.of(log.kind)
        guard let source = TenantRecords(log.kind) else {
            return try await transaction.query(
                """
                select \(unescaped: columns.list) from audit_events a join events e on e.id = a.event_id
                where a.seq > \(after.number) order by a.seq limit \(recordsAPage)
                """
            ).rows
        }
        let rows = try await transaction.query(
            """
            select \(unescaped: columns.list) from (select e.* from \(unescaped: source.table) e
              where e.tenant_id = \(log.tenant) and (e.seq, e.at) > (\(after.number), \(after.at)::timestamptz)
              order by e.seq, e.at limit \(recordsAPage)) e
            \(unescaped: source.join)
            """
        ).rows
        return try columns.ordered(rows)
    }

    /// A log's blocks, a page at a time.
    private struct BlockPages {
        let log: AuditLog
        private var page: [AuditBlock] = []
        private var number: Int64 = 0
        private var isOver = false

        init(log: AuditLog) { self.log = log }

        mutating func next(_ transaction: PostgresTransaction) async throws -> AuditBlock? {
            if page.isEmpty, !isOver {
                let rows = try await transaction.query(
                    """
                    select number, first_seq, last_seq, previous, root, leaves from audit_blocks
                    where log = \(log.kind.rawValue) and tenant_id = \(log.tenant) and number > \(number)
                    order by number limit \(AuditStore.blocksAPage)
                    """
                ).rows
                page = try rows.map { try AuditBlock($0, log: log) }.reversed()
                isOver = Int64(rows.count) < AuditStore.blocksAPage
            }
            guard let block = page.popLast() else { return nil }
            number = block.number
            return block
        }
    }
}
