internal import Crypto
internal import Foundation
package import GatewayCore
internal import Postgres

extension AdminStore {
    /// Closed months whose spend is compared with what was stated, from the latest: a call's charge is known long
    /// before.
    private static let correctedMonths: Int64 = 24
    private static let doesNotFit = "the sum of the month does not fit"

    /// A month as it was closed, or an open one as it stands.
    /// - Parameter month: "2026-11"; nil is the current month where the tenant is.
    package func statement(tenant name: String, month: String? = nil) async throws(LedgerError) -> Statement {
        if let month { try Self.checkMonth(month) }
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            let closed = try await transaction.query(
                "select document from statements where tenant_id = \(tenant.id) and month = \(span.name)"
            ).rows.first
            if let closed { return try Statement(json: try closed.get("document")) }
            return try await draft(tenant, span, transaction)
        }
    }

    /// Closes a month for good. Months are closed in order from the first that has a call or an entry, each after its
    /// end and when no call of it is under way: what is in a month that is left out would be in no balance.
    package func closeStatement(tenant name: String, month: String) async throws(LedgerError) -> Statement {
        try Self.checkMonth(month)
        return try await changing { transaction in
            let tenant = try await lockedTenant(name, orDeleted: true, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            try await requireClosable(tenant, span, transaction)
            // By the clock that entries are posted by.
            let clock = try await transaction.query("select clock_timestamp() as now").rows.first
            var statement = try await draft(tenant, span, transaction)
            try await requireLedger(statement, tenant, transaction)
            statement.closedAt = try clock?.get("now")
            statement.closedBy = actor
            let document = try statement.jsonText()
            let digest = SHA256.hash(data: Array(document.utf8)).hexadecimal
            _ = try await transaction.query(
                """
                insert into statements (tenant_id, month, closed_at, closed_by, opening, spend, chargeback, corrected,
                  entered, closing, document, sha256)
                values (\(tenant.id), \(span.name), \(optional: statement.closedAt), \(actor),
                  \(statement.openingNanoUSD), \(statement.spendNanoUSD), \(statement.chargebackNanoUSD),
                  \(statement.correctedNanoUSD), \(statement.enteredNanoUSD), \(statement.closingNanoUSD),
                  \(document), \(digest))
                """)
            _ = try await transaction.query(
                """
                insert into statement_corrections (tenant_id, month, of_month, amount)
                select \(tenant.id), \(span.name), * from unnest(\(statement.corrections.map(\.month)),
                  \(statement.corrections.map(\.nanoUSD)))
                """)
            let closed = ["month": span.name, "closing_nano_usd": String(statement.closingNanoUSD), "sha256": digest]
            try await note("statement.close", (tenant.name, tenant.id), after: closed, transaction)
            return try Statement(json: document)
        }
    }

    /// The months that are closed, latest first.
    package func statements(tenant name: String) async throws(LedgerError) -> [StatementSummary] {
        try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            return try await transaction.query(
                """
                select month, closed_at, closed_by, closing, sha256 from statements where tenant_id = \(tenant.id)
                order by month desc
                """
            ).rows.map { row in
                StatementSummary(
                    month: try row.get("month"), closedAt: try row.get("closed_at"), closedBy: try row.get("closed_by"),
                    closingNanoUSD: try row.get("closing"), sha256: try row.get("sha256"))
            }
        }
    }

    /// Enters a credit, an adjustment or a payment into an open month.
    /// - Parameters:
    ///   - amount: of a credit or a payment: how much less is owed; of an adjustment: how much more, or less.
    ///   - month: nil is the current month where the tenant is.
    package func enter(
        _ kind: StatementEntryKind, _ amount: NanoUSD, tenant name: String, reason: String, month: String? = nil
    ) async throws(LedgerError) -> Statement.Entry {
        if let month { try Self.checkMonth(month) }
        guard amount != .zero, kind == .adjustment || amount > .zero else {
            throw LedgerError(.invalid, field: "amount", "must be more than zero; an adjustment may also be less")
        }
        let reason = reason.trimmingCharacters(in: .whitespacesAndNewlines)
        guard (1...1000).contains(reason.count) else {
            throw LedgerError(.invalid, field: "reason", "has 1 to 1000 characters: why is this entered?")
        }
        try AdminText.check(reason, field: "reason", atMost: 4000)
        let owed = kind == .adjustment ? amount.rawValue : -amount.rawValue
        return try await changing { transaction in
            let tenant = try await lockedTenant(name, orDeleted: true, transaction)
            let span = try await monthSpan(month, tenant, transaction)
            guard try await lastClosed(tenant, transaction).map({ $0.month < span.name }) ?? true else {
                throw LedgerError(.conflict, field: "month", "\(span.name) is closed: enter it into an open month")
            }
            try await requireFitting(owed, tenant, span, transaction)
            let rows = try await transaction.query(
                """
                insert into statement_entries (tenant_id, month, kind, amount, author, reason)
                values (\(tenant.id), \(span.name), \(kind.rawValue), \(owed), \(actor), \(reason)) returning *
                """
            ).rows
            guard let row = rows.first else { throw LedgerError(.database, "nothing was entered") }
            let entry = try Statement.Entry(row)
            try await note(
                "statement.\(kind.rawValue)", (tenant.name, tenant.id), after: EnteredNote(entry, span.name),
                transaction)
            return entry
        }
    }

    /// An open month must stay one that can be added up, and closed. Into one that cannot, anything may be entered: how
    /// else would it be mended?
    private func requireFitting(
        _ owed: Int64, _ tenant: TenantInfo, _ span: (name: String, start: Date, end: Date),
        _ transaction: PostgresTransaction
    ) async throws {
        let draft: Statement
        do {
            draft = try await self.draft(tenant, span, transaction)
        } catch let error as LedgerError where error.message == Self.doesNotFit {
            return
        }
        do {
            let entered = try Self.sum([draft.enteredNanoUSD, owed])
            _ = try Self.sum([draft.correctedNanoUSD, entered])
            _ = try Self.sum([draft.closingNanoUSD, owed])
        } catch { throw LedgerError(.invalid, field: "amount", "with it the sum of \(span.name) does not fit") }
    }

    // MARK: - How a month stands

    private func draft(
        _ tenant: TenantInfo, _ span: (name: String, start: Date, end: Date), _ transaction: PostgresTransaction
    ) async throws -> Statement {
        var breakdown: [String: [Statement.Line]] = [:]
        let rows = try await spendRows(SpendGrouping.allCases, tenant, (span.start, span.end), transaction)
        for grouping in SpendGrouping.allCases {
            breakdown[grouping.rawValue] = (rows[grouping] ?? []).map { row in
                Statement.Line(
                    name: row.name, nanoUSD: row.nanoUSD, unreconciledNanoUSD: row.unreconciledNanoUSD,
                    calls: row.calls)
            }
        }
        let spends = try breakdown.values.map { try Self.sum($0.map(\.nanoUSD)) }
        guard Set(spends).count <= 1 else { throw LedgerError(.database, "the breakdowns add up to different sums") }
        let before = try await lastClosed(tenant, before: span.name, transaction)
        let corrections = try await corrections(tenant, before: span.name, transaction)
        let entries = try await transaction.query(
            "select * from statement_entries where tenant_id = \(tenant.id) and month = \(span.name) order by id"
        ).rows.map { try Statement.Entry($0) }
        let (opening, spend) = (before?.closing ?? 0, spends.first ?? 0)
        // What is worked out from them later fits, too.
        let corrected = try Self.sum(corrections.map(\.nanoUSD))
        let entered = try Self.sum(entries.map(\.nanoUSD))
        _ = try Self.sum([corrected, entered])
        let chargeback = try await chargeback(tenant, (span.start, span.end), transaction)
        let charged = try Self.total(chargeback)
        let closing = try Self.sum([opening, spend, charged, corrected, entered])
        return Statement(
            tenant: tenant.name, month: span.name, timeZone: tenant.timeZone, from: span.start, until: span.end,
            openBefore: try await openMonths(tenant, before: span.name, transaction), openingNanoUSD: opening,
            spendNanoUSD: spend,
            unreconciledNanoUSD: try Self.sum((breakdown["model"] ?? []).map(\.unreconciledNanoUSD)),
            chargebackNanoUSD: charged, corrections: corrections, entries: entries, closingNanoUSD: closing,
            breakdown: breakdown,
            chargeback: Dictionary(uniqueKeysWithValues: chargeback.map { ($0.key.rawValue, $0.value) }))
    }

    /// A month is closed for good: what was rolled up is compared with the entries themselves once more.
    private func requireLedger(
        _ statement: Statement, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws {
        _ = try await transaction.query("set local statement_timeout = 0")
        let row = try await transaction.query(
            """
            select coalesce(sum(e.amount), 0)::bigint as amount from ledger_entries e
            where e.tenant_id = \(tenant.id) and e.taken_at >= \(statement.from) and e.taken_at < \(statement.until)
            """
        ).rows.first
        let amount: Int64 = try row?.get("amount") ?? 0
        guard amount == statement.spendNanoUSD else {
            throw LedgerError(
                .database,
                "finished days of \(statement.month) add up to \(statement.spendNanoUSD), its entries to \(amount)")
        }
    }

    /// In whatever order they come: a sum fits or does not.
    static func sum(_ amounts: [Int64]) throws(LedgerError) -> Int64 {
        guard let sum = Int64(exactly: amounts.reduce(Int128(0)) { $0 + Int128($1) }) else {
            throw LedgerError(.database, doesNotFit)
        }
        return sum
    }

    /// The month that is to be closed next: the one after the last closed one, or the first that has anything. Nil:
    /// there is nothing yet.
    private func nextToClose(_ tenant: TenantInfo, _ transaction: PostgresTransaction) async throws -> String? {
        try await transaction.query(
            """
            select to_char(coalesce((select to_timestamp(max(s.month), 'YYYY-MM')::timestamp + interval '1 month'
                from statements s where s.tenant_id = \(tenant.id)),
              least(date_trunc('month', least(
                  (select min(e.taken_at) from ledger_entries e where e.tenant_id = \(tenant.id)),
                  (select min(l.started_at) from slm_charges l where l.tenant_id = \(tenant.id)))
                  at time zone \(tenant.timeZone)),
                (select to_timestamp(min(n.month), 'YYYY-MM')::timestamp from statement_entries n
                  where n.tenant_id = \(tenant.id)))), 'YYYY-MM') as next
            """
        ).rows.first?.getOptional("next")
    }

    /// Months before this one whose closing the opening cannot have, since they are open.
    private func openMonths(
        _ tenant: TenantInfo, before month: String, _ transaction: PostgresTransaction
    ) async throws -> Statement.OpenMonths? {
        guard let next = try await nextToClose(tenant, transaction), next < month else { return nil }
        let last = try await transaction.query(
            "select to_char(to_timestamp(\(month), 'YYYY-MM')::timestamp - interval '1 month', 'YYYY-MM') as last"
        ).rows.first
        return Statement.OpenMonths(first: next, last: try last?.get("last") ?? next)
    }

    private func lastClosed(
        _ tenant: TenantInfo, before month: String? = nil, _ transaction: PostgresTransaction
    ) async throws -> (month: String, closing: Int64)? {
        let row = try await transaction.query(
            """
            select month, closing from statements where tenant_id = \(tenant.id)
              and (\(optional: month) is null or month < \(optional: month)) order by month desc limit 1
            """
        ).rows.first
        return try row.map { (try $0.get("month"), try $0.get("closing")) }
    }

    /// Of a closed month `s`: the span whose charges its statement and all its corrections add up to. It begins as the
    /// month was closed, wherever the tenant has gone since, and ends where the next closed one begins: before months
    /// kept their spans, each was closed where the tenant was by then, and the one before corrected to end there.
    /// Constant text.
    static let statedSpan = """
        select (s.document::jsonb ->> 'from')::timestamptz as first,
          coalesce((select (n.document::jsonb ->> 'from')::timestamptz from statements n
              where n.tenant_id = s.tenant_id and n.month > s.month order by n.month limit 1),
            (s.document::jsonb ->> 'until')::timestamptz) as last,
          s.document::jsonb ->> 'time_zone' as zone
        """

    /// What closed months' spend and chargeback are now, less what their statements and later corrections say. None
    /// where the month before this one is open: it is its statement that says them.
    func corrections(
        _ tenant: TenantInfo, before month: String, _ transaction: PostgresTransaction
    ) async throws -> [Statement.Correction] {
        try await transaction.query(
            """
            select s.month, (coalesce(e.amount, 0) + coalesce(l.amount, 0) - s.spend - s.chargeback
              - coalesce(k.amount, 0))::bigint as amount
            from (select s.* from statements s where s.tenant_id = \(tenant.id) and s.month < \(month)
                and exists (select from statements b where b.tenant_id = s.tenant_id
                  and b.month = to_char(to_timestamp(\(month), 'YYYY-MM')::timestamp - interval '1 month', 'YYYY-MM'))
              order by s.month desc limit \(Self.correctedMonths)) s
            cross join lateral (\(unescaped: Self.statedSpan)) i
            cross join lateral (select gboost_spent(s.tenant_id, i.first, i.last, i.zone) as amount) e
            cross join lateral (select sum(l.amount) as amount from slm_charges l
              where l.tenant_id = s.tenant_id and l.started_at >= i.first and l.started_at < i.last) l
            cross join lateral (select sum(k.amount) as amount from statement_corrections k
              where k.tenant_id = s.tenant_id and k.of_month = s.month) k
            where coalesce(e.amount, 0) + coalesce(l.amount, 0)
              <> s.spend + s.chargeback + coalesce(k.amount, 0) order by s.month
            """
        ).rows.map { Statement.Correction(month: try $0.get("month"), nanoUSD: try $0.get("amount")) }
    }

    private func requireClosable(
        _ tenant: TenantInfo, _ span: (name: String, start: Date, end: Date), _ transaction: PostgresTransaction
    ) async throws {
        let row = try await transaction.query(
            """
            select now() < \(span.end) as is_running,
              (select count(*) from holds h where h.tenant_id = \(tenant.id) and h.state in ('r', 'd')
                and h.taken_at < \(span.end)) as open,
              exists (select from statements s where s.tenant_id = \(tenant.id) and s.month = \(span.name))
                as is_closed,
              exists (select from statements s where s.tenant_id = \(tenant.id)) as has_closed
            """
        ).rows.first
        guard let row else { return }
        if try row.get("is_closed") { throw LedgerError(.conflict, field: "month", "\(span.name) is closed already") }
        if try row.get("is_running") { throw LedgerError(.conflict, field: "month", "\(span.name) is not over yet") }
        let next = try await nextToClose(tenant, transaction)
        // An earlier month's closing would be the opening of none. Before the first one there is nothing to carry.
        let hasClosed: Bool = try row.get("has_closed")
        if let next, next < span.name || hasClosed && next != span.name {
            throw LedgerError(
                .conflict, field: "month",
                next < span.name
                    ? "close \(next) first: months are closed in order"
                    : "\(span.name) is before \(next), the month to close next: months are closed in order")
        }
        let open: Int64 = try row.get("open")
        if open > 0 {
            throw LedgerError(.conflict, field: "month", "\(open) calls of \(span.name) are not settled yet")
        }
    }
}

/// An entry as its event has it: with the month that it is in.
private struct EnteredNote: Encodable {
    enum CodingKeys: String, CodingKey { case month }
    var entry: Statement.Entry
    var month: String

    init(_ entry: Statement.Entry, _ month: String) {
        self.entry = entry
        self.month = month
    }

    func encode(to encoder: any Encoder) throws {
        try entry.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(month, forKey: .month)
    }
}

extension Statement.Entry {
    init(_ row: PostgresRow) throws {
        let name = try row.get("kind", as: String.self)
        guard let kind = StatementEntryKind(rawValue: name) else { throw PostgresError(.decoding, "kind \(name)") }
        self.init(
            id: try row.get("id"), at: try row.get("at"), kind: kind, nanoUSD: try row.get("amount"),
            author: try row.get("author"), reason: try row.get("reason"))
    }
}
