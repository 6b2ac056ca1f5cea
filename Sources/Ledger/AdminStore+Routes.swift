package import GatewayCore
internal import Postgres

/// What a new route is to be.
package struct RouteDraft: Sendable {
    package var tenant: String
    package var name: String
    /// Empty: none, which a direct route does without.
    package var slm: String
    package var prm: String?
    package var llm: ModelReference
    package var settings: RouteSettings
    package init(
        tenant: String, name: String, slm: String, prm: String?, llm: ModelReference, settings: RouteSettings
    ) {
        self.tenant = tenant
        self.name = name
        self.slm = slm
        self.prm = prm
        self.llm = llm
        self.settings = settings
    }
}

extension RouteDraft {
    fileprivate var slmColumn: String? { slm.isEmpty ? nil : slm }
}

extension AdminStore {
    /// Adds a boosted route. Its models must be there, and of the right kind.
    package func addRoute(_ draft: RouteDraft) async throws(LedgerError) -> RouteRecord {
        try Self.check(draft)
        let settings = try draft.settings.jsonText()
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            try await requireModels(of: draft, tenant, transaction)
            let rows = try await transaction.query(
                """
                insert into routes (tenant_id, name, slm, prm, llm_provider, llm_model, settings)
                values (\(tenant.id), \(draft.name), \(optional: draft.slmColumn), \(optional: draft.prm),
                  \(draft.llm.provider),
                  \(draft.llm.model), \(PostgresJSON(settings)))
                on conflict (tenant_id, name) do nothing returning *
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.conflict, field: "name", "\(draft.tenant) has a route \(draft.name) already")
            }
            let route = try RouteRecord(row)
            try await note("route.add", (route.name, tenant.id), after: route, transaction)
            return route
        }
    }

    /// Changes a route that is there, whole: models, LLM and settings are those of the draft from then on.
    package func changeRoute(_ draft: RouteDraft) async throws(LedgerError) -> RouteRecord {
        try Self.check(draft)
        let settings = try draft.settings.jsonText()
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            try await requireModels(of: draft, tenant, transaction)
            let old = try await transaction.query(
                "select * from routes where tenant_id = \(tenant.id) and name = \(draft.name)"
            ).rows.first
            let new = try await transaction.query(
                """
                update routes set slm = \(optional: draft.slmColumn), prm = \(optional: draft.prm),
                  llm_provider = \(draft.llm.provider), llm_model = \(draft.llm.model),
                  settings = \(PostgresJSON(settings))
                where tenant_id = \(tenant.id) and name = \(draft.name) returning *
                """
            ).rows.first
            guard let old, let new else {
                throw LedgerError(.notFound, field: "route", "\(draft.tenant) has no route \(draft.name)")
            }
            let after = try RouteRecord(new)
            try await note(
                "route.change", (after.name, tenant.id), before: try? RouteRecord(old), after: after, transaction)
            return after
        }
    }

    private static func check(_ draft: RouteDraft) throws(LedgerError) {
        try AdminText.check(draft.name, field: "name")
        try AdminText.check(draft.llm.provider, field: "llm")
        try AdminText.check(draft.llm.model, field: "llm")
        if draft.slmColumn == nil, draft.settings.strategy != .direct {
            throw LedgerError(.invalid, field: "slm", "strategy \(draft.settings.strategy.rawValue) needs an SLM")
        }
        if draft.prm == nil, draft.settings.strategy.needsReward {
            throw LedgerError(.invalid, field: "prm", "strategy \(draft.settings.strategy.rawValue) needs a PRM")
        }
        try draft.settings.checkForSaving()
    }

    private func requireModels(
        of draft: RouteDraft, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws {
        if let slm = draft.slmColumn {
            try await requireModel(slm, .slm, .adapter, field: "slm", in: (tenant, transaction))
        }
        guard let prm = draft.prm else { return }
        try await requireModel(prm, .prm, field: "prm", in: (tenant, transaction))
        guard let slm = draft.slmColumn else { return }
        // Its states come with the SLM's drafts: those of another adapter would mean nothing to it.
        let rows = try await transaction.query(
            """
            select b.name from models p join models b on b.tenant_id = p.tenant_id and b.name = p.base
            where p.tenant_id = \(tenant.id) and p.name = \(prm) and p.reward_kind = 'shared-head'
              and b.kind = 'adapter' and b.name <> \(slm)
            """
        ).rows
        guard let row = rows.first else { return }
        let owner = try row.get("name", as: String.self)
        throw LedgerError(.invalid, field: "prm", "the head \(prm) belongs to \(owner), the route's SLM is \(slm)")
    }

    /// A tenant's routes by name.
    package func routes(tenant: String) async throws(LedgerError) -> [RouteRecord] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            return try await transaction.query("select * from routes where tenant_id = \(owner.id) order by name").rows
                .map { try RouteRecord($0) }
        }
    }

    /// What a route's router has learned, as JSON; nil: nothing yet.
    package func routerState(of route: String, tenant: String) async throws(LedgerError) -> String? {
        try AdminText.requirePossible(route, field: "route")
        return try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            let rows = try await transaction.query(
                """
                select s.state::text as state from routes r
                left join router_states s on s.tenant_id = r.tenant_id and s.route = r.name
                where r.tenant_id = \(owner.id) and r.name = \(route)
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.notFound, field: "route", "\(tenant) has no route \(route)")
            }
            return try row.getOptional("state", as: String.self)
        }
    }

    /// Removes a route: its name is unknown to clients from then on.
    package func removeRoute(_ name: String, tenant: String) async throws(LedgerError) {
        try AdminText.requirePossible(name, field: "route")
        try await changing { transaction in
            let owner = try await lockedTenant(tenant, transaction)
            let rows = try await transaction.query(
                "delete from routes where tenant_id = \(owner.id) and name = \(name) returning *"
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.notFound, field: "route", "\(tenant) has no route \(name)")
            }
            _ = try await transaction.query(
                "delete from router_outcomes where tenant_id = \(owner.id) and route = \(name)")
            _ = try await transaction.query(
                "delete from router_states where tenant_id = \(owner.id) and route = \(name)")
            try await note("route.remove", (name, owner.id), before: try? RouteRecord(row), transaction)
        }
    }
}
