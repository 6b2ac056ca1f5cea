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

    /// - Parameter now: by the database's clock, which decides what is in force.
    func price(_ model: ModelReference, at now: Date) -> ModelPrice? {
        prices[model]?.last { $0.effectiveAt <= now }?.price
    }
}

extension CatalogSnapshot {
    /// With the database's clock.
    static let versionStatement: PostgresStatement = "select version, clock_timestamp() as at from catalog_version"

    /// Reads everything; `transaction` must show one moment (repeatable read).
    ///
    /// Table by table, put together here: a plan of a join is chosen by the server's statistics, and while a large
    /// declaration is brought about these say that tables are empty. No statement may take more than n log n by any.
    static func load(_ transaction: PostgresTransaction) async throws -> CatalogSnapshot {
        var snapshot = CatalogSnapshot()
        snapshot.version = try await transaction.query(versionStatement).rows.first?.get("version") ?? 0
        let owners = try await Owners(transaction)
        try await snapshot.loadKeys(transaction, owners)
        try await snapshot.loadModels(transaction, owners)
        try await snapshot.loadRoutes(transaction, owners)
        try await snapshot.loadPrices(transaction)
        try await snapshot.loadLocalLimits(transaction, owners)
        return snapshot
    }

    /// Whose everything is.
    private struct Owners {
        struct Team {
            var name: String
            var isSuspended: Bool
            var models: [String]?
        }
        /// By id, without those that are deleted: what they had is left out.
        var tenants: [Int64: Tenant] = [:]
        var teams: [Int64: Team] = [:]

        init(_ transaction: PostgresTransaction) async throws {
            let tenantRows = try await transaction.query(
                """
                select id, name, time_zone, suspended_at is not null as suspended,
                  capture_days is not null as captures, cache_seconds
                from tenants where deleted_at is null
                """
            ).rows
            for row in tenantRows {
                var tenant = Tenant(
                    id: try row.get("id"), name: try row.get("name"), timeZone: try row.get("time_zone"),
                    isSuspended: try row.get("suspended"))
                tenant.capturesText = try row.get("captures")
                tenant.cacheSeconds = try row.getOptional("cache_seconds", as: Int32.self).map { Int($0) }
                tenants[tenant.id] = tenant
            }
            let teamRows = try await transaction.query(
                "select id, name, suspended_at is not null as suspended, models from teams"
            ).rows
            for row in teamRows {
                let id: Int64 = try row.get("id")
                teams[id] = Team(
                    name: try row.get("name"), isSuspended: try row.get("suspended"),
                    models: try row.getOptional("models"))
            }
        }
    }

    private mutating func loadKeys(_ transaction: PostgresTransaction, _ owners: Owners) async throws {
        let result = try await transaction.query(
            """
            select id, tenant_id, team_id, hash, expires_at, revoked_at is not null as revoked,
              suspended_at is not null as suspended, models
            from api_keys
            """)
        for row in result.rows {
            let tenantID: Int64 = try row.get("tenant_id")
            guard let tenant = owners.tenants[tenantID] else { continue }
            let teamID: Int64? = try row.getOptional("team_id")
            let team = teamID.flatMap { owners.teams[$0] }
            var caller = Caller(tenant: tenant, teamID: teamID, keyID: try row.get("id"))
            let models = try row.getOptional("models", as: [String].self)
            caller.models = ModelAllowance([models, team?.models].compactMap(\.self))
            let isSuspended: Bool = try row.get("suspended")
            keys[try row.get("hash", as: [UInt8].self)] = Key(
                caller: caller, expiresAt: try row.getOptional("expires_at"), isRevoked: try row.get("revoked"),
                isSuspended: isSuspended || team?.isSuspended == true)
        }
    }

    private mutating func loadModels(_ transaction: PostgresTransaction, _ owners: Owners) async throws {
        for row in try await transaction.query("select * from models order by id").rows {
            let tenantID: Int64 = try row.get("tenant_id")
            guard owners.tenants[tenantID] != nil else { continue }
            let model = try ModelRecord(row)
            models[Name(tenantID: model.tenantID, name: model.name)] = model
        }
    }

    private mutating func loadRoutes(_ transaction: PostgresTransaction, _ owners: Owners) async throws {
        for row in try await transaction.query("select * from routes order by id").rows {
            let tenantID: Int64 = try row.get("tenant_id")
            guard owners.tenants[tenantID] != nil else { continue }
            guard let route = try? RouteRecord(row) else {
                unreadableRoutes.append(try row.get("name"))
                continue
            }
            routes[Name(tenantID: route.tenantID, name: route.name)] = route
        }
    }

    private mutating func loadLocalLimits(_ transaction: PostgresTransaction, _ owners: Owners) async throws {
        let result = try await transaction.query(
            """
            select tenant_id, team_id, key_id, unit, limit_n from local_limits where removed_at is null order by id
            """)
        for row in result.rows {
            // A unit that a newer gateway knows cannot be counted here.
            guard let unit = LimitUnit(rawValue: try row.get("unit")) else { continue }
            let tenantID: Int64 = try row.get("tenant_id")
            guard let tenant = owners.tenants[tenantID] else { continue }
            let scope: LocalLimit.Scope
            let name: String
            if let key = try row.getOptional("key_id", as: Int64.self) {
                (scope, name) = (.key(key), "key:\(key)")
            } else if let team = try row.getOptional("team_id", as: Int64.self) {
                (scope, name) = (.team(team), "team:\(owners.teams[team]?.name ?? String(team))")
            } else {
                (scope, name) = (.tenant(tenantID), "tenant:\(tenant.name)")
            }
            localLimits[tenantID, default: []].append(
                LocalLimit(scope: scope, name: name, unit: unit, limit: try row.get("limit_n")))
        }
    }

    private mutating func loadPrices(_ transaction: PostgresTransaction) async throws {
        let tierRows = try await transaction.query(
            """
            select t.price_id, jsonb_agg(to_jsonb(t) order by t.above_input_tokens) as tiers
            from price_tiers t group by t.price_id
            """
        ).rows
        var tiers: [Int64: String] = [:]
        for row in tierRows {
            let id: Int64 = try row.get("price_id")
            tiers[id] = try row.get("tiers", as: PostgresJSON.self).text
        }
        // The version in force and those to come: each that has no successor in force. A minute more, as gateways
        // choose by what they know of this clock.
        let result = try await transaction.query(
            """
            select * from (
              select p.*,
                lead(p.effective_at) over (partition by p.provider, p.model order by p.effective_at) as ends_at
              from prices p) v
            where ends_at is null or ends_at > now() - interval '1 minute' order by effective_at
            """)
        for row in result.rows {
            let id: Int64 = try row.get("id")
            let price = try ModelPrice(row, tiers: tiers[id] ?? "[]")
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
            isPinned: try row.get("pinned"), order: ordered.map { ModelOrder(action: $0, number: number) },
            settingsSHA256: try row.getOptional("settings_sha256"))
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
