internal import Synchronization

/// Reports and other work of administration that may keep the database busy for long: so many at once, the others wait
/// for their turn. Administration has few connections, and one must be free for who has a key to revoke.
final class AdminTurns: Sendable {
    /// Who would be behind so many is told to come again.
    static let maxWaiting = 32

    private struct State {
        var free: Int
        /// In the order in which they came.
        var waiting: [CheckedContinuation<Bool, Never>] = []
    }

    /// The right to be at work, until nobody has it any more: also where an answer is let go that was never written.
    final class Turn: Sendable {
        private let turns: AdminTurns

        fileprivate init(_ turns: AdminTurns) { self.turns = turns }

        deinit { turns.end() }
    }

    private let state: Mutex<State>

    init(_ places: Int) { state = Mutex(State(free: places)) }

    var waiting: Int { state.withLock { $0.waiting.count } }

    /// Waits. Whose client has left waits too, and finds out with its first statement.
    func next() async throws(GatewayRefusal) -> Turn {
        let hasTurn = await withCheckedContinuation { waiter in
            let answer: Bool? = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                guard state.waiting.count < Self.maxWaiting else { return false }
                state.waiting.append(waiter)
                return nil
            }
            if let answer { waiter.resume(returning: answer) }
        }
        guard hasTurn else {
            var refusal = GatewayRefusal(
                status: 503, type: "overloaded_error", code: "overloaded_error",
                message: "Too many reports are waiting for their turn.")
            refusal.retryAfterSeconds = 10
            throw refusal
        }
        return Turn(self)
    }

    private func end() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume(returning: true)
    }
}
