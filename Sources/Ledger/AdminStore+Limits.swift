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
        try Self.check(draft)
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            let scope = try await resolve(draft.scope, tenant, transaction)
            let before = try await limit(draft, tenant, transaction)
            switch (before, draft.traffic) {
            case (nil, .paid):
                _ = try await transaction.query(
                    """
                    insert into budgets (tenant_id, team_id, key_id, model_pattern, tag, unit, cycle, limit_n)
                    values (\(tenant.id), \(optional: scope.team), \(optional: scope.key), \(optional: draft.model),
                      \(optional: draft.tag), \(draft.unit.rawValue),
                      \(draft.unit == .parallel ? "total" : "minute"), \(draft.limit))
                    """)
            case (nil, .local):
                _ = try await transaction.query(
                    """
                    insert into local_limits (tenant_id, team_id, key_id, unit, limit_n)
                    values (\(tenant.id), \(optional: scope.team), \(optional: scope.key), \(draft.unit.rawValue),
                      \(draft.limit))
                    """)
            case (let before?, .paid):
                _ = try await transaction.query("select gboost_set_limit(\(before.id), \(draft.limit))")
            case (let before?, .local):
                _ = try await transaction.query(
                    "update local_limits set limit_n = \(draft.limit) where id = \(before.id)")
            }
            guard let after = try await limit(draft, tenant, transaction) else {
                throw LedgerError(.database, "no limit was made")
            }
            try await note("limit.set", (after.scope, tenant.id), before: before, after: after, transaction)
            return after
        }
    }

    /// Takes a rate limit away. The draft's `limit` says nothing here.
    @discardableResult
    package func removeLimit(_ draft: LimitDraft) async throws(LedgerError) -> LimitInfo {
        try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            guard let before = try await limit(draft, tenant, transaction) else {
                throw LedgerError(.notFound, field: "limit", "there is no such limit")
            }
            switch draft.traffic {
            case .paid:
                _ = try await transaction.query("update budgets set removed_at = now() where id = \(before.id)")
            case .local:
                _ = try await transaction.query("update local_limits set removed_at = now() where id = \(before.id)")
            }
            try await note("limit.remove", (before.scope, tenant.id), before: before, transaction)
            return before
        }
    }

    /// Sets several rate limits, or none of them.
    package func setLimits(_ drafts: [LimitDraft]) async throws(LedgerError) -> [LimitInfo] {
        try await together(drafts) { store, draft in try await store.setLimit(draft) }
    }

    /// Takes several rate limits away, or none of them.
    package func removeLimits(_ drafts: [LimitDraft]) async throws(LedgerError) -> [LimitInfo] {
        try await together(drafts) { store, draft in try await store.removeLimit(draft) }
    }

    /// A tenant's rate limits.
    package func limits(tenant: String) async throws(LedgerError) -> [LimitInfo] {
        try await reading { transaction in
            try await limits(of: try await self.tenant(tenant, transaction), transaction)
        }
    }

    // MARK: -

    private func together(
        _ drafts: [LimitDraft], _ change: (AdminStore, LimitDraft) async throws -> LimitInfo
    ) async throws(LedgerError) -> [LimitInfo] {
        try await translated {
            try await inOneTransaction { store in
                // Calls lock several of them in an order of their own.
                if drafts.count > 1 { try await store.lockBudgets(of: drafts.map(\.tenant)) }
                var limits: [LimitInfo] = []
                for draft in drafts { limits.append(try await change(store, draft)) }
                return limits
            }
        }
    }

    private func limits(of tenant: TenantInfo, _ transaction: PostgresTransaction) async throws -> [LimitInfo] {
        try await transaction.query(
            """
            select b.id, b.team_id, b.key_id, b.model_pattern, b.tag, 'paid' as traffic, a.scope, b.unit, b.limit_n,
              coalesce(p.settled + p.held, 0) as used, nullif(a.resets_at, 'infinity') as resets_at
            from budgets b join lateral gboost_budgets_at(b.tenant_id, now()) a on a.budget_id = b.id
            left join budget_periods p on p.id = a.period_id
            where b.tenant_id = \(tenant.id) and b.unit <> 'usd'
            union all
            select l.id, l.team_id, l.key_id, null, null, 'local',
              case when l.key_id is not null then 'key:' || l.key_id when l.team_id is not null then 'team:' || m.name
                else 'tenant:' || \(tenant.name) end,
              l.unit, l.limit_n, null, null
            from local_limits l left join teams m on m.id = l.team_id
            where l.tenant_id = \(tenant.id) and l.removed_at is null
            order by traffic desc, team_id nulls first, key_id nulls first, id
            """
        ).rows.map { try LimitInfo($0) }
    }

    private func limit(
        _ draft: LimitDraft, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws -> LimitInfo? {
        let scope = try await resolve(draft.scope, tenant, transaction)
        return try await limits(of: tenant, transaction).first {
            $0.teamID == scope.team && $0.keyID == scope.key && $0.model == draft.model && $0.tag == draft.tag
                && $0.unit == draft.unit && $0.traffic == draft.traffic
        }
    }

    private static func check(_ draft: LimitDraft) throws(LedgerError) {
        let field = draft.unit == .parallel ? "parallel" : "\(draft.unit.rawValue)-per-minute"
        guard draft.limit >= 0 else { throw LedgerError(.invalid, field: field, "is negative") }
        guard draft.traffic == .paid || draft.model == nil && draft.tag == nil else {
            throw LedgerError(
                .invalid, field: draft.model == nil ? "tag" : "model",
                "a limit of local traffic is for a tenant, a team or a key as a whole")
        }
        try BudgetDraft.check(model: draft.model, tag: draft.tag)
    }
}
