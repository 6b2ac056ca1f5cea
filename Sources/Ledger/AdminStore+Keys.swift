package import Foundation
internal import GatewayCore
internal import Postgres

/// A key, as lists show it: never the secret, nor its hash.
package struct KeyInfo: Sendable, Codable, Hashable {
    package var id: Int64
    package var name: String
    package var team: String?
    /// The secret's first characters.
    package var prefix: String
    package var createdAt: Date
    package var rotatedAt: Date?
    package var expiresAt: Date?
    package var revokedAt: Date?
    package var suspendedAt: Date?
    /// Patterns of what it may put into `model`; nil: anything.
    package var models: [String]?

    init(_ row: PostgresRow) throws(PostgresError) {
        id = try row.get("id")
        name = try row.get("name")
        team = try row.getOptional("team")
        prefix = try row.get("prefix")
        createdAt = try row.get("created_at")
        rotatedAt = try row.getOptional("rotated_at")
        expiresAt = try row.getOptional("expires_at")
        revokedAt = try row.getOptional("revoked_at")
        suspendedAt = try row.getOptional("suspended_at")
        models = try row.getOptional("models")
    }
}

/// A key just made: the only moment at which its secret is known.
package struct NewKey: Sendable {
    package var info: KeyInfo
    /// "gb-…". To be shown once, and never to be logged.
    package var secret: String
}

extension NewKey: CustomStringConvertible, CustomReflectable {
    package var description: String { "NewKey(\(info.id))" }
    package var customMirror: Mirror { Mirror(self, children: ["info": info]) }
}

/// What a new key is to be.
package struct KeyDraft: Sendable {
    package var tenant: String
    package var team: String?
    package var name: String
    package var expiresAt: Date?
    /// Patterns of what it may put into `model`; nil: anything.
    package var models: [String]?
    /// SHA-256 of a key that another gateway made, in hexadecimal; nil: a new key is made.
    package var importedSHA256: String?
    /// What lists show of an imported key.
    package var displayPrefix: String?
    package init(tenant: String, team: String? = nil, name: String = "", expiresAt: Date? = nil) {
        self.tenant = tenant
        self.team = team
        self.name = name
        self.expiresAt = expiresAt
    }
}

extension AdminStore {
    /// Makes a key, whose secret is shown this once.
    package func createKey(_ draft: KeyDraft) async throws(LedgerError) -> NewKey {
        if let end = draft.expiresAt, end <= Date() {
            throw LedgerError(.invalid, field: "expires", "lies in the past")
        }
        if let models = draft.models { try ModelAllowance.check(models) }
        try AdminText.check(draft.name, field: "name")
        try AdminText.check(draft.displayPrefix, field: "prefix")
        let (secret, hash) = if let digest = draft.importedSHA256 { try imported(digest) } else { try newSecret() }
        let prefix = draft.displayPrefix ?? KeyHasher.displayPrefix(of: secret)
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            var team: Int64?
            if let name = draft.team { team = try await teamID(name, tenant: tenant, transaction) }
            try await PepperRecord.require(hasher, transaction)
            let rows = try await transaction.query(
                """
                insert into api_keys (tenant_id, team_id, name, prefix, hash, expires_at, models)
                values (\(tenant.id), \(optional: team), \(draft.name), \(prefix), \(hash),
                  \(optional: draft.expiresAt), \(optional: draft.models))
                returning *, \(optional: draft.team) as team
                """
            ).rows
            guard let row = rows.first else { throw LedgerError(.database, "no key was made") }
            let info = try KeyInfo(row)
            try await note("key.create", ("key:\(info.id)", tenant.id), after: info, transaction)
            return NewKey(info: info, secret: secret)
        }
    }

    /// A tenant's keys by number, revoked ones too.
    /// - Parameters:
    ///   - after: the number of the last one already seen.
    ///   - limit: how many at most; nil is all.
    package func keys(
        tenant: String, after: Int64 = 0, limit: Int? = nil
    ) async throws(LedgerError) -> [KeyInfo] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            return try await transaction.query(
                """
                select k.*, m.name as team from api_keys k left join teams m on m.id = k.team_id
                where k.tenant_id = \(owner.id) and k.id > \(after) order by k.id limit \(optional: limit)
                """
            ).rows.map { try KeyInfo($0) }
        }
    }

    /// The key that a text names, and its tenant: "key:17", the secret itself, the SHA-256 of one that was imported, or
    /// the name that one key in use alone has.
    package func key(named text: String) async throws(LedgerError) -> (info: KeyInfo, tenant: String) {
        try AdminText.requirePossible(text, field: "key")
        let number = text.hasPrefix("key:") ? Int64(text.dropFirst(4)) : nil
        let hash = hasher.hash(text) ?? hasher.hash(sha256: text)
        return try await reading { transaction in
            let rows = try await transaction.query(
                """
                select k.*, t.name as tenant, (select name from teams m where m.id = k.team_id) as team
                from api_keys k join tenants t on t.id = k.tenant_id
                where t.deleted_at is null and (k.id = \(optional: number) or k.hash = \(optional: hash)
                  or k.name = \(text) and k.name <> '' and k.revoked_at is null
                    and \(optional: number) is null and \(optional: hash) is null)
                limit 2
                """
            ).rows
            guard let row = rows.first else { throw LedgerError(.notFound, field: "key", "there is no such key") }
            guard rows.count == 1 else { throw LedgerError(.conflict, field: "key", "several keys have this name") }
            return (try KeyInfo(row), try row.get("tenant"))
        }
    }

    /// Gives a key a new secret; the old one stops at once. Id, budget and history stay.
    package func rotateKey(_ id: Int64) async throws(LedgerError) -> NewKey {
        let (secret, hash) = try newSecret()
        return try await changing { transaction in
            let (before, tenantID) = try await lockedKey(id, transaction)
            guard before.revokedAt == nil else { throw LedgerError(.conflict, field: "key", "key \(id) is revoked") }
            try await PepperRecord.require(hasher, transaction)
            _ = try await transaction.query(
                """
                update api_keys set hash = \(hash), prefix = \(KeyHasher.displayPrefix(of: secret)), rotated_at = now()
                where id = \(id)
                """)
            let (after, _) = try await lockedKey(id, transaction)
            try await note("key.rotate", ("key:\(id)", tenantID), before: before, after: after, transaction)
            return NewKey(info: after, secret: secret)
        }
    }

    /// Turns a key away from now on: in the database at once, in gateways' snapshots within a second.
    @discardableResult
    package func revokeKey(_ id: Int64) async throws(LedgerError) -> KeyInfo {
        try await changing { transaction in
            let (before, tenantID) = try await lockedKey(id, transaction)
            _ = try await transaction.query(
                "update api_keys set revoked_at = coalesce(revoked_at, now()) where id = \(id)")
            let (after, _) = try await lockedKey(id, transaction)
            try await note("key.revoke", ("key:\(id)", tenantID), before: before, after: after, transaction)
            return after
        }
    }

    /// Moves a key to the draft's team and gives it the draft's end. Its own budgets and its history stay.
    @discardableResult
    package func changeKey(_ id: Int64, to draft: KeyDraft) async throws(LedgerError) -> KeyInfo {
        try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            var team: Int64?
            if let name = draft.team { team = try await teamID(name, tenant: tenant, transaction) }
            let (before, tenantID) = try await lockedKey(id, transaction)
            guard tenantID == tenant.id else {
                throw LedgerError(.notFound, field: "key", "\(tenant.name) has no key \(id)")
            }
            _ = try await transaction.query(
                """
                update api_keys set team_id = \(optional: team), expires_at = \(optional: draft.expiresAt)
                where id = \(id)
                """)
            let (after, _) = try await lockedKey(id, transaction)
            try await note("key.change", ("key:\(id)", tenantID), before: before, after: after, transaction)
            return after
        }
    }

    /// Suspends a key (it is turned away, its budget and history stay), or ends the suspension.
    @discardableResult
    package func setKeySuspended(_ isSuspended: Bool, key id: Int64) async throws(LedgerError) -> KeyInfo {
        try await changing { transaction in
            let (before, tenantID) = try await lockedKey(id, transaction)
            guard before.revokedAt == nil else { throw LedgerError(.conflict, field: "key", "key \(id) is revoked") }
            _ = try await transaction.query(
                """
                update api_keys set suspended_at = case when \(isSuspended) then coalesce(suspended_at, now()) end
                where id = \(id)
                """)
            let (after, _) = try await lockedKey(id, transaction)
            let action = isSuspended ? "key.suspend" : "key.resume"
            try await note(action, ("key:\(id)", tenantID), before: before, after: after, transaction)
            return after
        }
    }

    /// Says which names a key may put into `model`; nil: any.
    @discardableResult
    package func setKeyModels(_ models: [String]?, key id: Int64) async throws(LedgerError) -> KeyInfo {
        if let models { try ModelAllowance.check(models) }
        return try await changing { transaction in
            let (before, tenantID) = try await lockedKey(id, transaction)
            _ = try await transaction.query("update api_keys set models = \(optional: models) where id = \(id)")
            let (after, _) = try await lockedKey(id, transaction)
            try await note("key.models", ("key:\(id)", tenantID), before: before, after: after, transaction)
            return after
        }
    }

    /// Such a key's secret is nobody's to show: there is none here.
    private func imported(_ digest: String) throws(LedgerError) -> (secret: String, hash: [UInt8]) {
        guard let hash = hasher.hash(sha256: digest) else {
            throw LedgerError(.invalid, field: "key", "its SHA-256 is not 64 hexadecimal digits")
        }
        return ("", hash)
    }

    private func newSecret() throws(LedgerError) -> (secret: String, hash: [UInt8]) {
        let secret = KeyHasher.newSecret()
        guard let hash = hasher.hash(secret) else { throw LedgerError(.invalid, "the key cannot be hashed") }
        return (secret, hash)
    }

    /// Its tenant is locked first, as every change does that begins with a tenant: one of a key moves the tenant's
    /// version, and would else wait for who has the tenant and waits for the key.
    private func lockedKey(
        _ id: Int64, _ transaction: PostgresTransaction
    ) async throws -> (info: KeyInfo, tenantID: Int64) {
        _ = try await transaction.query(
            "select from tenants where id = (select tenant_id from api_keys where id = \(id)) for no key update")
        let rows = try await transaction.query(
            """
            select k.*, (select name from teams m where m.id = k.team_id) as team from api_keys k
            where k.id = \(id) for no key update of k
            """
        ).rows
        guard let row = rows.first else { throw LedgerError(.notFound, field: "key", "there is no key \(id)") }
        return (try KeyInfo(row), try row.get("tenant_id"))
    }
}
