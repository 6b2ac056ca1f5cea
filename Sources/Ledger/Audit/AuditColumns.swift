internal import Audit
internal import Postgres

/// Where the members of a log's records stand in the database, in ascending order of their names.
struct AuditColumns: Sendable {
    struct Member: Sendable {
        var name: String
        /// Constant text.
        var sql: String
        var isJSON = false
    }

    /// An escalation `e` with its ledger entry `l`, both as PostgreSQL writes them with UTC and ISO dates.
    static let escalations = AuditColumns(
        [
            Member(name: "log", sql: "'escalations'"), Member(name: "tenant", sql: "e.tenant_id"),
            Member(name: "seq", sql: "e.seq"), Member(name: "at", sql: "e.at"),
            Member(name: "entry", sql: "e.entry_id"), Member(name: "entry_kind", sql: "e.entry_kind"),
            Member(name: "request", sql: "e.request_id"), Member(name: "step", sql: "e.step"),
            Member(name: "attempt", sql: "e.attempt"), Member(name: "team", sql: "e.team_id"),
            Member(name: "key", sql: "e.key_id"), Member(name: "route", sql: "e.route"),
            Member(name: "price", sql: "e.price_id"), Member(name: "held", sql: "e.held"),
            Member(name: "amount", sql: "e.amount"), Member(name: "outcome", sql: "e.outcome"),
            Member(name: "kind", sql: "e.kind"), Member(name: "reward_raw", sql: "e.reward_raw"),
            Member(name: "reward", sql: "e.reward_calibrated"), Member(name: "shadow_price", sql: "e.shadow_price"),
            Member(name: "actions", sql: "e.actions::text", isJSON: true), Member(name: "reason", sql: "e.reason"),
            Member(name: "slm_sha256", sql: "e.slm_sha256"), Member(name: "prm_sha256", sql: "e.prm_sha256"),
            Member(name: "prompt_hash", sql: "e.prompt_hash"), Member(name: "answer_hash", sql: "e.answer_hash"),
            Member(name: "gateway", sql: "e.gateway"), Member(name: "taken_at", sql: "l.taken_at"),
            Member(name: "input", sql: "l.input_tokens"), Member(name: "cached_input", sql: "l.cached_input_tokens"),
            Member(name: "output", sql: "l.output_tokens"), Member(name: "reasoning", sql: "l.reasoning_tokens"),
            Member(name: "cache_write_5m", sql: "l.cache_write_5m_tokens"),
            Member(name: "cache_write_1h", sql: "l.cache_write_1h_tokens"), Member(name: "images", sql: "l.images"),
            Member(name: "batch", sql: "l.is_batch::text"),
            Member(name: "provider_request", sql: "l.provider_request_id"),
            Member(name: "usage", sql: "l.usage::text", isJSON: true),
            Member(name: "tags", sql: "nullif(array_to_string(l.tags, ','), '')"),
            Member(name: "periods", sql: "array_to_string(l.periods, ',')"),
        ])

    /// A refusal `e`.
    static let refusals = AuditColumns(
        [
            Member(name: "log", sql: "'refusals'"), Member(name: "tenant", sql: "e.tenant_id"),
            Member(name: "seq", sql: "e.seq"), Member(name: "at", sql: "e.at"),
            Member(name: "refused_at", sql: "e.refused_at"), Member(name: "request", sql: "e.request_id"),
            Member(name: "step", sql: "e.step"), Member(name: "attempt", sql: "e.attempt"),
            Member(name: "team", sql: "e.team_id"), Member(name: "key", sql: "e.key_id"),
            Member(name: "route", sql: "e.route"), Member(name: "model", sql: "e.model"),
            Member(name: "kind", sql: "e.kind"), Member(name: "refusal", sql: "e.refusal"),
            Member(name: "price", sql: "e.price_id"), Member(name: "wanted", sql: "e.wanted"),
            Member(name: "more", sql: "e.more"),
            Member(name: "reward_raw", sql: "e.reward_raw"), Member(name: "reward", sql: "e.reward_calibrated"),
            Member(name: "shadow_price", sql: "e.shadow_price"),
            Member(name: "actions", sql: "e.actions::text", isJSON: true), Member(name: "reason", sql: "e.reason"),
            Member(name: "slm_sha256", sql: "e.slm_sha256"), Member(name: "prm_sha256", sql: "e.prm_sha256"),
            Member(name: "prompt_hash", sql: "e.prompt_hash"), Member(name: "gateway", sql: "e.gateway"),
        ])

    /// An event `e` with its place `a` in the log.
    static let events = AuditColumns(
        [
            Member(name: "log", sql: "'events'"), Member(name: "tenant", sql: "0"), Member(name: "seq", sql: "a.seq"),
            Member(name: "event", sql: "e.id"), Member(name: "at", sql: "e.at"),
            Member(name: "of_tenant", sql: "e.tenant_id"), Member(name: "actor", sql: "e.actor"),
            Member(name: "origin", sql: "e.origin"),
            Member(name: "action", sql: "e.action"), Member(name: "subject", sql: "e.subject"),
            Member(name: "before", sql: "e.before::text", isJSON: true),
            Member(name: "after", sql: "e.after::text", isJSON: true),
        ])

    /// The ledger entry of an escalation. Where both tables say the same thing they must agree: one that does not is
    /// none of it, and its members are missing.
    static let entryJoin = """
        left join ledger_entries l on l.id = e.entry_id and l.tenant_id = e.tenant_id and l.key_id = e.key_id
          and l.team_id is not distinct from e.team_id and l.price_id = e.price_id and l.amount = e.amount
          and l.held = e.held and l.kind = e.entry_kind and l.outcome is not distinct from e.outcome
          and l.route is not distinct from e.route and l.request_id = e.request_id and l.step = e.step
          and l.attempt = e.attempt
        """

    let members: [Member]
    /// What a statement selects, in the members' order.
    let list: String
    private let prefixes: [[UInt8]]
    private let names: [[UInt8]]
    private let seq: Int
    private let tenant: Int
    let at: Int

    private init(_ members: [Member]) {
        let sorted = members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        self.members = sorted
        list = sorted.map(\.sql).joined(separator: ", ")
        prefixes = sorted.map { RecordEncoding.prefix($0.name) }
        names = sorted.map { Array($0.name.utf8) }
        func index(_ name: String) -> Int { sorted.firstIndex { $0.name == name } ?? 0 }
        (seq, tenant, at) = (index("seq"), index("tenant"), index("at"))
    }

    static func of(_ kind: AuditKind) -> AuditColumns {
        switch kind {
        case .escalations: escalations
        case .refusals: refusals
        case .events: events
        }
    }

    /// The record's number in its log.
    func number(_ row: PostgresRow) throws(LedgerError) -> Int64 { try integer(row, seq) }

    /// Whose log it is in.
    func tenant(_ row: PostgresRow) throws(LedgerError) -> Int64 { try integer(row, tenant) }

    private func integer(_ row: PostgresRow, _ column: Int) throws(LedgerError) -> Int64 {
        guard let bytes = row.bytes(at: column), let number = Int64(String(decoding: bytes, as: UTF8.self)) else {
            throw LedgerError(.database, "a record has no number")
        }
        return number
    }

    /// The record's leaf hash. `encoding` is scratch space.
    func leaf(_ row: PostgresRow, _ encoding: inout RecordEncoding) throws(LedgerError) -> AuditHash {
        encoding.reset()
        for (index, member) in members.enumerated() {
            guard let count = row.byteCount(at: index) else { continue }
            if member.isJSON {
                encoding.append(prefix: prefixes[index], value: try json(row, index))
            } else {
                encoding.append(prefix: prefixes[index], count: count) { row.append(column: index, to: &$0) }
            }
        }
        return encoding.leaf
    }

    /// The record's members, as an export has them.
    func write(_ row: PostgresRow, to line: inout RecordLine) throws(LedgerError) {
        for (index, member) in members.enumerated() {
            guard let value = member.isJSON ? try jsonIfThere(row, index) : row.bytes(at: index) else { continue }
            line.append(name: names[index], value: value)
        }
    }

    /// The record's members as texts.
    func texts(_ row: PostgresRow) throws(LedgerError) -> [String: String] {
        var texts: [String: String] = [:]
        for (index, member) in members.enumerated() {
            guard let value = member.isJSON ? try jsonIfThere(row, index) : row.bytes(at: index) else { continue }
            texts[member.name] = String(decoding: value, as: UTF8.self)
        }
        return texts
    }

    private func jsonIfThere(_ row: PostgresRow, _ column: Int) throws(LedgerError) -> [UInt8]? {
        row.byteCount(at: column) == nil ? nil : try json(row, column)
    }

    private func json(_ row: PostgresRow, _ column: Int) throws(LedgerError) -> [UInt8] {
        guard let text = row.bytes(at: column) else { return [] }
        // Most often there is nothing in it.
        if text.count == 2 { return text }
        guard let canonical = CanonicalJSON.of(text) else {
            throw LedgerError(.database, "a record's JSON is deeper than \(CanonicalJSON.maxDepth)")
        }
        return canonical
    }
}
