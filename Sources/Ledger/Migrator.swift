internal import Foundation
internal import Logging
package import Postgres

/// Brings a database's schema up to date: every pending file in a transaction of its own, one runner at a time.
package struct Migrator: Sendable {
    /// Advisory lock that runners take turns by.
    private static let lockKeys = "7161021, 1"
    private let pool: PostgresPool
    private let migrations: [Migration]

    /// - Parameter migrations: all of them, from `Migration.load`.
    package init(pool: PostgresPool, migrations: [Migration]) {
        self.pool = pool
        self.migrations = migrations
    }

    /// Applies what is pending and says which. A file that fails leaves nothing of itself behind; the ones before it
    /// stay. Safe to run from several processes at once.
    @discardableResult
    package func migrate() async throws(LedgerError) -> [Migration] {
        try await locked { session in
            try await session.script(
                """
                create table if not exists schema_migrations (
                  version int primary key, name text not null, checksum text not null,
                  applied_at timestamptz not null default now(), milliseconds bigint not null)
                """)
            let known = try Self.applied(await session.query(Self.appliedStatement))
            try check(known)
            let pending = migrations.filter { migration in !known.contains { $0.version == migration.version } }
            for migration in pending { try await apply(migration, session) }
            return pending
        }
    }

    /// What is applied and what is not. Works on an empty database.
    package func status() async throws(LedgerError) -> [MigrationStatus] {
        do {
            let exists = try await pool.query("select to_regclass('schema_migrations') is not null as found")
            let isThere = try exists.rows.first?.get("found", as: Bool.self) ?? false
            return statuses(isThere ? try Self.applied(await pool.query(Self.appliedStatement)) : [])
        } catch { throw LedgerError(error) }
    }

    /// Throws unless the schema is exactly what the files say: a gateway must not run on another one.
    package func requireCurrent() async throws(LedgerError) {
        let all = try await status()
        try Self.refuse(all)
        if let next = all.first(where: { $0.state == .pending }) {
            throw LedgerError(.migration, "\(next.name) is not applied yet: run gboost migrate")
        }
    }

    /// Throws where the schema is older than this program, whatever the files say that are at hand.
    package func requireNewest() async throws(LedgerError) {
        let all = try await status()
        let applied = all.filter { $0.state != .pending }.map(\.version).max() ?? 0
        guard applied < Migration.newest else { return }
        throw LedgerError(
            .migration,
            "the database's schema is missing or old: run gboost migrate, with this program's own files "
                + "(ledger.migrations): it has migration \(applied), and \(Migration.newest) is needed")
    }

    // MARK: -

    private struct Applied {
        var version: Int
        var name: String
        var checksum: String
        var at: Date
    }

    private static let appliedStatement: PostgresStatement =
        "select version, name, checksum, applied_at from schema_migrations order by version"

    private static func applied(_ result: PostgresResult) throws(PostgresError) -> [Applied] {
        var all: [Applied] = []
        for row in result.rows {
            all.append(
                Applied(
                    version: try row.get("version"), name: try row.get("name"), checksum: try row.get("checksum"),
                    at: try row.get("applied_at")))
        }
        return all
    }

    private func statuses(_ known: [Applied]) -> [MigrationStatus] {
        let files = migrations.map { migration in
            let row = known.first { $0.version == migration.version }
            let state: MigrationStatus.State =
                row.map { $0.checksum == migration.checksum ? .applied : .changed } ?? .pending
            return MigrationStatus(version: migration.version, name: migration.name, state: state, at: row?.at)
        }
        let missing = known.filter { row in !migrations.contains { $0.version == row.version } }
        return files + missing.map { MigrationStatus(version: $0.version, name: $0.name, state: .missing, at: $0.at) }
    }

    private func check(_ known: [Applied]) throws(LedgerError) { try Self.refuse(statuses(known)) }

    private static func refuse(_ all: [MigrationStatus]) throws(LedgerError) {
        if let changed = all.first(where: { $0.state == .changed }) {
            throw LedgerError(
                .migration, "\(changed.name) was changed after it was applied: restore it and write a new file instead")
        }
        if let newer = all.last(where: { $0.state == .missing }) {
            throw LedgerError(
                .migration, "the database is newer than these files: \(newer.name) was applied and is not among them")
        }
    }

    private func apply(_ migration: Migration, _ session: PostgresSession) async throws {
        let start = ContinuousClock.now
        do {
            try await session.transaction { transaction in
                try await transaction.script(migration.sql)
                let (seconds, attoseconds) = (ContinuousClock.now - start).components
                let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
                _ = try await transaction.query(
                    """
                    insert into schema_migrations (version, name, checksum, milliseconds)
                    values (\(Int32(migration.version)), \(migration.name), \(migration.checksum), \(milliseconds))
                    """)
            }
        } catch let error as PostgresError where error.code == .server {
            throw LedgerError(
                .migration, "\(migration.name) failed and left nothing behind: \(error.message)", underlying: error)
        }
    }

    private func locked<R: Sendable>(_ body: (PostgresSession) async throws -> R) async throws(LedgerError) -> R {
        do {
            return try await pool.withConnection { session in
                // Without the server's own limit, because another runner may hold the lock for longer than a statement
                // may take. The setting ends with the session.
                try await session.script("set statement_timeout = 0; select pg_advisory_lock(\(Self.lockKeys))")
                do {
                    let result = try await body(session)
                    try await session.script("select pg_advisory_unlock(\(Self.lockKeys))")
                    return result
                } catch {
                    _ = try? await session.script("select pg_advisory_unlock(\(Self.lockKeys))")
                    throw error
                }
            }
        } catch let error as LedgerError {
            throw error
        } catch let error as PostgresError {
            throw LedgerError(error)
        } catch {
            throw LedgerError(.migration, "\(error)")
        }
    }
}
