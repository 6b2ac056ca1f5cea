package import Foundation
package import GatewayCore
internal import Postgres

/// Which calls a rate limit counts.
package enum LimitedTraffic: String, Sendable, Codable, CaseIterable {
    /// Calls of paid models: exact over all gateways, since each is counted in the database with its hold.
    case paid
    /// Requests that local models answer: counted by each gateway for itself, since they need no database.
    case local
}

/// What a rate limit is to be.
package struct LimitDraft: Sendable {
    package var tenant: String
    package var scope: BudgetScope
    /// Only paid models that match count; nil: every one.
    package var model: String?
    /// Only requests with this tag count; nil: every one.
    package var tag: String?
    package var unit: LimitUnit
    package var traffic: LimitedTraffic
    /// In a minute; of parallel calls at once.
    package var limit: Int64
    package init(
        tenant: String, scope: BudgetScope = .tenant, unit: LimitUnit, traffic: LimitedTraffic = .paid, limit: Int64
    ) {
        self.tenant = tenant
        self.scope = scope
        self.unit = unit
        self.traffic = traffic
        self.limit = limit
    }
}

/// A rate limit, and how much of it is used at this moment.
package struct LimitInfo: Sendable, Codable, Hashable {
    package var id: Int64
    package var teamID: Int64?
    package var keyID: Int64?
    package var model: String?
    package var tag: String?
    package var traffic: LimitedTraffic
    package var scope: String
    package var unit: LimitUnit
    package var limit: Int64
    /// Of the current minute, or by calls under way; nil for local traffic, which each gateway counts for itself.
    package var used: Int64?
    package var resetsAt: Date?

    init(_ row: PostgresRow) throws {
        id = try row.get("id")
        teamID = try row.getOptional("team_id")
        keyID = try row.getOptional("key_id")
        model = try row.getOptional("model_pattern")
        tag = try row.getOptional("tag")
        let text = (unit: try row.get("unit", as: String.self), traffic: try row.get("traffic", as: String.self))
        guard let unit = LimitUnit(rawValue: text.unit), let traffic = LimitedTraffic(rawValue: text.traffic) else {
            throw PostgresError(.decoding, "limit of \(text.unit) for \(text.traffic)")
        }
        self.unit = unit
        self.traffic = traffic
        scope = try row.get("scope")
        limit = try row.get("limit_n")
        used = try row.getOptional("used")
        resetsAt = try row.getOptional("resets_at")
    }
}

extension AdminStore {
    /// Sets a rate limit. It holds at once; what is used of the current minute counts.
    package func setLimit(_ draft: LimitDraft) async throws(LedgerError) -> LimitInfo {
        guard let info = try await setLimits([draft]).first else { throw LedgerError(.database, "no limit was made") }
        return info
    }

    /// Sets several rate limits, or none of them.
    package func setLimits(_ drafts: [LimitDraft]) async throws(LedgerError) -> [LimitInfo] {
        Self.limits(try await setCaps(drafts.map { .limit($0) }))
    }

    /// Takes a rate limit away. The draft's `limit` says nothing here.
    @discardableResult
    package func removeLimit(_ draft: LimitDraft) async throws(LedgerError) -> LimitInfo {
        guard let info = try await removeLimits([draft]).first else {
            throw LedgerError(.database, "no limit was taken away")
        }
        return info
    }

    /// Takes several rate limits away, or none of them.
    package func removeLimits(_ drafts: [LimitDraft]) async throws(LedgerError) -> [LimitInfo] {
        Self.limits(try await removeCaps(drafts.map { .limit($0) }))
    }

    /// A tenant's rate limits.
    package func limits(tenant: String) async throws(LedgerError) -> [LimitInfo] {
        try await reading { transaction in
            try await limits(of: try await self.tenant(tenant, transaction), transaction)
        }
    }

    // MARK: -

    private static func limits(_ caps: [CapInfo]) -> [LimitInfo] {
        caps.compactMap { if case .limit(let info) = $0 { info } else { nil } }
    }

    private func limits(of tenant: TenantInfo, _ transaction: PostgresTransaction) async throws -> [LimitInfo] {
        try await transaction.query(
            """
            \(unescaped: Self.paidLimits) where b.tenant_id = \(tenant.id) and b.unit <> 'usd'
            union all
            \(unescaped: Self.localLimits) where l.tenant_id = \(tenant.id) and l.removed_at is null
            order by traffic desc, team_id nulls first, key_id nulls first, id
            """
        ).rows.map { try LimitInfo($0) }
    }

    /// - Parameter isLocal: whether they are of local traffic, which has numbers of its own.
    func limits(_ ids: [Int64], isLocal: Bool, _ transaction: PostgresTransaction) async throws -> [LimitInfo] {
        let one = isLocal ? "\(Self.localLimits) where l.id" : "\(Self.paidLimits) where b.id"
        return try await transaction.query("\(unescaped: one) = any(\(ids))").rows.map { try LimitInfo($0) }
    }

    static let paidLimits = """
        select b.id, b.team_id, b.key_id, b.model_pattern, b.tag, 'paid' as traffic, a.scope, b.unit, b.limit_n,
          coalesce(p.settled + p.held, 0) as used, nullif(a.resets_at, 'infinity') as resets_at
        from budgets b join lateral gboost_budgets_at(b.tenant_id, now()) a on a.budget_id = b.id
        left join budget_periods p on p.id = a.period_id
        """

    static let localLimits = """
        select l.id, l.team_id, l.key_id, null as model_pattern, null as tag, 'local' as traffic,
          case when l.key_id is not null then 'key:' || l.key_id when l.team_id is not null then 'team:' || m.name
            else 'tenant:' || t.name end as scope,
          l.unit, l.limit_n, null::bigint as used, null::timestamptz as resets_at
        from local_limits l join tenants t on t.id = l.tenant_id left join teams m on m.id = l.team_id
        """
}
