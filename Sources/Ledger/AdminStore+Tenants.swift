package import Foundation
internal import GatewayCore
internal import Postgres

/// A tenant, as lists show it.
package struct TenantInfo: Sendable, Codable, Hashable {
    package var id: Int64
    package var name: String
    package var timeZone: String
    package var createdAt: Date
    package var suspendedAt: Date?
    package var deletedAt: Date?
    /// So many days texts of its paid calls are kept, encrypted; nil: none is.
    package var captureDays: Int?
    /// So many seconds answers of paid models are kept in memory for the same request; nil: not at all.
    package var cacheSeconds: Int?

    init(_ row: PostgresRow) throws(PostgresError) {
        captureDays = try row.getOptional("capture_days", as: Int32.self).map { Int($0) }
        cacheSeconds = try row.getOptional("cache_seconds", as: Int32.self).map { Int($0) }
        id = try row.get("id")
        name = try row.get("name")
        timeZone = try row.get("time_zone")
        createdAt = try row.get("created_at")
        suspendedAt = try row.getOptional("suspended_at")
        deletedAt = try row.getOptional("deleted_at")
    }
}

/// A team of a tenant.
package struct TeamInfo: Sendable, Codable, Hashable {
    package var id: Int64
    package var name: String
    package var createdAt: Date
    package var suspendedAt: Date?
    /// Patterns of what its keys may put into `model`; nil: anything.
    package var models: [String]?

    init(_ row: PostgresRow) throws(PostgresError) {
        models = try row.getOptional("models")
        id = try row.get("id")
        name = try row.get("name")
        createdAt = try row.get("created_at")
        suspendedAt = try row.getOptional("suspended_at")
    }
}

extension AdminStore {
    /// Makes a tenant. Its budgets' periods are cut in its time zone.
    package func createTenant(name: String, timeZone: String = "UTC") async throws(LedgerError) -> TenantInfo {
        try AdminText.check(name, field: "name")
        return try await changing { transaction in
            try await requireTimeZone(timeZone, transaction)
            let rows = try await transaction.query(
                """
                insert into tenants (name, time_zone) values (\(name), \(timeZone))
                on conflict (name) where deleted_at is null do nothing returning *
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.conflict, field: "name", "there is a tenant \(name) already")
            }
            let tenant = try TenantInfo(row)
            try await note("tenant.create", (name, tenant.id), after: tenant, transaction)
            return tenant
        }
    }

    /// Tenants by name; or those that were deleted.
    /// - Parameters:
    ///   - name: of the only one to list, a deleted one by its number, "#7"; nil is all.
    ///   - after: the number of the last one already seen.
    ///   - limit: how many at most; nil is all.
    package func tenants(
        deleted: Bool = false, of name: String? = nil, after: Int64 = 0, limit: Int? = nil
    ) async throws(LedgerError) -> [TenantInfo] {
        if let name { try AdminText.requirePossible(name, field: "tenant") }
        return try await reading { transaction in
            if after > 0 {
                // One that was deleted meanwhile is still where the next page begins.
                try await requireMark(
                    """
                    select t.id from tenants t where t.id = \(after)
                      and (\(optional: name) is null or \(unescaped: Self.reference) = \(optional: name))
                    """, transaction)
            }
            return try await transaction.query(
                """
                select t.* from tenants t where (t.deleted_at is not null) = \(deleted)
                  and (\(optional: name) is null or \(unescaped: Self.reference) = \(optional: name))
                  and (\(after) = 0 or (t.name, t.id) > (select x.name, x.id from tenants x where x.id = \(after)))
                order by t.name, t.id limit \(optional: limit)
                """
            ).rows.map { try TenantInfo($0) }
        }
    }

    /// What a tenant `t` is found by. Constant text.
    private static let reference = "case when t.deleted_at is null then t.name else '#' || t.id end"

    /// The tenant of that name; a deleted one by its number, "#7".
    package func tenant(named name: String) async throws(LedgerError) -> TenantInfo {
        try await reading { try await tenant(name, $0) }
    }

    /// Suspends a tenant (its keys are turned away, its data stays), or ends the suspension.
    @discardableResult
    package func setTenantSuspended(_ isSuspended: Bool, tenant name: String) async throws(LedgerError) -> TenantInfo {
        try await changing { transaction in
            let before = try await lockedTenant(name, transaction)
            let rows = try await transaction.query(
                """
                update tenants set suspended_at = case when \(isSuspended) then coalesce(suspended_at, now()) end
                where id = \(before.id) returning *
                """
            ).rows
            guard let row = rows.first else { throw LedgerError(.notFound, field: "tenant", "it is gone") }
            let after = try TenantInfo(row)
            let action = isSuspended ? "tenant.suspend" : "tenant.resume"
            try await note(action, (name, before.id), before: before, after: after, transaction)
            return after
        }
    }

    /// Refuses what the database does not know as a time zone.
    package func requireTimeZone(_ name: String) async throws(LedgerError) {
        try await changing { try await requireTimeZone(name, $0) }
    }

    /// Moves a tenant to another time zone. Its budgets' periods are cut anew at once, but for budgets with a zone of
    /// their own; a period that opens by this counts what was spent in it already.
    @discardableResult
    package func setTenantTimeZone(_ zone: String, tenant name: String) async throws(LedgerError) -> TenantInfo {
        try await changing { transaction in
            try await requireTimeZone(zone, transaction)
            let before = try await lockedTenant(name, transaction)
            _ = try await transaction.query("select gboost_move_tenant(\(before.id), \(zone))")
            let after = try await tenant(name, transaction)
            try await note("tenant.time-zone", (name, before.id), before: before, after: after, transaction)
            return after
        }
    }

    /// Deletes a tenant: keys stop working, nothing is told to its destinations, and its name is free again; ledger and
    /// audit stay, and reports and statements know it by its number from then on.
    /// - Returns: the tenant as it is now.
    @discardableResult
    package func deleteTenant(_ name: String) async throws(LedgerError) -> TenantInfo {
        try await changing { transaction in
            let before = try await lockedTenant(name, transaction)
            let rows = try await transaction.query(
                "update tenants set deleted_at = now() where id = \(before.id) returning *"
            ).rows
            guard let row = rows.first else { throw LedgerError(.notFound, field: "tenant", "it is gone") }
            _ = try await transaction.query(
                "update api_keys set revoked_at = now() where tenant_id = \(before.id) and revoked_at is null")
            _ = try await transaction.query("delete from destinations where tenant_id = \(before.id)")
            try await note("tenant.delete", (name, before.id), before: before, transaction)
            return try TenantInfo(row)
        }
    }

    /// Makes a team, which may have keys and a budget.
    package func createTeam(name: String, tenant: String) async throws(LedgerError) -> TeamInfo {
        try AdminText.check(name, field: "name")
        return try await changing { transaction in
            let owner = try await lockedTenant(tenant, transaction)
            let rows = try await transaction.query(
                """
                insert into teams (tenant_id, name) values (\(owner.id), \(name))
                on conflict (tenant_id, name) do nothing returning *
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.conflict, field: "name", "\(tenant) has a team \(name) already")
            }
            let team = try TeamInfo(row)
            try await note("team.create", (name, owner.id), after: team, transaction)
            return team
        }
    }

    /// Suspends a team (its keys are turned away, its data stays), or ends the suspension.
    @discardableResult
    package func setTeamSuspended(
        _ isSuspended: Bool, team name: String, tenant: String
    ) async throws(LedgerError) -> TeamInfo {
        try await changing { transaction in
            let owner = try await lockedTenant(tenant, transaction)
            let id = try await teamID(name, tenant: owner, transaction)
            let old = try await transaction.query("select * from teams where id = \(id)").rows.first
            let new = try await transaction.query(
                """
                update teams set suspended_at = case when \(isSuspended) then coalesce(suspended_at, now()) end
                where id = \(id) returning *
                """
            ).rows.first
            guard let old, let new else { throw LedgerError(.notFound, field: "team", "it is gone") }
            let (before, after) = (try TeamInfo(old), try TeamInfo(new))
            let action = isSuspended ? "team.suspend" : "team.resume"
            try await note(action, (name, owner.id), before: before, after: after, transaction)
            return after
        }
    }

    /// Says which names a team's keys may put into `model`; nil: any.
    @discardableResult
    package func setTeamModels(
        _ models: [String]?, team name: String, tenant: String
    ) async throws(LedgerError) -> TeamInfo {
        if let models { try ModelAllowance.check(models) }
        return try await changing { transaction in
            let owner = try await lockedTenant(tenant, transaction)
            let id = try await teamID(name, tenant: owner, transaction)
            let old = try await transaction.query("select * from teams where id = \(id)").rows.first
            let new = try await transaction.query(
                "update teams set models = \(optional: models) where id = \(id) returning *"
            ).rows.first
            guard let old, let new else { throw LedgerError(.notFound, field: "team", "it is gone") }
            let (before, after) = (try TeamInfo(old), try TeamInfo(new))
            try await note("team.models", (name, owner.id), before: before, after: after, transaction)
            return after
        }
    }

    /// A tenant's teams by name.
    /// - Parameters:
    ///   - after: the number of the last one already seen.
    ///   - limit: how many at most; nil is all.
    package func teams(
        tenant: String, after: Int64 = 0, limit: Int? = nil
    ) async throws(LedgerError) -> [TeamInfo] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            if after > 0 {
                try await requireMark(
                    "select id from teams where id = \(after) and tenant_id = \(owner.id)", transaction)
            }
            return try await transaction.query(
                """
                select * from teams where tenant_id = \(owner.id)
                  and (\(after) = 0 or name > (select m.name from teams m where m.id = \(after)))
                order by name limit \(optional: limit)
                """
            ).rows.map { try TeamInfo($0) }
        }
    }

    /// The tenant's team of that name.
    package func team(named name: String, tenant: String) async throws(LedgerError) -> TeamInfo {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            let id = try await teamID(name, tenant: owner, transaction)
            let row = try await transaction.query("select * from teams where id = \(id)").rows.first
            guard let row else { throw LedgerError(.notFound, field: "team", "it is gone") }
            return try TeamInfo(row)
        }
    }

    // MARK: - For the other files

    /// For what only reads. A deleted tenant is named by its number, "#7", as its name may be another's by now; no name
    /// has a '#'.
    func tenant(_ name: String, _ transaction: PostgresTransaction) async throws -> TenantInfo {
        try AdminText.requirePossible(name, field: "tenant")
        let rows = try await transaction.query(
            """
            select * from tenants where name = \(name) and deleted_at is null
              or id = \(optional: Self.deletedNumber(name)) and deleted_at is not null
            """
        ).rows
        guard let row = rows.first else { throw LedgerError(.notFound, field: "tenant", "there is no tenant \(name)") }
        return try TenantInfo(row)
    }

    /// Changes to one tenant happen one after the other.
    /// - Parameter orDeleted: whether a deleted one is found too, by its number: only where it gets nothing new.
    func lockedTenant(
        _ name: String, orDeleted: Bool = false, _ transaction: PostgresTransaction
    ) async throws -> TenantInfo {
        try AdminText.requirePossible(name, field: "tenant")
        let deleted = orDeleted ? Self.deletedNumber(name) : nil
        let rows = try await transaction.query(
            """
            select * from tenants where name = \(name) and deleted_at is null
              or id = \(optional: deleted) and deleted_at is not null for no key update
            """
        ).rows
        guard let row = rows.first else { throw LedgerError(.notFound, field: "tenant", "there is no tenant \(name)") }
        return try TenantInfo(row)
    }

    private static func deletedNumber(_ name: String) -> Int64? {
        guard name.hasPrefix("#"), let number = Int64(name.dropFirst()), "#\(number)" == name else { return nil }
        return number
    }

    func teamID(_ name: String, tenant: TenantInfo, _ transaction: PostgresTransaction) async throws -> Int64 {
        try AdminText.requirePossible(name, field: "team")
        let rows = try await transaction.query(
            "select id from teams where tenant_id = \(tenant.id) and name = \(name)"
        ).rows
        guard let row = rows.first else {
            throw LedgerError(.notFound, field: "team", "\(tenant.name) has no team \(name)")
        }
        return try row.get("id")
    }
}
