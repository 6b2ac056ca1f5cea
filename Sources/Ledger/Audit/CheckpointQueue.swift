internal import Audit
internal import Foundation
package import Logging
internal import Synchronization

/// Checkpoints on their way to one place: in order, tried again with back-off, and none of another place's waits.
package final class CheckpointQueue: Sendable {
    /// Checkpoints that wait; beyond it the oldest are dropped of which a later one of their log says more. What says
    /// the most of its log stays, however many logs there are.
    package static let maxPending = 4096
    /// The longest wait before another try.
    static let longestWait = Duration.seconds(300)

    private let publisher: any CheckpointPublisher
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var pending: [SignedCheckpoint] = []
        /// Tries that failed one after another.
        var failures = 0
        var published: Int64 = 0
    }

    package init(_ publisher: any CheckpointPublisher, logger: Logger) {
        self.publisher = publisher
        self.logger = logger
    }

    /// How many wait, and how many are out.
    package var statistics: (pending: Int, published: Int64) {
        state.withLock { ($0.pending.count, $0.published) }
    }

    /// Adds what was made, the older first.
    package func add(_ checkpoints: [SignedCheckpoint]) {
        state.withLock { state in
            state.pending = Self.bounded(state.pending + checkpoints)
        }
    }

    private static func bounded(_ pending: [SignedCheckpoint]) -> [SignedCheckpoint] {
        var excess = pending.count - maxPending
        guard excess > 0 else { return pending }
        let latest = Dictionary(pending.indices.map { (pending[$0].log, $0) }, uniquingKeysWith: { $1 })
        var kept: [SignedCheckpoint] = []
        for (index, checkpoint) in pending.enumerated() {
            if excess > 0, latest[checkpoint.log] != index {
                excess -= 1
            } else {
                kept.append(checkpoint)
            }
        }
        return kept
    }

    /// Tries what waits, until one does not get out.
    /// - Returns: how long to wait before the next try.
    package func publish() async -> Duration {
        while let next = state.withLock({ $0.pending.first }), !Task.isCancelled {
            do {
                try await publisher.publish(next)
            } catch {
                let failures = state.withLock { state in
                    state.failures += 1
                    return state.failures
                }
                logger.warning(
                    "a checkpoint is not published", metadata: ["log": "\(next.log)", "reason": "\(error)"])
                return Self.wait(after: failures)
            }
            state.withLock { state in
                state.failures = 0
                state.published += 1
                // It may have been dropped meanwhile.
                if state.pending.first == next { state.pending.removeFirst() }
            }
        }
        return .seconds(1)
    }

    /// 1 s, 2 s, 4 s … five minutes.
    static func wait(after failures: Int) -> Duration {
        min(.seconds(1 << min(max(failures - 1, 0), 16)), longestWait)
    }

    /// Publishes until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            let wait = await publish()
            do { try await Task.sleep(for: wait) } catch { return }
        }
    }
}
