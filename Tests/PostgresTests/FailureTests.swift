import EmbeddedPostgres
import Foundation
import GatewayTesting
import Glibc
import Testing

@testable import Postgres

@Suite("When the server or the way to it fails")
struct FailureTests {
    @Test("a backend that is terminated in mid-statement is a connection loss; the next statement works")
    func terminated() async throws {
        try await withPool(size: 2) { pool in
            let victim = Task { _ = try await pool.query("SELECT pg_sleep(30) /* victim */") }
            try await eventually("the victim runs") {
                let found = try await pool.query(
                    """
                    SELECT count(*) AS n FROM pg_stat_activity
                    WHERE query LIKE 'SELECT pg_sleep(30)%' AND datname = current_database()
                    """)
                return try found.rows[0].get("n", as: Int.self) == 1
            }
            try await pool.withConnection { session in
                _ = try await session.query(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE query LIKE 'SELECT pg_sleep(30)%' AND datname = current_database()
                    """)
            }
            let error = try await failure { try await victim.value }
            #expect(error.isConnectionLoss && error.outcomeUnknown && error.sqlState == "57P01")
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
            try await eventually("the loss is counted") { await pool.statistics.lost == 1 }
        }
    }

    @Test("a connection that breaks while idle costs nobody an error")
    func terminatedWhileIdle() async throws {
        try await withPool(size: 1) { pool in
            let own = try await pool.query("SELECT pg_backend_pid() AS p").rows[0].get("p", as: Int.self)
            try await withOtherPool(like: pool) { other in
                _ = try await other.query("SELECT pg_terminate_backend(\(Int32(own)))")
            }
            try await eventually("the loss is noticed") { await pool.statistics.lost == 1 }
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }

    /// A second pool on the same database.
    private func withOtherPool(like pool: PostgresPool, _ body: (PostgresPool) async throws -> Void) async throws {
        let name = try await pool.query("SELECT current_database() AS d").rows[0].get("d", as: String.self)
        let database = try await ScratchDatabase.make(function: "other")
        let other = try makePool(url: database.url.replacingOccurrences(of: database.name, with: name))
        do {
            try await body(other)
        } catch {
            Issue.record(error)
        }
        await other.close()
        try await database.drop()
    }

    @Test("loss inside a transaction is known not to be committed; loss of an autocommit statement is not known")
    func outcomes() async throws {
        try await withPool(size: 1) { pool in
            let inside = try await failure {
                try await pool.transaction { transaction in
                    _ = try await transaction.query("SELECT pg_terminate_backend(pg_backend_pid())")
                }
            }
            #expect(inside.isConnectionLoss && !inside.outcomeUnknown)
            let outside = try await failure {
                _ = try await pool.query("SELECT pg_terminate_backend(pg_backend_pid())")
            }
            #expect(outside.isConnectionLoss && outside.outcomeUnknown)
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }

    @Test("a statement over its time is ended by the server: its outcome is known and its connection lives on")
    func serverTimeout() async throws {
        try await withPool(size: 1, .set(\.statementTimeout, .seconds(3))) { pool in
            let error = try await failure { _ = try await pool.query("SELECT pg_sleep(30)") }
            #expect(error.code == .timeout && error.sqlState == "57014" && !error.outcomeUnknown)
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
            #expect(await pool.statistics.lost == 0)
        }
    }

    @Test("a server that does not answer is given up after the timeout, with the outcome unknown")
    func clientTimeout() async throws {
        // Long enough for the last statement, which needs a new connection on a busy machine.
        try await withPool(size: 1, .set(\.statementTimeout, .seconds(3))) { pool in
            let start = ContinuousClock.now
            // The server's own limit is off for this one statement, as if the server hung.
            let error = try await failure {
                _ = try await pool.query("SELECT set_config('statement_timeout', '0', false), pg_sleep(0.01)")
                _ = try await pool.query("SELECT pg_sleep(30)")
            }
            #expect(error.code == .timeout && error.outcomeUnknown)
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
            #expect(await pool.statistics.lost == 1)
        }
    }

    @Test("a script, which may run for long, leaves the statements after it their own deadline")
    func deadlineAfterScript() async throws {
        // Long enough for the last statement, which needs a new connection on a busy machine.
        try await withPool(size: 1, .set(\.statementTimeout, .seconds(3))) { pool in
            try await pool.script("SELECT 1")
            _ = try await pool.query("SELECT set_config('statement_timeout', '0', false)")
            let error = try await failure { _ = try await pool.query("SELECT pg_sleep(30)") }
            #expect(error.code == .timeout && error.outcomeUnknown)
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
            #expect(await pool.statistics.lost == 1)
        }
    }

    @Test("a script's own deadline holds although a statement before it had a later one")
    func deadlineOfScript() async throws {
        try await withPool(size: 1) { pool in
            _ = try await pool.query("SELECT 1")
            let error = try await failure {
                try await pool.script("SELECT pg_sleep(30)", timeout: .milliseconds(500))
            }
            // Had the server's own timeout ended it, the outcome would be known.
            #expect(error.code == .timeout && error.outcomeUnknown)
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }

    @Test("statements behind one that hangs are told in their own time, and nothing waits for ever")
    func stuckPipeline() async throws {
        // Long enough for the last statement, which needs a new connection on a busy machine.
        try await withPool(size: 1, .set(\.statementTimeout, .seconds(3))) { pool in
            _ = try await pool.query("SELECT set_config('statement_timeout', '0', false)")
            let start = ContinuousClock.now
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        let error = try? await failure { _ = try await pool.query("SELECT pg_sleep(30)") }
                        #expect(error?.outcomeUnknown == true)
                    }
                }
            }
            // One after the other they would be told in three minutes.
            #expect(ContinuousClock.now - start < .seconds(30))
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }

    @Test("an idle transaction is ended by the server and not committed")
    func idleTransaction() async throws {
        try await withPool(size: 1, .set(\.idleInTransactionTimeout, .seconds(1))) { pool in
            _ = try await pool.query("CREATE TABLE t (v int8)")
            let error = try await failure {
                try await pool.transaction { transaction in
                    _ = try await transaction.query("INSERT INTO t VALUES (1)")
                    try await eventually("the server ends it") { await pool.statistics.lost == 1 }
                    _ = try await transaction.query("INSERT INTO t VALUES (2)")
                }
            }
            #expect(error.isConnectionLoss && !error.outcomeUnknown)
            #expect(try await pool.query("SELECT count(*) AS n FROM t").rows[0].get("n") == 0)
        }
    }

    @Test("a server that stops fails calls at once; when it is back, so is the pool")
    func restart() async throws {
        let cluster = EmbeddedCluster(directory: TestFiles.path("restart") + "/postgres", options: .forTests)
        let pool = try makePool(url: try await cluster.start(), size: 3)
        let stream = try await pool.listen(channel: "c")
        var notifications = stream.makeAsyncIterator()
        #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        #expect(await notifications.next() == .resync)

        try await cluster.stop()
        // A statement on a connection whose end is not noticed yet may have been sent: that is another case.
        try await eventually("the pool notices") { await pool.statistics.open == 0 }
        let start = ContinuousClock.now
        let losses = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<1000 {
                group.addTask {
                    do throws(PostgresError) {
                        _ = try await pool.query("SELECT 1")
                        return false
                    } catch {
                        return error.isConnectionLoss && !error.outcomeUnknown
                    }
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(losses == 1000)
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(await pool.statistics.isReachable == false)

        _ = try await cluster.start()
        try await eventually("the pool is back") { (try? await pool.query("SELECT 1")) != nil }
        #expect(try await pool.transaction { try await $0.query("SELECT 2 AS v").rows[0].get("v", as: Int.self) } == 2)
        #expect(await notifications.next() == .resync)
        _ = try await pool.query("SELECT pg_notify('c', 'again')")
        #expect(await notifications.next() == .notification(payload: "again"))

        try await cluster.killNine()
        #expect(try await failure { _ = try await pool.query("SELECT 1") }.isConnectionLoss)
        await pool.close()
        try await cluster.destroy()
    }

    @Test("a peer that accepts and says nothing costs the connect timeout once, not once per caller")
    func blackHole() async throws {
        let hole = try BlackHole()
        defer { hole.close() }
        // A name, so that it is resolved on the way.
        let url = "postgresql://u:hush@localhost:\(hole.port)/d?sslmode=disable"
        let pool = try makePool(url: url, .set(\.connectTimeout, .milliseconds(300)))
        let clock = ContinuousClock()
        let first = try await clock.measure {
            let error = try await failure { _ = try await pool.query("SELECT 1") }
            #expect(error.isConnectionLoss && !error.outcomeUnknown && !error.message.contains("hush"))
            #expect(error.message.contains("no answer within 0.3 seconds"))
        }
        #expect(first > .milliseconds(250) && first < .seconds(15))
        let next = try await clock.measure {
            for _ in 0..<200 {
                let error = try await failure { _ = try await pool.query("SELECT 1") }
                #expect(error.isConnectionLoss)
            }
        }
        // 200 connect timeouts would be 60 seconds; a machine that is busy with other things gets its share of that.
        #expect(next < .seconds(20))
        await pool.close()
    }

    @Test(
        "a first host that accepts and says nothing leaves time for the second",
        arguments: ["127.0.0.1", "localhost"])
    func silentFirstHost(host: String) async throws {
        let hole = try BlackHole()
        defer { hole.close() }
        let database = try await ScratchDatabase.make(function: "silent")
        let timeout = Duration.seconds(6)
        let url = try putting(host, hole.port, before: database.url)
        let pool = try makePool(url: url + "&target_session_attrs=read-write", .set(\.connectTimeout, timeout))
        let start = ContinuousClock.now
        do {
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
            let taken = ContinuousClock.now - start
            #expect(taken > .seconds(2) && taken < timeout)
            #expect(await pool.statistics.refused == 0)
        } catch {
            Issue.record(error)
        }
        await pool.close()
        try await database.drop()
    }

    @Test("a first host that refuses costs the second nothing of its time")
    func refusingFirstHost() async throws {
        let hole = try BlackHole()
        hole.close()
        let database = try await ScratchDatabase.make(function: "refusing")
        let pool = try makePool(url: putting("127.0.0.1", hole.port, before: database.url))
        do {
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
            #expect(await pool.statistics.refused == 0)
        } catch {
            Issue.record(error)
        }
        await pool.close()
        try await database.drop()
    }

    /// The same database's URL, with another server before its own. libpq takes the last of a parameter's values.
    private func putting(_ host: String, _ port: Int, before url: String) throws -> String {
        let own = try PostgresConfiguration(url: url).endpoints[0]
        return url + (url.contains("?") ? "&" : "?") + "host=\(host),\(own.host)&port=\(port),\(own.port)"
    }

    @Test("when no server of several answers, the error tells of each of them")
    func silentHosts() async throws {
        let holes = [try BlackHole(), try BlackHole()]
        defer { for hole in holes { hole.close() } }
        let servers = holes.map { "127.0.0.1:\($0.port)" }
        let url = "postgresql://u:hush@\(servers.joined(separator: ","))/d?sslmode=disable"
        let pool = try makePool(url: url, .set(\.connectTimeout, .milliseconds(300)))
        let error = try await failure { _ = try await pool.query("SELECT 1") }
        #expect(error.isConnectionLoss && !error.outcomeUnknown && !error.message.contains("hush"))
        for server in servers { #expect(error.message.contains(server)) }
        await pool.close()
    }

    @Test("a host name that does not resolve, and a port where nobody listens, are connection losses")
    func unreachable() async throws {
        let hole = try BlackHole()
        hole.close()
        let urls = ["name.invalid/d", "127.0.0.1:\(hole.port)/d", "/d?host=/nowhere"]
        for url in urls.map({ "postgresql://u@\($0)" }) {
            let pool = try makePool(url: url, .set(\.connectTimeout, .seconds(2)))
            let error = try await failure { _ = try await pool.query("SELECT 1") }
            #expect(error.isConnectionLoss && !error.outcomeUnknown)
            await pool.close()
        }
    }
}

/// A TCP port of the loopback that accepts connections and never says a word.
private struct BlackHole {
    let descriptor: CInt
    let port: Int

    init() throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) | listen(descriptor, 16) | getsockname(descriptor, address, &length)
            }
        }
        try #require(code == 0)
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    func close() { Glibc.close(descriptor) }
}
