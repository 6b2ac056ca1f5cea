import Testing

@testable import Postgres

@Suite("Transactions, sessions and scripts")
struct TransactionTests {
    private struct Stop: Error {}

    @Test("what commits is seen, what throws is rolled back, and the error is the body's own")
    func commitAndRollback() async throws {
        try await withPool { pool in
            _ = try await pool.query("CREATE TABLE t (v int8 PRIMARY KEY)")
            let sum = try await pool.transaction { transaction in
                _ = try await transaction.query("INSERT INTO t VALUES (1)")
                _ = try await transaction.query("INSERT INTO t VALUES (2)")
                return try await transaction.query("SELECT sum(v)::int8 AS s FROM t").rows[0].get("s", as: Int.self)
            }
            #expect(sum == 3)
            await #expect(throws: Stop.self) {
                try await pool.transaction { transaction in
                    _ = try await transaction.query("INSERT INTO t VALUES (3)")
                    throw Stop()
                }
            }
            let error = try await failure {
                try await pool.transaction { _ = try await $0.query("INSERT INTO t VALUES (4), (1)") }
            }
            #expect(error.sqlState == "23505" && error.constraint == "t_pkey" && error.code == .server)
            #expect(try await pool.query("SELECT count(*) AS n FROM t").rows[0].get("n") == 2)
            #expect(await pool.statistics.lost == 0)
        }
    }

    @Test("a body that swallows a failed statement does not get a commit")
    func swallowed() async throws {
        try await withPool { pool in
            _ = try await pool.query("CREATE TABLE t (v int8)")
            let error = try await failure {
                try await pool.transaction { transaction in
                    _ = try await transaction.query("INSERT INTO t VALUES (1)")
                    _ = try? await transaction.query("SELECT 1/0")
                }
            }
            #expect(error.sqlState == "25P02" && !error.outcomeUnknown)
            #expect(try await pool.query("SELECT count(*) AS n FROM t").rows[0].get("n") == 0)
        }
    }

    @Test("a constraint that is checked at the commit fails the transaction, with a known outcome")
    func deferred() async throws {
        try await withPool { pool in
            _ = try await pool.query("CREATE TABLE t (v int8 UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            let error = try await failure {
                try await pool.transaction { _ = try await $0.query("INSERT INTO t VALUES (1), (1)") }
            }
            #expect(error.sqlState == "23505" && !error.outcomeUnknown)
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }

    @Test("transactions have their connections to themselves while statements share the others")
    func exclusive() async throws {
        try await withPool(size: 3) { pool in
            _ = try await pool.query("CREATE TABLE t (v int8)")
            _ = try await pool.query("INSERT INTO t VALUES (0)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        try await pool.transaction { transaction in
                            let before = try await transaction.query("SELECT txid_current() AS x").rows[0]
                            _ = try await transaction.query("UPDATE t SET v = v + 1")
                            let after = try await transaction.query("SELECT txid_current() AS x").rows[0]
                            #expect(try before.get("x", as: Int.self) == after.get("x", as: Int.self))
                        }
                    }
                    group.addTask { for _ in 0..<20 { _ = try await pool.query("SELECT v FROM t") } }
                }
                try await group.waitForAll()
            }
            #expect(try await pool.query("SELECT v FROM t").rows[0].get("v") == 40)
            #expect(await pool.statistics.connected <= 3)
        }
    }

    @Test("a serializable transaction is one")
    func isolation() async throws {
        try await withPool { pool in
            let level = try await pool.transaction(isolation: .serializable) {
                try await $0.query("SHOW transaction_isolation").rows[0].get("transaction_isolation", as: String.self)
            }
            #expect(level == "serializable")
        }
    }

    @Test("a task cancelled inside a transaction rolls it back and gives the connection back usable")
    func cancelledInside() async throws {
        try await withPool(size: 1) { pool in
            _ = try await pool.query("CREATE TABLE t (v int8)")
            let task = Task {
                try await pool.transaction { transaction in
                    _ = try await transaction.query("INSERT INTO t VALUES (1)")
                    withUnsafeCurrentTask { $0?.cancel() }
                    _ = try await transaction.query("INSERT INTO t VALUES (2)")
                }
            }
            let error = try await failure { try await task.value }
            #expect(error.code == .cancelled && !error.outcomeUnknown)
            #expect(try await pool.query("SELECT count(*) AS n FROM t").rows[0].get("n") == 0)
            #expect(await pool.statistics.lost == 0)
        }
    }

    @Test("a session keeps its lock until its end, and leaves nothing behind")
    func sessions() async throws {
        try await withPool(size: 2) { pool in
            try await pool.withConnection { session in
                _ = try await session.query("SELECT pg_advisory_lock(7)")
                _ = try await session.query("SET search_path TO nowhere")
                try await session.transaction { _ = try await $0.query("CREATE TEMP TABLE scratch (v int8)") }
                let other = try await pool.query("SELECT pg_try_advisory_lock(7) AS got").rows[0]
                #expect(try other.get("got") == false)
                _ = try await session.query("BEGIN")
            }
            try await pool.withConnection { session in
                #expect(try await session.query("SELECT pg_try_advisory_lock(7) AS got").rows[0].get("got") == true)
                let path = try await session.query("SHOW search_path").rows[0].get("search_path", as: String.self)
                #expect(path != "nowhere")
                #expect(try await session.query("SHOW timezone").rows[0].get("TimeZone") == "UTC")
                let tables = try await session.query("SELECT to_regclass('scratch') IS NULL AS gone").rows[0]
                #expect(try tables.get("gone") == true)
            }
        }
    }

    @Test("a session or transaction that escapes its closure is refused")
    func escaped() async throws {
        try await withPool(size: 1) { pool in
            let session = try await pool.withConnection { $0 }
            let transaction = try await pool.transaction { $0 }
            #expect(try await failure { _ = try await session.query("SELECT 1") }.code == .cancelled)
            #expect(try await failure { _ = try await transaction.query("SELECT 1") }.code == .cancelled)
            #expect(try await failure { try await session.script("SELECT 1") }.code == .cancelled)
        }
    }

    @Test("a script runs all of its statements, or none of them when one fails")
    func scripts() async throws {
        try await withPool(size: 1) { pool in
            try await pool.script("CREATE TABLE t (v int8); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);")
            let error = try await failure { try await pool.script("INSERT INTO t VALUES (3); SELECT 1/0; SELECT 1;") }
            #expect(error.sqlState == "22012" && !error.outcomeUnknown)
            _ = try await failure { try await pool.script("BEGIN; INSERT INTO t VALUES (4); nonsense;") }
            #expect(try await pool.query("SELECT sum(v)::int8 AS s FROM t").rows[0].get("s") == 3)
            try await pool.script("")
            try await pool.transaction { transaction in
                try await transaction.script("INSERT INTO t VALUES (5); INSERT INTO t VALUES (6)")
                _ = try await transaction.query("DELETE FROM t WHERE v = 5")
            }
            #expect(try await pool.query("SELECT sum(v)::int8 AS s FROM t").rows[0].get("s") == 9)
            #expect(await pool.statistics.connected == 1)
        }
    }
}
