package import Logging
internal import ThreadExecutor

/// A bounded set of connections to one database, all on one thread of their own.
///
/// Statements outside transactions share connections, pipelined; a transaction or session has one to itself.
/// Connections are made as they are needed. One that breaks is dropped; what was sent on it fails with
/// `outcomeUnknown`, and nothing is sent twice on the caller's behalf. While the server is away every call fails at
/// once with `isConnectionLoss`, and the pool keeps trying with a growing pause until it is back.
///
/// Cancellation: a caller that waits for a connection leaves at once; a statement that was sent runs to its end (or
/// its timeout) and its true outcome is returned, because others share its connection and its effect cannot be unsent.
package final class PostgresPool: Sendable {
    /// How long a script may run unless told otherwise: migrations rewrite tables.
    package static let scriptTimeout = Duration.seconds(600)
    /// Notifications kept for a slow listener; when more come, it is told to read afresh.
    package static let notificationLimit = 256
    /// Listeners, each with a connection of its own beside the pool's.
    package static let maxListeners = 8

    private let core: PoolCore

    /// A pool that connects when it is first used.
    /// - Parameters:
    ///   - size: the most connections, listeners apart.
    ///   - maxWaiting: the most callers that may wait for one; the next is refused with `poolExhausted`.
    package init(configuration: PostgresConfiguration, size: Int, maxWaiting: Int, logger: Logger) {
        core = PoolCore(configuration: configuration, size: size, maxWaiting: maxWaiting, logger: logger)
    }

    /// The thread that its connections live on, for an actor that talks to them most of the time.
    package var unownedExecutor: UnownedSerialExecutor { core.unownedExecutor }

    /// The same thread, for the tasks of such an actor: they then resume there at once.
    package func taskExecutor() -> any TaskExecutor { ThreadTaskExecutor(core.executor) }

    deinit {
        let core = core
        Task { await core.close(within: .zero) }
    }

    /// Runs one statement, committed by itself, pipelined with those of other callers.
    package func query(_ statement: PostgresStatement) async throws(PostgresError) -> PostgresResult {
        try refuseIfCancelled()
        return try await core.query(statement)
    }

    /// Runs `body` on a connection of its own between BEGIN and COMMIT; ROLLBACK when it throws.
    ///
    /// An error of the COMMIT itself with `outcomeUnknown` means that it may have happened.
    package func transaction<R: Sendable>(
        isolation: PostgresIsolation = .readCommitted, _ body: (PostgresTransaction) async throws -> R
    ) async throws -> R {
        let session = try await core.lease()
        do {
            let result = try await session.transaction(isolation: isolation, body)
            await core.giveBack(session, isDirty: false)
            return result
        } catch {
            await core.giveBack(session, isDirty: false)
            throw error
        }
    }

    /// Runs `body` with a connection of its own, for what lives in a session: advisory locks, settings, temporary
    /// tables. The session is reset afterwards.
    package func withConnection<R: Sendable>(_ body: (PostgresSession) async throws -> R) async throws -> R {
        let session = try await core.lease()
        do {
            let result = try await body(session)
            await core.giveBack(session, isDirty: true)
            return result
        } catch {
            await core.giveBack(session, isDirty: true)
            throw error
        }
    }

    /// Runs several statements separated by semicolons on a connection of its own: one transaction, unless they say
    /// otherwise. For migrations.
    package func script(_ sql: String, timeout: Duration = scriptTimeout) async throws(PostgresError) {
        let session = try await core.lease()
        do throws(PostgresError) {
            try await session.script(sql, timeout: timeout)
        } catch {
            await core.giveBack(session, isDirty: true)
            throw error
        }
        await core.giveBack(session, isDirty: true)
    }

    /// Listens on `channel` with a connection of its own, made again whenever it breaks, until the consumer stops.
    ///
    /// The first element is always `resync`. Throws when there are too many listeners or the pool is closed.
    package func listen(channel: String) async throws(PostgresError) -> AsyncStream<PostgresNotification> {
        try await core.listen(channel: channel)
    }

    /// Refuses new calls, waits for those under way, then closes every connection and ends the thread.
    /// - Parameter limit: how long to wait; what is still under way then fails as if its connection broke.
    package func close(within limit: Duration = .seconds(5)) async { await core.close(within: limit) }

    /// What the pool is doing, for metrics and health.
    package var statistics: PostgresStatistics {
        get async { await core.statistics }
    }

    /// Whether the server answers now. Connects if need be; throws what a query would.
    package func checkHealth() async throws(PostgresError) { _ = try await query("SELECT 1") }
}

/// A pool's state at one moment, and its counters since it was made.
package struct PostgresStatistics: Sendable, Equatable {
    /// Connections that are open.
    package var open = 0
    /// Connections being made.
    package var connecting = 0
    /// Connections that a transaction or session has to itself.
    package var exclusive = 0
    /// Statements under way on shared connections.
    package var inFlight = 0
    /// Callers waiting for a connection.
    package var waiting = 0
    /// False from a failed attempt to connect until one succeeds.
    package var isReachable = true
    /// Statements run on shared connections.
    package var queries = 0
    /// Connections made.
    package var connected = 0
    /// Open connections that broke.
    package var lost = 0
    /// Attempts to connect that failed.
    package var refused = 0
}

/// What a listener is told.
package enum PostgresNotification: Sendable, Equatable {
    /// Notifications may have been missed (just connected, reconnected, or too slow): read the state afresh.
    case resync
    /// A notification with its payload.
    case notification(payload: String)
}
