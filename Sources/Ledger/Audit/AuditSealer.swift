package import Audit
internal import Foundation
package import Logging
internal import Synchronization

/// Where checkpoints go so that somebody else has them.
package protocol CheckpointPublisher: Sendable {
    /// Publishes a checkpoint; throws when it did not get there, and is asked again.
    func publish(_ checkpoint: SignedCheckpoint) async throws
}

/// How a gateway seals.
package struct SealerSettings: Sendable {
    /// Time between two rounds.
    package var interval = Duration.seconds(1)
    /// Time between two checkpoints of a log that grows.
    package var checkpointInterval = Duration.seconds(60)
    /// None: records are sealed, and no checkpoint is made. Two while a key is being replaced.
    package var signers: [NoteSigner] = []
    /// What the logs' names in checkpoints begin with.
    package var deployment = "gboost"
    package init() {}
}

/// Seals what was recorded, again and again, and publishes checkpoints of it. Of several gateways one does it at a
/// time; which one changes.
package final class AuditSealer: Sendable {
    private let store: AuditStore
    private let settings: SealerSettings
    /// One for each place: none waits for another, nor does sealing.
    private let queues: [CheckpointQueue]
    private let logger: Logger
    private let state = Mutex(State())

    /// Time between two rounds that look for events however late they were committed: those read all events.
    private static let eventInterval = Duration.seconds(60)

    private struct State {
        var nextEvents = ContinuousClock.now
        var lag = 0.0
        var records: Int64 = 0
        var failures = 0
        var reports = LineLimiter()
    }

    package init(
        store: AuditStore, settings: SealerSettings, publishers: [any CheckpointPublisher], logger: Logger
    ) {
        self.store = store
        self.settings = settings
        queues = publishers.map { CheckpointQueue($0, logger: logger) }
        self.logger = logger
    }

    /// For metrics: how long the oldest record of the latest round had waited, records sealed and rounds failed since
    /// the start.
    package var statistics: (lagSeconds: Double, records: Int64, failures: Int) {
        state.withLock { ($0.lag, $0.records, $0.failures) }
    }

    /// For metrics: checkpoints that wait to be published, over all places.
    package var unpublished: Int { queues.reduce(0) { $0 + $1.statistics.pending } }

    /// Seals and publishes until the task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            for queue in queues { group.addTask { await queue.run() } }
            group.addTask { await self.sealing() }
        }
    }

    private func sealing() async {
        var nextCheckpoint = ContinuousClock.now
        // What was signed before this start may not have got out: receivers know a checkpoint that comes again.
        var isFirst = true
        while !Task.isCancelled {
            do {
                var summary: SealSummary
                repeat {
                    summary = try await round()
                } while summary.isFull && summary.records > 0 && !Task.isCancelled
                if !settings.signers.isEmpty, ContinuousClock.now >= nextCheckpoint {
                    nextCheckpoint = .now + settings.checkpointInterval
                    if isFirst, !queues.isEmpty { hand(on: try await store.latestCheckpoints()) }
                    isFirst = false
                    hand(on: try await checkpoint())
                }
            } catch {
                // The gateway stops in the middle of a round: another one, or the next start, goes on from there.
                if Task.isCancelled { return }
                failed(error, at: .now)
            }
            do { try await Task.sleep(for: settings.interval) } catch { return }
        }
    }

    /// A round came to nothing. A database that is away fails one a second: that is not a line each.
    func failed(_ error: any Error, at now: ContinuousClock.Instant) {
        let rounds = state.withLock { state in
            state.failures += 1
            return state.reports.pass(at: now)
        }
        guard let rounds else { return }
        logger.warning("the audit is not sealed", metadata: ["reason": "\(error)", "rounds": "\(rounds)"])
    }

    private func hand(on checkpoints: [SignedCheckpoint]) {
        for queue in queues { queue.add(checkpoints) }
    }

    /// One round.
    package func round() async throws(LedgerError) -> SealSummary {
        let now = ContinuousClock.now
        let isDue = state.withLock { $0.nextEvents <= now }
        let summary = try await store.seal(allEvents: isDue)
        if isDue, summary.isMine { state.withLock { $0.nextEvents = now + Self.eventInterval } }
        if !summary.damaged.isEmpty {
            logger.critical("the audit is damaged: run gboost audit verify", metadata: ["logs": "\(summary.damaged)"])
        }
        state.withLock {
            $0.lag = summary.lag
            $0.records += summary.records
        }
        return summary
    }

    /// Signs checkpoints of what has grown. None while another gateway seals.
    package func checkpoint() async throws(LedgerError) -> [SignedCheckpoint] {
        guard !settings.signers.isEmpty else { return [] }
        return try await store.checkpoint(signers: settings.signers, deployment: settings.deployment) ?? []
    }
}
