internal import Audit

/// Where a tenant's records of a kind stand in the database. All of it is constant text.
struct TenantRecords: Sendable {
    var table: String
    /// Each tenant's latest number.
    var counters: String
    /// What belongs to a record `e` and stands elsewhere.
    var join: String
    /// Under which name retention's events have the last record of each tenant that they dropped.
    var expired: String

    /// Nil for the log that belongs to no tenant.
    init?(_ kind: AuditKind) {
        switch kind {
        case .escalations:
            self.init(
                table: "escalations", counters: "escalation_counters", join: AuditColumns.entryJoin, expired: "last")
        case .refusals:
            self.init(table: "refusals", counters: "refusal_counters", join: "", expired: "last_refusals")
        case .events: return nil
        }
    }

    private init(table: String, counters: String, join: String, expired: String) {
        self.table = table
        self.counters = counters
        self.join = join
        self.expired = expired
    }
}
