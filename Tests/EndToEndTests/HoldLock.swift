import Foundation
import Logging
import Postgres

/// Keeps every settlement out of the database for as long as it is held, as an operator's session might.
struct HoldLock: Sendable {
    private let pool: PostgresPool
    private let opened: AsyncStream<Void>.Continuation
    private let task: Task<Void, any Error>

    static func take(_ world: World) async throws -> HoldLock {
        var configuration = try PostgresConfiguration(url: world.databaseURL)
        configuration.applicationName = "test"
        let pool = PostgresPool(
            configuration: configuration, size: 2, maxWaiting: 8,
            logger: .init(label: "test"))
        let (gate, opened) = AsyncStream.makeStream(of: Void.self)
        let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            try await pool.transaction { transaction in
                _ = try await transaction.query("select 1 from holds for update")
                isReady.yield()
                for await _ in gate { return }
            }
        }
        for await _ in ready { break }
        return HoldLock(pool: pool, opened: opened, task: task)
    }

    /// Ends what the dead gateway still has running in the database, as its broken connections would in time.
    func terminateGatewayBackends() async throws {
        _ = try await pool.query(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
             where application_name = 'gboost' and datname = current_database()
            """)
    }

    func release() async {
        opened.yield()
        opened.finish()
        _ = try? await task.value
        await pool.close()
    }
}
