package import Logging
package import Outbox
internal import Postgres
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
            if let name = notice.repetition.onceName {
                if state.told.count >= Self.maxRemembered { state.told.removeAll() }
                guard state.told.insert(name).inserted else { return false }
            }
            if state.pending.count >= Self.maxPending,
                let name = state.pending.removeFirst().repetition.onceName
            {
                // It was not told, so whoever notices it again may.
                state.told.remove(name)
            }
            state.pending.append(notice)
            return true
        }
        if isNew { wakeUp.continuation.yield() }
    }

    /// Writes until the task is cancelled.
    package func run() async {
        for await _ in wakeUp.stream {
            while let notice = state.withLock({ $0.pending.first }), !Task.isCancelled {
                do throws(LedgerError) {
                    try await store.tell(notice)
                    done(notice)
                } catch {
                    if let cause = error.underlying, PostgresLedger.isFinal(cause) {
                        // What the database refuses for what it says must not hold up the others.
                        logger.warning(
                            "the database refuses a notice: it is not told",
                            metadata: [
                                "kind": "\(notice.kind.rawValue)", "reason": "\(cause.sqlState ?? cause.code.rawValue)",
                            ])
                        done(notice)
                        continue
                    }
                    logger.debug("a notice waits for the database", metadata: ["reason": "\(error)"])
                    do { try await Task.sleep(for: pause) } catch { return }
                }
            }
        }
    }

    /// It may have been dropped meanwhile.
    private func done(_ notice: Notice) {
        state.withLock { state in
            if state.pending.first == notice { state.pending.removeFirst() }
        }
    }
}
