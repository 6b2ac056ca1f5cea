import Testing

@testable import Postgres

@Suite("Pool limits, waiting and closing")
struct PoolTests {
    @Test("no more connections than allowed, no more callers waiting than allowed")
    func limits() async throws {
        try await withPool(size: 2, maxWaiting: 3) { pool in
            try await holding(pool, count: 2) {
                let waiters = (0..<3).map { _ in Task { try await pool.transaction { _ in } } }
                try await eventually("all wait") { await pool.statistics.waiting == 3 }
                let error = try await failure { try await pool.transaction { _ in } }
                #expect(error.code == .poolExhausted && !error.outcomeUnknown)
                #expect(try await failure { _ = try await pool.query("SELECT 1") }.code == .poolExhausted)
                #expect(await pool.statistics.open == 2)
                return waiters
            }
            #expect(await pool.statistics.connected == 2)
        }
    }

    /// Holds `count` connections while `body` runs, then lets go and waits for the tasks that `body` returned.
    private func holding(
        _ pool: PostgresPool, count: Int, _ body: () async throws -> [Task<Void, any Error>]
    ) async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let holders = (0..<count).map { _ in
            Task { try await pool.withConnection { _ in for await _ in gate {} } }
        }
        try await eventually("all are held") { await pool.statistics.exclusive == count }
        do {
            let tasks = try await body()
            open.finish()
            for task in tasks { try await task.value }
        } catch {
            open.finish()
            throw error
        }
        for holder in holders { try await holder.value }
    }

    @Test("a waiting caller that is cancelled leaves at once; the others get their turn")
    func cancelledWaiter() async throws {
        try await withPool(size: 1) { pool in
            try await holding(pool, count: 1) {
                let leaver = Task { _ = try await pool.query("SELECT 1") }
                let stayer = Task { _ = try await pool.query("SELECT 1") }
                let other = Task { try await pool.transaction { _ in } }
                try await eventually("all wait") { await pool.statistics.waiting == 3 }
                leaver.cancel()
                let error = try await failure { try await leaver.value }
                #expect(error.code == .cancelled && !error.outcomeUnknown)
                other.cancel()
                #expect(try await failure { try await other.value }.code == .cancelled)
                #expect(await pool.statistics.waiting == 1)
                return [stayer]
            }
        }
    }

    @Test("a task that is cancelled already sends nothing")
    func cancelledBefore() async throws {
        try await withPool { pool in
            _ = try await pool.query("CREATE TABLE t (v int8)")
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await pool.query("INSERT INTO t VALUES (1)")
            }
            #expect(try await failure { try await task.value }.code == .cancelled)
            #expect(try await pool.query("SELECT count(*) AS n FROM t").rows[0].get("n") == 0)
        }
    }

    /// Keeps every statement that asks for the advisory lock 1 waiting while `body` runs, then lets them go on.
    ///
    /// A statement that sleeps instead may be over before a busy machine has seen it run.
    /// - Parameter body: is given what waits until one statement runs, by the server's word for it.
    private func locked<R: Sendable>(
        _ pool: PostgresPool, _ body: (_ running: () async throws -> Void) async throws -> R
    ) async throws -> R {
        try await pool.withConnection { keeper in
            _ = try await keeper.query("SELECT pg_advisory_lock(1)")
            let result = try await body {
                try await eventually("it runs") {
                    let waiting = try await keeper.query(
                        """
                        SELECT count(*) AS n FROM pg_locks JOIN pg_database ON pg_database.oid = database
                        WHERE datname = current_database() AND NOT granted
                        """)
                    return try waiting.rows[0].get("n", as: Int.self) == 1
                }
            }
            _ = try await keeper.query("SELECT pg_advisory_unlock(1)")
            return result
        }
    }

    @Test("a statement that was sent runs to its end although its task is cancelled, and its result is the true one")
    func cancelledInFlight() async throws {
        try await withPool(size: 2) { pool in
            _ = try await pool.query("CREATE TABLE t (v int8)")
            let task = try await locked(pool) { running in
                let task = Task { try await pool.query("INSERT INTO t SELECT 1 FROM pg_advisory_lock(1)").affected }
                try await running()
                task.cancel()
                return task
            }
            #expect(try await task.value == 1)
            #expect(try await pool.query("SELECT count(*) AS n FROM t").rows[0].get("n") == 1)
        }
    }

    @Test("a caller waits no longer than the acquire timeout")
    func acquireTimeout() async throws {
        try await withPool(size: 1, .set(\.acquireTimeout, .milliseconds(1500))) { pool in
            try await holding(pool, count: 1) {
                let error = try await failure { _ = try await pool.query("SELECT 1") }
                #expect(error.code == .poolExhausted)
                return []
            }
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }

    @Test("more statements than the pipeline's limit wait in the pool and are all answered")
    func pipelineLimit() async throws {
        try await withPool(size: 1, .set(\.maxPipelined, 4)) { pool in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let result = try await pool.query("SELECT \(number) AS v")
                        #expect(try result.rows[0].get("v") == number)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("closing waits for what is under way, then refuses")
    func closing() async throws {
        try await withPool(size: 2) { pool in
            let (slow, closing) = try await locked(pool) { running in
                let slow = Task {
                    try await pool.query("SELECT 5 AS v FROM pg_advisory_lock(1)").rows[0].get("v", as: Int.self)
                }
                try await running()
                let closing = Task { await pool.close(within: .seconds(60)) }
                try await eventually("it refuses") { (try? await pool.listen(channel: "c")) == nil }
                return (slow, closing)
            }
            #expect(try await slow.value == 5)
            await closing.value
            #expect(try await failure { _ = try await pool.query("SELECT 1") }.isConnectionLoss)
            #expect(try await failure { _ = try await pool.listen(channel: "c") }.isConnectionLoss)
            await pool.close()
        }
    }

    @Test("closing cuts what does not end in time")
    func closingByForce() async throws {
        try await withPool(size: 1) { pool in
            let slow = Task { _ = try await pool.query("SELECT pg_sleep(60)") }
            try await eventually("it runs") { await pool.statistics.inFlight == 1 }
            await pool.close(within: .milliseconds(50))
            let error = try await failure { try await slow.value }
            #expect(error.isConnectionLoss && error.outcomeUnknown)
        }
    }

    @Test("a listener hears notifications in order, and is told to read afresh when it was too slow")
    func listening() async throws {
        try await withPool { pool in
            let stream = try await pool.listen(channel: "my \"channel\"")
            var notifications = stream.makeAsyncIterator()
            #expect(await notifications.next() == .resync)
            for payload in ["a", "", "ü"] { _ = try await pool.query("SELECT pg_notify('my \"channel\"', \(payload))") }
            #expect(await notifications.next() == .notification(payload: "a"))
            #expect(await notifications.next() == .notification(payload: ""))
            #expect(await notifications.next() == .notification(payload: "ü"))
            _ = try await pool.query("SELECT pg_notify('my \"channel\"', g::text) FROM generate_series(1, 2000) g")
            _ = try await pool.query("SELECT pg_sleep(0.2)")
            var heard: [PostgresNotification] = []
            while heard.last != .notification(payload: "2000"), heard.count <= PostgresPool.notificationLimit {
                guard let next = await notifications.next() else { break }
                heard.append(next)
            }
            #expect(heard.contains(.resync))
        }
    }

    @Test("there is a limit to listeners, and one that stops makes room")
    func listenerLimit() async throws {
        try await withPool { pool in
            var streams: [AsyncStream<PostgresNotification>] = []
            for _ in 0..<PostgresPool.maxListeners { streams.append(try await pool.listen(channel: "c")) }
            #expect(try await failure { _ = try await pool.listen(channel: "c") }.code == .poolExhausted)
            streams.removeAll()
            try await eventually("there is room") { (try? await pool.listen(channel: "c")) != nil }
        }
    }
}
