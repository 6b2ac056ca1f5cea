internal import Synchronization

/// Sessions that were signed out of, until they would have run out by themselves. Nobody else could open them: what
/// this process knows of them is all there is.
final class EndedSessions: Sendable {
    private struct State {
        /// When each would have run out, in seconds since 1970.
        var ends: [[UInt8]: Int64] = [:]
        /// Whatever runs out by then has ended.
        var floor = Int64.min
    }
    private let state = Mutex(State())
    private let most: Int

    /// - Parameter most: kept apart. Those beyond take all others of their time with them, whose owners sign in anew:
    ///   to forget one would begin it again.
    init(most: Int = 10_000) { self.most = most }

    /// Ends a session.
    /// - Parameters:
    ///   - session: what no other has.
    ///   - end: when it would have run out, and `now`, in seconds since 1970.
    func add(_ session: [UInt8], until end: Int64, now: Int64) {
        state.withLock { state in
            if state.ends.count >= most { state.ends = state.ends.filter { $0.value > now } }
            if state.ends.count >= most, let last = state.ends.values.max() {
                state.floor = max(state.floor, last)
                state.ends = [:]
            }
            state.ends[session] = end
        }
    }

    /// Whether the session, which would run out at `end`, has ended.
    func has(_ session: [UInt8], until end: Int64) -> Bool {
        state.withLock { $0.ends[session] != nil || end <= $0.floor }
    }
}
