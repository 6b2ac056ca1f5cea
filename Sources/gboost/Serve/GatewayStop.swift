internal import Curl
internal import EmbeddedPostgres
internal import GatewayServer
internal import Inference
internal import Ledger
internal import Logging
internal import Postgres
internal import ServiceLifecycle
internal import Synchronization

/// Hears of a stop before any other service, and ends what takes longer than it may.
///
/// The limit is no service's own: a service group cancels its services at once when theirs is up, and what they do for
/// money must not be cut short.
final class StopClock: Service, CustomStringConvertible {
    private let process: GatewayProcess
    private let limit = Mutex<Task<Void, Never>?>(nil)
    var description: String { "stop clock" }

    init(process: GatewayProcess) { self.process = process }

    func run() async throws {
        try? await gracefulShutdown()
        guard !Task.isCancelled else { return }
        process.services.activity.startDraining()
        let process = process
        let task = Task {
            do { try await Task.sleep(for: .seconds(process.configuration.server.drainSeconds)) } catch { return }
            await process.interrupt()
        }
        limit.withLock { $0 = task }
    }

    /// The services have ended: nothing is left to be limited.
    func stop() { limit.withLock { $0 }?.cancel() }
}

/// Waits for the answers whose clients may be gone but whose money is not settled yet. The ledger's loops go on
/// meanwhile: a gateway that is not heard is taken for dead.
struct DrainService: Service, CustomStringConvertible {
    let process: GatewayProcess
    var description: String { "drain" }

    func run() async throws {
        try? await gracefulShutdown()
        await process.services.activity.waitUntilIdle()
    }
}

extension GatewayProcess {
    /// How long an answer may take to settle and to end once nothing keeps it waiting any more.
    static let settlingTime = Duration.seconds(5)

    /// Ends what answers wait for: first the paid calls, each of which is settled as what is known of it by then; for
    /// answers that still go on, the local models.
    func interrupt() async {
        let activity = services.activity
        if activity.running > 0 {
            logger.warning(
                "answers that take too long for a stop are ended", metadata: ["answers": "\(activity.running)"])
        }
        services.guards.stop()
        await curl.shutdown()
        await activity.waitUntilIdle(within: Self.settlingTime)
        await models.shutdown()
    }

    /// The end, once nothing is served: what is still under way is settled, in the database or in the journal, before
    /// either is closed. In a task of its own: this one may have been cancelled, and money is not.
    func end() async {
        await Task {
            await interrupt()
            await services.activity.waitUntilIdle(within: Self.settlingTime)
            await ledger.drain()
            await texts?.drain()
            await close()
        }.value
    }

    private func close() async {
        await outbox.close()
        await sealerPool.close()
        await adminPool.close()
        await pool.close()
        await cluster?.leave()
    }
}
