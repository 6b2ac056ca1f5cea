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
    /// Checkpoints that wait to be published; beyond it the oldest are dropped, since a later one says more.
    static let maxPending = 4096

    private let store: AuditStore
    private let settings: SealerSettings
    private let publishers: [any CheckpointPublisher]
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var lag = 0.0
        var records: Int64 = 0
        var failures = 0
    }

    package init(
        store: AuditStore, settings: SealerSettings, publishers: [any CheckpointPublisher], logger: Logger
    ) {
        self.store = store
        self.settings = settings
        self.publishers = publishers
        self.logger = logger
    }

    /// For metrics: how long the oldest record of the latest round had waited, records sealed and rounds failed since
    /// the start.
    package var statistics: (lagSeconds: Double, records: Int64, failures: Int) {
        state.withLock { ($0.lag, $0.records, $0.failures) }
    }

    /// Seals until the task is cancelled.
    package func run() async {
        var nextCheckpoint = ContinuousClock.now
        var pending: [SignedCheckpoint] = []
        while !Task.isCancelled {
            do {
                var summary: SealSummary
                repeat {
                    summary = try await round()
                } while summary.isFull && summary.records > 0 && !Task.isCancelled
                if !settings.signers.isEmpty, ContinuousClock.now >= nextCheckpoint {
                    nextCheckpoint = .now + settings.checkpointInterval
                    pending += try await checkpoint()
                }
            } catch {
                // The gateway stops in the middle of a round: another one, or the next start, goes on from there.
                if Task.isCancelled { return }
                state.withLock { $0.failures += 1 }
                logger.warning("the audit is not sealed", metadata: ["reason": "\(error)"])
            }
            pending = await publish(pending)
            do { try await Task.sleep(for: settings.interval) } catch { return }
        }
    }

    /// One round.
    package func round() async throws(LedgerError) -> SealSummary {
        let summary = try await store.seal()
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

    /// Publishes in order; what does not get out is given back.
    package func publish(_ checkpoints: [SignedCheckpoint]) async -> [SignedCheckpoint] {
        for (index, checkpoint) in checkpoints.enumerated() {
            for publisher in publishers {
                do { try await publisher.publish(checkpoint) } catch {
                    logger.warning("a checkpoint is not published", metadata: ["reason": "\(error)"])
                    return Array(checkpoints[index...].suffix(Self.maxPending))
                }
            }
        }
        return []
    }
}
