internal import Synchronization

/// Counts the answers that are being worked on, bounds them, and lets a shutdown wait for the last one.
///
/// An answer outlives its connection when the client leaves (its money is still to be settled), so the HTTP server's
/// own count of connections is not enough.
package final class Activity: Sendable {
    private struct State {
        var running = 0
        var isDraining = false
        var waiters: [CheckedContinuation<Void, Never>] = []
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
    func leave() {
        let waiters = state.withLock { s in
            s.running -= 1
            guard s.running == 0 else { return [] as [CheckedContinuation<Void, Never>] }
            defer { s.waiters = [] }
            return s.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    package var running: Int { state.withLock { $0.running } }

    /// From now on the gateway reports itself as not ready, so that load balancers turn elsewhere.
    package func startDraining() { state.withLock { $0.isDraining = true } }
    package var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Releases everyone who waits: the time for it is over.
    package func stopWaiting() {
        let waiters = state.withLock { s in
            defer { s.waiters = [] }
            return s.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when no answer is running, or at `stopWaiting`.
    package func waitUntilIdle() async {
        await withCheckedContinuation { waiter in
            let isIdle = state.withLock { s in
                if s.running > 0 { s.waiters.append(waiter) }
                return s.running == 0
            }
            if isIdle { waiter.resume() }
        }
    }
}
