internal import Foundation
internal import GatewayCore
internal import Postgres

/// Tenants, keys, routes, models and prices as of one moment.
struct CatalogSnapshot: Sendable {
    struct Key: Sendable {
        var caller: Caller
        var expiresAt: Date?
        var isRevoked: Bool
        /// The key or its team.
        var isSuspended: Bool
    }
    struct Name: Hashable, Sendable {
        var tenantID: Int64
        var name: String
    }
    struct PriceVersion: Sendable {
        var price: ModelPrice
        var effectiveAt: Date
    }

    var version: Int64 = 0
    /// By the keyed hash of the secret.
    var keys: [[UInt8]: Key] = [:]
    var routes: [Name: RouteRecord] = [:]
    var models: [Name: ModelRecord] = [:]
    /// Versions by rising effectiveAt; those to come are among them, so that they take effect on time.
    var prices: [ModelReference: [PriceVersion]] = [:]
    /// By tenant.
    var localLimits: [Int64: [LocalLimit]] = [:]
    /// Routes that a newer gateway may have written: left out, so that one of them does not hide all the others.
    var unreadableRoutes: [String] = []

    func price(_ model: ModelReference, at now: Date) -> ModelPrice? {
        prices[model]?.last { $0.effectiveAt <= now }?.price
    }
}

extension CatalogSnapshot {
    static let versionStatement: PostgresStatement = "select version from catalog_version"

    /// Reads everything; `transaction` must show one moment (repeatable read).
    static func load(_ transaction: PostgresTransaction) async throws -> CatalogSnapshot {
        var snapshot = CatalogSnapshot()
        snapshot.version = try await transaction.query(versionStatement).rows.first?.get("version") ?? 0
        try await snapshot.loadKeys(transaction)
        try await snapshot.loadModels(transaction)
        try await snapshot.loadRoutes(transaction)
        try await snapshot.loadPrices(transaction)
        try await snapshot.loadLocalLimits(transaction)
        return snapshot
    }

    private mutating func loadKeys(_ transaction: PostgresTransaction) async throws {
        let result = try await transaction.query(
            """
            select k.id, k.team_id, k.hash, k.expires_at, k.revoked_at is not null as revoked, t.id as tenant_id,
              t.name, t.time_zone, t.suspended_at is not null as suspended, t.capture_days is not null as captures,
              k.suspended_at is not null or m.suspended_at is not null as key_suspended, k.models,
              m.models as team_models
            from api_keys k join tenants t on t.id = k.tenant_id left join teams m on m.id = k.team_id
            where t.deleted_at is null
            """)
        for row in result.rows {
            var tenant = Tenant(
                id: try row.get("tenant_id"), name: try row.get("name"), timeZone: try row.get("time_zone"),
                isSuspended: try row.get("suspended"))
            tenant.capturesText = try row.get("captures")
            var caller = Caller(tenant: tenant, teamID: try row.getOptional("team_id"), keyID: try row.get("id"))
            caller.models = ModelAllowance(
                [
                    try row.getOptional("models", as: [String].self), try row.getOptional("team_models"),
                ].compactMap(\.self))
            keys[try row.get("hash", as: [UInt8].self)] = Key(
                caller: caller, expiresAt: try row.getOptional("expires_at"), isRevoked: try row.get("revoked"),
                isSuspended: try row.get("key_suspended"))
        }
    }

    private mutating func loadModels(_ transaction: PostgresTransaction) async throws {
        let result = try await transaction.query(
            """
            select m.* from models m join tenants t on t.id = m.tenant_id where t.deleted_at is null order by m.id
            """)
        for row in result.rows {
            let model = try ModelRecord(row)
            models[Name(tenantID: model.tenantID, name: model.name)] = model
        }
    }

    private mutating func loadRoutes(_ transaction: PostgresTransaction) async throws {
        let result = try await transaction.query(
            """
            select r.* from routes r join tenants t on t.id = r.tenant_id where t.deleted_at is null order by r.id
            """)
        for row in result.rows {
            guard let route = try? RouteRecord(row) else {
                unreadableRoutes.append(try row.get("name"))
                continue
            }
            routes[Name(tenantID: route.tenantID, name: route.name)] = route
        }
    }

    private mutating func loadLocalLimits(_ transaction: PostgresTransaction) async throws {
        let result = try await transaction.query(
            """
            select l.tenant_id, l.team_id, l.key_id, l.unit, l.limit_n, t.name as tenant, m.name as team
            from local_limits l join tenants t on t.id = l.tenant_id left join teams m on m.id = l.team_id
            where t.deleted_at is null and l.removed_at is null order by l.id
            """)
        for row in result.rows {
            // A unit that a newer gateway knows cannot be counted here.
            guard let unit = LimitUnit(rawValue: try row.get("unit")) else { continue }
            let tenantID: Int64 = try row.get("tenant_id")
            let scope: LocalLimit.Scope
            let name: String
            if let key = try row.getOptional("key_id", as: Int64.self) {
                (scope, name) = (.key(key), "key:\(key)")
            } else if let team = try row.getOptional("team_id", as: Int64.self) {
                (scope, name) = (.team(team), "team:\(try row.get("team", as: String.self))")
            } else {
                (scope, name) = (.tenant(tenantID), "tenant:\(try row.get("tenant", as: String.self))")
            }
            localLimits[tenantID, default: []].append(
                LocalLimit(scope: scope, name: name, unit: unit, limit: try row.get("limit_n")))
        }
    }

    private mutating func loadPrices(_ transaction: PostgresTransaction) async throws {
        // The version in force and those to come.
        let result = try await transaction.query(
            """
            select \(unescaped: ModelPrice.columns) from prices p where not exists (
              select from prices q where q.provider = p.provider and q.model = p.model
                and q.effective_at > p.effective_at and q.effective_at <= now())
            order by p.effective_at
            """)
        for row in result.rows {
            let price = try ModelPrice(row)
            prices[price.model, default: []].append(
                PriceVersion(price: price, effectiveAt: try row.get("effective_at")))
        }
    }
}

extension ModelRecord {
    init(_ row: PostgresRow) throws {
        let kind = try row.get("kind", as: String.self)
        guard let kind = ModelKind(rawValue: kind) else { throw PostgresError(.decoding, "model kind \(kind)") }
        let ordered = try row.getOptional("ordered", as: String.self).flatMap { ModelOrder.Action(rawValue: $0) }
        let number = try row.get("order_number", as: Int64.self)
        self.init(
            id: try row.get("id"), tenantID: try row.get("tenant_id"), name: try row.get("name"), kind: kind,
            file: try row.get("file"), sha256: try row.get("sha256"), base: try row.getOptional("base"),
            rewardKind: try row.getOptional("reward_kind", as: String.self).flatMap { RewardKind(rawValue: $0) },
            isPinned: try row.get("pinned"), order: ordered.map { ModelOrder(action: $0, number: number) })
    }
}

extension RouteRecord {
    init(_ row: PostgresRow) throws {
        let model = ModelReference(provider: try row.get("llm_provider"), model: try row.get("llm_model"))
        self.init(
            id: try row.get("id"), tenantID: try row.get("tenant_id"), name: try row.get("name"),
            slm: try row.getOptional("slm") ?? "", prm: try row.getOptional("prm"), llm: model,
            settings: try RouteSettings(json: try row.get("settings", as: PostgresJSON.self).text))
    }
}
