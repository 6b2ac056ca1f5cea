internal import Audit
internal import Postgres

extension AuditStore {
    /// What was entered into statements and which months were closed, against the events that say so, both ways: a row
    /// that no event tells of, an event whose row is gone, and a row that says something else. The log of events has
    /// been verified.
    static func statements(_ transaction: PostgresTransaction) async throws -> [AuditFinding] {
        let statement = PostgresStatement(trusted: "\(entered) union all \(closed) order by 3, 1")
        let rows = try await transaction.query(statement).rows
        return try rows.prefix(maxStatementFindings).map { row in
            let (what, tenant): (String, Int64) = (try row.get("what"), try row.get("tenant"))
            let number: Int64? = try row.getOptional("seq")
            let name = "\(what) of tenant \(tenant)"
            guard try row.get("has_row", as: Bool.self) else {
                return AuditFinding(.missing, AuditLog(.events), record: number, "\(name) is not there any more")
            }
            guard try row.get("is_told", as: Bool.self) else {
                return AuditFinding(.inserted, AuditLog(.events), "no event tells of \(name)")
            }
            return AuditFinding(.changed, AuditLog(.events), record: number, "\(name) is not what its event says")
        }
    }

    /// More are told of when these are mended.
    private static let maxStatementFindings = 100

    /// Texts are compared, as the event has them: what somebody has put into one need not be a number. Events of
    /// versions before have no month.
    private static let entered = """
        select t.seq, coalesce(t.kind, n.kind) || ' '
            || coalesce(n.id::text, substring(t.after->>'id' from '^[0-9]{1,19}$'), '') as what,
          coalesce(t.tenant_id, n.tenant_id, 0) as tenant, t.id is not null as is_told, n.id is not null as has_row
        from (select e.id, a.seq, e.tenant_id, substr(e.action, 11) as kind, e.after
            from events e left join audit_events a on a.event_id = e.id
            where e.action in ('statement.credit', 'statement.adjustment', 'statement.payment')) t
        full join statement_entries n on n.tenant_id = t.tenant_id and n.id::text = t.after->>'id' and n.kind = t.kind
        where (n.amount::text = t.after->>'nano_usd' and n.author = t.after->>'author'
          and n.reason = t.after->>'reason' and n.month = coalesce(t.after->>'month', n.month)) is not true
        """

    /// The event has the document's hash, and the document says what the other columns, and the corrections, are.
    private static let closed = """
        select t.seq, 'statement ' || coalesce(s.month, substring(t.after->>'month' from '^[0-9-]{7}$'), '') as what,
          coalesce(t.tenant_id, s.tenant_id, 0) as tenant, t.id is not null as is_told, s.month is not null as has_row
        from (select e.id, a.seq, e.tenant_id, e.after from events e left join audit_events a on a.event_id = e.id
            where e.action = 'statement.close') t
        full join statements s on s.tenant_id = t.tenant_id and s.month = t.after->>'month'
        where (case when t.after->>'sha256' = encode(sha256(convert_to(s.document, 'UTF8')), 'hex') then
            t.after->>'closing_nano_usd' = s.closing::text and s.document::jsonb->>'closing_nano_usd' = s.closing::text
            and s.document::jsonb->>'opening_nano_usd' = s.opening::text
            and s.document::jsonb->>'spend_nano_usd' = s.spend::text
            and coalesce(s.document::jsonb->>'chargeback_nano_usd', '0') = s.chargeback::text
            and coalesce((select jsonb_object_agg(k.of_month, k.amount) from statement_corrections k
                where k.tenant_id = s.tenant_id and k.month = s.month), '{}')
              = coalesce((select jsonb_object_agg(c->>'month', c->'nano_usd')
                from jsonb_array_elements(s.document::jsonb->'corrections') c), '{}')
          end) is not true
        """
}
