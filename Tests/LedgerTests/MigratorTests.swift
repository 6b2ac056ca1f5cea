import EmbeddedPostgres
import Foundation
import Postgres
import Testing

@testable import Ledger

@Suite("Migrations")
struct MigratorTests {
    private func with(_ function: String = #function, _ body: (PostgresPool) async throws -> Void) async throws {
        let database = try await ScratchDatabase.make(function: function)
        let pool = try LedgerFixture.pool(database.url)
        do { try await body(pool) } catch {
            await pool.close(within: .seconds(1))
            try await database.drop()
            throw error
        }
        await pool.close(within: .seconds(1))
        try await database.drop()
    }

    private let one = Migration(version: 1, name: "0001_one.sql", sql: "create table one (a int)")
    private let two = Migration(version: 2, name: "0002_two.sql", sql: "create table two (a int)")

    private func tables(_ pool: PostgresPool) async throws -> [String] {
        try await pool.query(
            "select table_name::text as t from information_schema.tables where table_schema = 'public' order by 1"
        ).rows.map { try $0.get("t", as: String.self) }
    }

    @Test("the program knows the number of its last migration, and refuses an older schema, whatever files are there")
    func newest() async throws {
        let all = try Migration.load(directory: LedgerFixture.migrations)
        #expect(all.last?.version == Migration.newest)
        try await with { pool in
            for count in [0, all.count - 1] {
                // An earlier program's files beside its schema.
                let older = Migrator(pool: pool, migrations: Array(all.prefix(count)))
                if count > 0 { try await older.migrate() }
                try await older.requireCurrent()
                let error = await #expect(throws: LedgerError.self) { try await older.requireNewest() }
                #expect(error?.code == .migration, "\(count)")
                #expect(error?.message.contains("schema is missing or old: run gboost migrate") == true)
            }
            try await Migrator(pool: pool, migrations: all).migrate()
            try await Migrator(pool: pool, migrations: []).requireNewest()
        }
    }

    @Test("the project's migrations apply to an empty database, and a second run finds nothing to do")
    func twice() async throws {
        try await with { pool in
            let all = try Migration.load(directory: LedgerFixture.migrations)
            let migrator = Migrator(pool: pool, migrations: all)
            #expect(try await migrator.status().allSatisfy { $0.state == .pending })
            await #expect(throws: LedgerError.self) { try await migrator.requireCurrent() }
            #expect(try await migrator.migrate() == all)
            #expect(try await migrator.migrate().isEmpty)
            try await migrator.requireCurrent()
            #expect(try await migrator.status().allSatisfy { $0.state == .applied && $0.at != nil })
        }
    }

    @Test("runners at the same time take turns: every file is applied once")
    func concurrent() async throws {
        try await with { pool in
            let all = try Migration.load(directory: LedgerFixture.migrations)
            let applied = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<3 {
                    group.addTask { try await Migrator(pool: pool, migrations: all).migrate().count }
                }
                return try await group.reduce(0, +)
            }
            #expect(applied == all.count)
        }
    }

    @Test("a file that fails leaves nothing of itself; what came before stays, what comes after waits")
    func failing() async throws {
        try await with { pool in
            let bad = Migration(version: 2, name: "0002_bad.sql", sql: "create table two (a int); select 1/0;")
            let three = Migration(version: 3, name: "0003_three.sql", sql: "create table three (a int)")
            let error = await #expect(throws: LedgerError.self) {
                try await Migrator(pool: pool, migrations: [one, bad, three]).migrate()
            }
            #expect(error?.code == .migration && error?.description.contains("0002_bad.sql") == true)
            #expect(try await tables(pool) == ["one", "schema_migrations"])
            try await Migrator(pool: pool, migrations: [one, two, three]).migrate()
            #expect(try await tables(pool) == ["one", "schema_migrations", "three", "two"])
        }
    }

    @Test("a file changed after it was applied, and a database newer than the files, are refused by name")
    func changed() async throws {
        try await with { pool in
            try await Migrator(pool: pool, migrations: [one, two]).migrate()
            let edited = Migration(version: 1, name: "0001_one.sql", sql: "create table one (a bigint)")
            let changed = Migrator(pool: pool, migrations: [edited, two])
            let error = await #expect(throws: LedgerError.self) { try await changed.migrate() }
            #expect(error?.description.contains("0001_one.sql was changed") == true)
            #expect(try await changed.status().map(\.state) == [.changed, .applied])
            let older = Migrator(pool: pool, migrations: [one])
            let newer = await #expect(throws: LedgerError.self) { try await older.migrate() }
            #expect(newer?.description.contains("0002_two.sql") == true)
            await #expect(throws: LedgerError.self) { try await older.requireCurrent() }
            #expect(try await older.status().map(\.state) == [.applied, .missing])
        }
    }

    @Test("0033: periods that were raised before it alert by their limit; nothing is told by it, nor twice at a limit")
    func raisedBefore() async throws {
        try await with { pool in
            let all = try Migration.load(directory: LedgerFixture.migrations)
            try await Migrator(pool: pool, migrations: Array(all.prefix(31))).migrate()
            func run(_ sql: String) async throws { _ = try await pool.query(PostgresStatement(trusted: sql)) }
            func texts(_ sql: String) async throws -> [String] {
                try await pool.query(PostgresStatement(trusted: sql)).rows.map { try $0.get("t", as: String.self) }
            }
            try await run("insert into tenants (name) values ('acme')")
            for cycle in ["month", "week", "total"] {
                try await run(
                    """
                    insert into budgets (tenant_id, cycle, limit_n, thresholds)
                    select id, '\(cycle)', 1000, '{50,80,95}' from tenants
                    """)
            }
            try await run("select gboost_open_periods(id, now()) from tenants")
            try await run("update budget_periods set settled = 960")
            try await run("select gboost_alert(id) from budget_periods")
            let mark = "once:refused:1:tenant:acme:total"
            try await run("insert into outbox_marks (key, raised_at) values ('\(mark)', now())")
            // The first is raised, of the second less was charged after all, the third stays as it is.
            try await run("select gboost_set_limit(1, 1800)")
            try await run("update budget_periods set settled = 700 where id / 100000000 = 2")
            let told = "select payload->>'percent' as t from outbox order by id"
            let before = try await texts(told)
            #expect(before.count == 9)
            try await Migrator(pool: pool, migrations: all).migrate()
            let periods = """
                select concat_ws(' ', alerted, coalesce(alert_at, 0)) as t from budget_periods order by id / 100000000
                """
            #expect(try await texts(periods) == ["50 1440", "50 800", "95 0"])
            #expect(try await texts(told) == before)
            let refused = "select key as t from outbox_marks where key like 'once:refused:%' order by key"
            #expect(try await texts(refused) == [mark, mark + ":1000"])
            // What was told of at the limit before is not told of again when that is back, nor at the one that was.
            try await run("select gboost_set_limit(1, 1000)")
            try await run("select gboost_set_limit(1, 1800)")
            #expect(try await texts(told) == before)
            #expect(try await texts(periods) == ["50 1440", "50 800", "95 0"])
            try await run("update budget_periods set settled = target - 1, lim = greatest(lim, target)")
            try await run("select gboost_alert(id) from budget_periods order by id")
            #expect(try await texts(told) == before + ["80", "95"])
            #expect(try await texts(periods) == ["95 0", "95 0", "95 0"])
        }
    }

    @Test(
        "files must be numbered from 1 without gaps",
        arguments: [
            ["0002_a.sql"], ["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"], ["one.sql"], [],
        ])
    func numbering(names: [String]) throws {
        let directory = temporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for name in names { try Data("select 1".utf8).write(to: URL(fileURLWithPath: "\(directory)/\(name)")) }
        #expect(throws: LedgerError.self) { try Migration.load(directory: directory) }
    }
}
