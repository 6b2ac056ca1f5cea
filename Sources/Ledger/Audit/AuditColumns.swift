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
            Member(name: "tags", sql: tags),
            Member(name: "periods", sql: "array_to_string(l.periods, ',')"),
        ])

    /// No tag has a comma or is empty, so that commas between them tell everything. An array that does not come back
    /// out of that text (an element with a comma, without a value) was never written by a gateway: its own form is
    /// another one, and it is not taken for the one that was sealed.
    private static let tags = """
        nullif(case when l.tags = string_to_array(array_to_string(l.tags, ','), ',') then array_to_string(l.tags, ',')
          else l.tags::text end, '')
        """

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
    /// none of it, and its members are missing. (Both are written in one transaction, whose beginning is the moment of
    /// both; an entry's decides on which bill it is.) The offset keeps it a look by number, whatever statistics say: a
    /// ledger that is read as a whole for each page of records costs more than the records.
    static let entryJoin = """
        left join lateral (select l.* from ledger_entries l where l.id = e.entry_id and l.tenant_id = e.tenant_id
          and l.key_id = e.key_id and l.team_id is not distinct from e.team_id and l.price_id = e.price_id
          and l.amount = e.amount and l.held = e.held and l.kind = e.entry_kind
          and l.outcome is not distinct from e.outcome and l.route is not distinct from e.route
          and l.request_id = e.request_id and l.step = e.step and l.attempt = e.attempt and l.at = e.at
          offset 0) l on true
        """

    let members: [Member]
    /// What a statement selects first, in the members' order.
    let list: String
    let layout: RecordLayout
    private let seq: Int
    private let tenant: Int
    let at: Int

    private init(_ members: [Member]) {
        let sorted = members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        self.members = sorted
        list = sorted.map(\.sql).joined(separator: ", ")
        layout = RecordLayout(sorted.map { ($0.name, $0.isJSON) })
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
        guard let number = row.integer(at: column) else { throw LedgerError(.database, "a record has no number") }
        return number
    }

    /// Rows of one log by their number and moment. They come so: to ask the server for it would have it sort wide rows.
    func ordered(_ rows: [PostgresRow]) throws(LedgerError) -> [PostgresRow] {
        var last = Int64.min
        for row in rows {
            let number = try number(row)
            guard number > last else { return try sorted(rows) }
            last = number
        }
        return rows
    }

    private func sorted(_ rows: [PostgresRow]) throws(LedgerError) -> [PostgresRow] {
        var all: [(number: Int64, at: String, row: PostgresRow)] = []
        for row in rows {
            // In UTC, the year first: the earlier one is the lesser text.
            all.append((try number(row), String(decoding: row.bytes(at: at) ?? [], as: UTF8.self), row))
        }
        return all.sorted { ($0.number, $0.at) < ($1.number, $1.at) }.map(\.row)
    }

    /// The record's members as texts.
    func texts(_ row: PostgresRow) -> [String: String] {
        var texts: [String: String] = [:]
        for (index, member) in members.enumerated() {
            guard let value = row.bytes(at: index) else { continue }
            let text = member.isJSON ? CanonicalJSON.of(value) ?? value : value
            texts[member.name] = String(decoding: text, as: UTF8.self)
        }
        return texts
    }
}

/// Reads records of one kind out of rows; its space serves for all of them.
struct AuditReader: Sendable {
    private let layout: RecordLayout
    private var values = RecordValues()
    private var encoding = RecordEncoding()

    init(_ columns: AuditColumns) { layout = columns.layout }

    /// The record's leaf hash; nil when a value is nested deeper than JSON in canonical form can be: such a record
    /// cannot be sealed, and one that was sealed was another.
    mutating func leaf(_ row: PostgresRow) -> AuditHash? {
        row.copy(columns: layout.count, to: &values.bytes, ends: &values.ends)
        encoding.reset()
        return encoding.append(values, layout) ? encoding.leaf : nil
    }

    /// Adds the record to an export.
    mutating func write(_ row: PostgresRow, to writer: inout ExportWriter) {
        row.copy(columns: layout.count, to: &values.bytes, ends: &values.ends)
        writer.record(values, layout)
    }
}
