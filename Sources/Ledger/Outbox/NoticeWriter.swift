package import Logging
package import Outbox
internal import Synchronization

/// Takes notices and writes them to the database from a task of its own. Bounded: with the database away the oldest
/// go, since what still holds is noticed again.
package final class NoticeWriter: NoticeSink {
    /// Notices that wait.
    static let maxPending = 256
    /// Names that were told once, so that a budget that refuses a thousand calls asks the database once.
    static let maxRemembered = 4096

    private struct State {
        var pending: [Notice] = []
        var told: Set<String> = []
    }

    private let store: OutboxStore
    private let logger: Logger
    private let state = Mutex(State())
    private let wakeUp: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)
    /// Time until a notice that the database did not take is tried again.
    private let pause: Duration

    package init(store: OutboxStore, logger: Logger, pause: Duration = .seconds(1)) {
        self.store = store
        self.logger = logger
        self.pause = pause
        wakeUp = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func tell(_ notice: Notice) {
        let isNew = state.withLock { state in
            if case .once(let name) = notice.repetition {
                if state.told.count >= Self.maxRemembered { state.told.removeAll() }
                guard state.told.insert(name).inserted else { return false }
            }
            if state.pending.count >= Self.maxPending { state.pending.removeFirst() }
            state.pending.append(notice)
            return true
        }
        if isNew { wakeUp.continuation.yield() }
    }

    /// Writes until the task is cancelled.
    package func run() async {
        for await _ in wakeUp.stream {
            while let notice = state.withLock({ $0.pending.first }), !Task.isCancelled {
                do {
                    try await store.tell(notice)
                    state.withLock { state in
                        if state.pending.first == notice { state.pending.removeFirst() }
                    }
                } catch {
                    logger.debug("a notice waits for the database", metadata: ["reason": "\(error)"])
                    do { try await Task.sleep(for: pause) } catch { return }
                }
            }
        }
    }
}
