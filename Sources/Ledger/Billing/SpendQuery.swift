internal import Foundation
internal import Postgres

/// What entries of the ledger are told apart by in reports; each is a column of finished days, too.
enum SpendColumn: String, Sendable {
    case price = "price_id"
    case key = "key_id"
    case team = "team_id"
    case route
    case correction = "is_correction"

    /// Of an entry `e`. Constant text.
    fileprivate var ofEntry: String { self == .correction ? "e.kind = 'adjustment'" : "e.\(rawValue)" }
    /// Of a finished day's row `e`.
    fileprivate var ofDay: String { "e.\(rawValue)" }
}

/// Counts of tokens, added up. A provider says them, so their sum need not fit: it is cut where two of them could still
/// be added. Money is never cut.
enum TokenSum {
    /// The sum of a column. Constant text.
    static func of(_ column: String) -> String {
        "least(coalesce(sum(\(column)), 0), \(Int64.max / 2))::bigint"
    }
}

/// A tenant's spend in a span of time as rows that only have to be added up: finished days as they were rolled up, what
/// was posted for them later, and the entries of the days that are not finished. Every entry is in it once.
struct SpendQuery: Sendable {
    var tenant: TenantInfo
    var span: (start: Date, end: Date)
    /// What rows are told apart by, besides the day. Fewer columns: fewer rows; without the route and what is no
    /// call's own, the entries are read from an index alone.
    var columns: [SpendColumn]
    /// Whether rows say which entries are no calls, and of which the charge is not known.
    var hasOthers = true
    /// Only entries posted in this time. With a beginning what was rolled up is left out: it was posted before.
    var posted: (after: Date?, until: Date?) = (nil, nil)
    /// Only what is some teams' or keys'; nil: all.
    var only: (column: SpendColumn, ids: [Int64])?

    private static let tokens = "\(TokenSum.of("e.input_tokens")) as input, \(TokenSum.of("e.output_tokens")) as output"
    private static let isOfDay = "e.tenant_id = d.tenant and e.taken_at >= d.first and e.taken_at < d.last"

    /// `name, …` of all columns with a comma at the end, nothing when there are none.
    private func list(_ text: (SpendColumn) -> String) -> String { columns.map { "\(text($0)), " }.joined() }

    private var groups: String {
        if columns.isEmpty { return "having count(*) > 0" }
        return "group by \((1...columns.count).map(String.init).joined(separator: ", "))"
    }

    /// Not where it excludes nothing: when an entry was posted is in no index.
    private var isPosted: String {
        (posted.after == nil ? "" : " and e.at > d.posted_after")
            + (posted.until == nil ? "" : " and e.at <= d.posted_until")
    }

    /// Of an entry or of a finished day's row, which have the same names for teams and keys.
    private var isAsked: String { only.map { " and e.\($0.column.rawValue) = any (d.only_ids)" } ?? "" }

    /// Entries of a day that meet `condition`, added up.
    private func entries(where condition: String) -> String {
        """
        select d.day, x.* from days d cross join lateral (
          select \(list { "\($0.ofEntry) as \($0.rawValue)" })sum(e.amount) as amount, count(*) as calls,
            0::numeric as unreconciled, \(Self.tokens)
          from ledger_entries e where \(condition) and \(Self.isOfDay)\(isPosted)\(isAsked) \(groups) offset 0) x
        """
    }

    private var rolled: String {
        """
        select d.day, x.* from days d cross join lateral (
          select \(list { "\($0.ofDay) as \($0.rawValue)" })sum(e.amount) as amount, sum(e.calls)::bigint as calls,
            0::numeric as unreconciled, \(Self.tokens)
          from rolled_spend e where \(posted.after == nil ? "d.is_rolled" : "false") and e.tenant_id = d.tenant
            and e.first = d.first and e.last = d.last\(isAsked) \(groups) offset 0) x
        """
    }

    /// The few entries that say more than an index of all knows: what they change about the others.
    private var others: String {
        """
        union all
        select d.day, x.* from days d cross join lateral (
          select \(list { "\($0.ofEntry) as \($0.rawValue)" })0::numeric as amount,
            -count(*) filter (where e.kind = 'adjustment') as calls,
            coalesce(sum(e.amount) filter (where h.unreconciled), 0) as unreconciled, 0::bigint, 0::bigint
          from ledger_entries e
          left join holds h on e.kind = 'unreconciled' and h.request_id = e.request_id and h.step = e.step
            and h.attempt = e.attempt
          where e.kind in ('adjustment', 'unreconciled') and \(Self.isOfDay)\(isAsked) \(groups) offset 0) x
        """
    }

    /// The statement whose `body` reads the rows `parts`: day, the columns, amount, calls, unreconciled, input, output.
    func statement(_ body: String) -> PostgresStatement {
        """
        with days as materialized (
          select s.*, d.* from (select \(tenant.id)::bigint as tenant,
            \(optional: posted.after)::timestamptz as posted_after,
            \(optional: posted.until)::timestamptz as posted_until, \(optional: only?.ids)::bigint[] as only_ids) s
          cross join lateral gboost_days(s.tenant, \(span.start), \(span.end), \(tenant.timeZone)) d),
        parts as materialized (
          \(unescaped: rolled)
          union all
          \(unescaped: entries(where: "d.is_rolled and e.at - e.taken_at >= interval '1 hour'"))
          union all
          \(unescaped: entries(where: "not d.is_rolled"))
          \(unescaped: hasOthers ? others : ""))
        \(unescaped: body)
        """
    }
}
