internal import Synchronization

/// Counts the answers that are being worked on, bounds them, and lets a shutdown wait for the last one.
///
/// An answer outlives its connection when the client leaves (its money is still to be settled), so the HTTP server's
/// own count of connections is not enough.
package final class Activity: Sendable {
    private struct State {
        var running = 0
        /// Answers that their clients have, and whose rows are being written.
        var trailing = 0
        var isDraining = false
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var lastWaiter = 0
        var isIdle: Bool { running == 0 && trailing == 0 }
    }
    private let state = Mutex(State())

    package init() {}

    /// Takes a place; false when `limit` answers are running.
    func enter(limit: Int) -> Bool {
        state.withLock { s in
            guard s.running < limit else { return false }
            s.running += 1
            return true
        }
    }

    /// Gives the place back.
    func leave() { end { $0.running -= 1 } }

    /// Does what is left to do for an answer whose client has it: a shutdown waits for it, the next client does not.
    func trail(_ work: @escaping @Sendable () async -> Void) {
        state.withLock { $0.trailing += 1 }
        Task {
            await work()
            end { $0.trailing -= 1 }
        }
    }

    private func end(_ change: (inout State) -> Void) {
        let waiters = state.withLock { s in
            change(&s)
            guard s.isIdle else { return [] as [CheckedContinuation<Void, Never>] }
            defer { s.waiters = [:] }
            return Array(s.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    package var running: Int { state.withLock { $0.running } }

    /// From now on the gateway reports itself as not ready, so that load balancers turn elsewhere.
    package func startDraining() { state.withLock { $0.isDraining = true } }
    package var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Returns when no answer is running, or when the task is cancelled.
    package func waitUntilIdle() async {
        let id = state.withLock { s in
            s.lastWaiter += 1
            return s.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                // A cancellation before this lock is seen here; one after it finds the waiter.
                let mustWait = state.withLock { s in
                    guard !s.isIdle, !Task.isCancelled else { return false }
                    s.waiters[id] = waiter
                    return true
                }
                if !mustWait { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    /// The same, for no longer than `limit`.
    package func waitUntilIdle(within limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitUntilIdle() }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
    }
}
