import Dispatch
import EmbeddedPostgres
import Glibc
import Testing
import ThreadExecutor

@testable import Postgres

@Suite("A socket that libpq closes by itself")
struct BrokenSocketTests {
    @Test("libpq finds its socket broken while it sends, and closes it: nobody goes on waiting for that descriptor")
    func closedWhileSending() async throws {
        let database = try await ScratchDatabase.make(function: "broken")
        let pool = try makePool(url: database.url, size: 1)
        let readiness = EpollWait()
        let connection = PostgresConnection(
            configuration: try PostgresConfiguration(url: database.url),
            executor: ThreadExecutor(name: "gb-broken", wait: readiness), readiness: readiness)
        try await connection.open()
        let pid = try await connection.query("SELECT pg_backend_pid() AS p").rows[0].get("p", as: Int.self)
        try await eventually("the reader waits") { await connection.waiting == 1 }

        let isTerminated = DispatchSemaphore(value: 0)
        async let waiting = connection.sendUntilBroken(after: isTerminated)
        _ = try await pool.query("SELECT pg_terminate_backend(\(Int32(pid)))")
        isTerminated.signal()
        #expect(await waiting == 0, "descriptors that are still waited for")
        await pool.close()
        try await database.drop()
    }
}

extension PostgresConnection {
    fileprivate var waiting: Int { readiness.waiting }

    /// Keeps the thread until the socket is found broken by a write, so that no reader learns of it first.
    /// - Returns: how many descriptors are waited for then.
    fileprivate func sendUntilBroken(after isTerminated: DispatchSemaphore) -> Int {
        isTerminated.wait()
        for _ in 0..<12_000 where isOpen {
            var entry = Entry(waiter: nil, deadline: .now)
            if let parameters = try? BoundParameters([]) { try? send("SELECT 1", parameters, for: &entry) }
            if isOpen { flush() }
            usleep(5000)
        }
        return isOpen ? -1 : waiting
    }
}
