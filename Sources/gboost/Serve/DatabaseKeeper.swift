internal import EmbeddedPostgres
internal import Logging
internal import Postgres

/// Starts an embedded database again that died: nobody else looks after it.
struct DatabaseKeeper: Sendable {
    let cluster: OccupiedCluster
    let pool: PostgresPool
    let logger: Logger

    /// How often it is looked at, and the least wait before a start: an operator's own restart is not met halfway.
    private static let interval = Duration.seconds(1)
    /// The wait doubles with each start up to this, and begins anew once the database has lived as long.
    private static let longestWait = Duration.seconds(60)

    /// Runs until the task is cancelled.
    func run() async {
        var wait = Self.interval
        var started = ContinuousClock.now
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: Self.interval)
                guard await isGone() else {
                    if ContinuousClock.now - started > Self.longestWait { wait = Self.interval }
                    continue
                }
                try await Task.sleep(for: wait)
                guard await isGone() else { continue }
                wait = min(wait * 2, Self.longestWait)
                started = .now
                logger.error("the embedded database is gone: it is started again")
                try await cluster.revive()
                logger.notice("the embedded database runs again")
            } catch {
                if Task.isCancelled { return }
                logger.error("the embedded database does not start", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// No server, and none of what one left behind answers.
    private func isGone() async -> Bool {
        guard !cluster.isRunning else { return false }
        // The catalog asks for a connection every moment: what can be reached is known by then.
        return await !pool.statistics.isReachable
    }
}
