package import Foundation
package import Postgres

/// Everything that operators change and look at. Every change writes an event in its own transaction.
///
/// Errors name the field that is wrong. Names are unique in their tenant.
package struct AdminStore: Sendable {
    let pool: PostgresPool
    let hasher: KeyHasher
    /// Who acts, for the events: "cli:root", "admin-key:ops".
    var actor: String
    /// From where, as far as the one who acts can say; the server adds the address that it sees.
    var origin: String?
    /// Set while several changes are to be one: see `inOneTransaction`.
    var transaction: PostgresTransaction?

    package init(pool: PostgresPool, hasher: KeyHasher, actor: String, origin: String? = nil) {
        self.pool = pool
        self.hasher = hasher
        self.actor = actor
        self.origin = origin
    }
}

extension AdminStore {
    /// The same store for somebody else, as its events will say.
    package func acting(as actor: String) -> AdminStore {
        var store = self
        store.actor = actor
        return store
    }

    /// The same store for somebody who asks from elsewhere, as its events will say.
    package func from(_ origin: String) -> AdminStore {
        var store = self
        store.origin = origin
        return store
    }
}

/// One administrative action, as it happened.
package struct EventInfo: Sendable, Codable {
    package var id: Int64
    package var at: Date
    package var actor: String
    /// From where.
    package var origin: String?
    package var action: String
    package var subject: String
    /// JSON of what there was.
    package var before: String?
    /// JSON of what there is now.
    package var after: String?
}

extension AdminStore {
    /// The latest administrative actions, newest first.
    package func events(tenant: String? = nil, limit: Int = 100) async throws(LedgerError) -> [EventInfo] {
        try await reading { transaction in
            let id = if let tenant { try await self.tenant(tenant, transaction).id } else { Int64?.none }
            let rows = try await transaction.query(
                """
                select id, at, actor, origin, action, subject, before::text as before, after::text as after from events
                where \(optional: id) is null or tenant_id = \(optional: id) order by id desc limit \(limit)
                """
            ).rows
            return try rows.map { row in
                EventInfo(
                    id: try row.get("id"), at: try row.get("at"), actor: try row.get("actor"),
                    origin: try row.getOptional("origin"), action: try row.get("action"),
                    subject: try row.get("subject"),
                    before: try row.getOptional("before"), after: try row.getOptional("after"))
            }
        }
    }

    /// Several changes that come about together or not at all: those made by the store that `body` is given. Each sees
    /// what the ones before it did. Errors of `body`'s own are passed on as they are; where it met another change in a
    /// deadlock it is begun anew, with nothing of it done.
    package func inOneTransaction<R: Sendable>(
        _ body: (AdminStore) async throws -> R
    ) async throws -> R {
        for _ in 1..<Self.attempts {
            do { return try await attempt(body) } catch let error as LedgerError where error.isDeadlock { continue }
        }
        return try await attempt(body)
    }

    private func attempt<R: Sendable>(_ body: (AdminStore) async throws -> R) async throws -> R {
        do {
            return try await pool.transaction { transaction in
                // One at a time: they lock tenants in an order of their own.
                _ = try await transaction.query("select pg_advisory_xact_lock(7161021, 3)")
                var store = self
                store.transaction = transaction
                return try await body(store)
            }
        } catch let error as PostgresError { throw LedgerError(error) }
    }

    /// Locks some tenants, before several changes of theirs in one transaction: each single change locks its tenant
    /// first, and then what all tenants have in common. No call waits for it.
    package func lockTenants(_ names: [String]) async throws(LedgerError) {
        try await changing { transaction in
            _ = try await transaction.query(
                """
                select id from tenants where name = any(\(names)) and deleted_at is null
                order by id for no key update
                """)
        }
    }

    /// Locks all budgets of some tenants, for several changes of them in one transaction: in the order of everything
    /// else that locks them, which is not that of the changes. Calls that need them stand still until the commit.
    package func lockBudgets(of tenants: [String]) async throws(LedgerError) {
        try await changing { transaction in
            let rows = try await transaction.query("select id from tenants where name = any(\(tenants))").rows
            try await lockBudgets(of: try rows.map { try $0.get("id") }, transaction)
        }
    }

    // MARK: - For the other files

    /// How often a change is begun that others stood in the way of.
    private static let attempts = 4

    /// A change: one transaction, errors told apart. One that met another in a deadlock was not done at all, and is
    /// done again.
    func changing<R: Sendable>(_ body: (PostgresTransaction) async throws -> R) async throws(LedgerError) -> R {
        try await translated {
            if let transaction { return try await body(transaction) }
            for _ in 1..<Self.attempts {
                do { return try await pool.transaction(body) } catch let error as PostgresError
                    where error.sqlState == "40P01"
                { continue }
            }
            return try await pool.transaction(body)
        }
    }

    /// A report: one moment of the database.
    func reading<R: Sendable>(_ body: (PostgresTransaction) async throws -> R) async throws(LedgerError) -> R {
        try await translated {
            if let transaction { return try await body(transaction) }
            return try await pool.transaction(isolation: .repeatableRead, body)
        }
    }

    /// Refuses a page that begins behind what was never in its list: it would look like the list's end.
    /// - Parameter mark: finds what the page begins behind.
    func requireMark(_ mark: PostgresStatement, _ transaction: PostgresTransaction) async throws {
        guard try await transaction.query(mark).rows.isEmpty else { return }
        throw LedgerError(.invalid, field: "after", "no page of this list ends with it")
    }

    func translated<R>(_ body: () async throws -> R) async throws(LedgerError) -> R {
        do { return try await body() } catch let error as LedgerError {
            throw error
        } catch let error as PostgresError {
            throw LedgerError(error)
        } catch {
            throw LedgerError(.database, "\(error)")
        }
    }

    /// Writes the event of a change. Secrets have no place in `before` and `after`.
    func note(
        _ action: String, _ subject: (name: String, tenantID: Int64?), before: (any Encodable)? = nil,
        after: (any Encodable)? = nil, _ transaction: PostgresTransaction
    ) async throws {
        let old = try before.map { PostgresJSON(try LedgerJSON.text($0)) }
        let new = try after.map { PostgresJSON(try LedgerJSON.text($0)) }
        _ = try await transaction.query(
            """
            insert into events (tenant_id, actor, origin, action, subject, before, after)
            values (\(optional: subject.tenantID), \(actor),
              nullif(concat_ws(' via ', \(optional: origin), host(inet_client_addr())), ''),
              \(action), \(subject.name), \(optional: old), \(optional: new))
            """)
    }

    /// Only IANA names: an abbreviation or an offset has no daylight saving time, and PostgreSQL would take nearly any
    /// text with a digit in it for an offset. (Its view of all names reads a thousand files: not here.)
    func requireTimeZone(_ name: String, _ transaction: PostgresTransaction) async throws {
        let wrong = LedgerError(
            .invalid, field: "time-zone", "\(name) is not a time zone: use a name like Europe/Berlin")
        guard name.wholeMatch(of: Self.zoneNames) != nil else { throw wrong }
        do { _ = try await transaction.query("select now() at time zone \(name)") } catch {
            throw error.sqlState == "22023" ? wrong : error
        }
    }

    private static var zoneNames: Regex<Substring> {
        /(?:UTC|GMT|Etc\/(?:UTC|GMT(?:[+\-][0-9]{1,2})?)|[A-Z][A-Za-z]+(?:\/[A-Za-z_\-]+){1,2})/
    }
}
