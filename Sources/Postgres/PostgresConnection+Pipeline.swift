internal import CLibPQ
internal import ThreadExecutor

/// Thrown at the reader when it must wait for something else.
private struct WaitAgain: Error {}

extension PostgresConnection {
    /// Hands a statement to libpq, followed by a synchronization point.
    func send(_ sql: String, _ parameters: BoundParameters, for entry: inout Entry) throws(PostgresError) {
        let key = PreparedStatements.Key(sql: sql, types: parameters.types)
        let raw = handle.raw
        let use = prepared.use(for: key)
        if case .prepare(_, let evicted?) = use { try deallocate(evicted) }
        let isSent = parameters.withArrays { p -> Bool in
            switch use {
            case .unprepared:
                return PQsendQueryParams(raw, sql, p.count, p.types, p.values, p.lengths, p.formats, 0) == 1
            case .prepared(let name):
                return PQsendQueryPrepared(raw, name, p.count, p.values, p.lengths, p.formats, 0) == 1
            case .prepare(let name, _):
                return PQsendPrepare(raw, name, sql, p.count, p.types) == 1
                    && PQsendQueryPrepared(raw, name, p.count, p.values, p.lengths, p.formats, 0) == 1
            }
        }
        // Nothing is committed before the server has seen the synchronization point: up to here, nothing happened.
        guard isSent else { throw failedToSend(mayHaveSent: false) }
        guard PQpipelineSync(raw) == 1 else { throw failedToSend(mayHaveSent: true) }
        switch use {
        case .unprepared: break
        case .prepared: entry.using = key
        case .prepare:
            entry.preparing = key
            entry.using = key
        }
    }

    /// A half-sent statement would put answers out of step: the connection is given up.
    func failedToSend(mayHaveSent: Bool) -> PostgresError {
        let error = PostgresError(.connection, handle.message, outcomeUnknown: mayHaveSent)
        lose(error)
        return error
    }

    /// Frees an evicted prepared statement. The answer is nobody's: the entry has no waiter.
    private func deallocate(_ name: String) throws(PostgresError) {
        let isSent = PQsendQueryParams(handle.raw, "DEALLOCATE \(name)", 0, nil, nil, nil, nil, 0) == 1
        guard isSent, PQpipelineSync(handle.raw) == 1 else { throw failedToSend(mayHaveSent: false) }
        if inFlight.isEmpty { headSince = .now }
        inFlight.append(Entry(waiter: nil, deadline: .now))
    }

    /// Sends what libpq holds back, or has the reader do it as soon as the socket takes more.
    func flush() {
        switch PQflush(handle.raw) {
        case 0:
            // Where a large statement could not be sent at once libpq has read meanwhile: nothing tells the reader of
            // what came in then, until more does.
            drain()
        case 1:
            // Wait for both: the server may have to get rid of results before it takes more.
            if isParkedForReading, let parked { readiness.cancel(parked, throwing: WaitAgain()) }
        default: lose(PostgresError(.connection, handle.message))
        }
    }

    /// The only reader; runs from the end of `open()` to the end of the connection.
    func pump() async {
        while isOpen {
            do {
                try await readyToRead()
            } catch is WaitAgain {
                continue
            } catch let error as PostgresError {
                return lose(error)
            } catch {
                return lose(PostgresError(.connection, "the socket cannot be waited for"))
            }
            guard isOpen else { return }
            let isAlive = PQconsumeInput(handle.raw) == 1
            drain()
            deliverNotifications()
            if isOpen, !isAlive || PQstatus(handle.raw) == CONNECTION_BAD {
                return lose(PostgresError(.connection, handle.message))
            }
        }
    }

    /// Waits until there may be something to read, and sends what libpq holds back meanwhile.
    ///
    /// What is still to be sent is looked at by the one who parks, with nothing between: a statement that comes in
    /// between would otherwise wait for a reader that only waits for its answer.
    private func readyToRead() async throws {
        defer {
            isParkedForReading = false
            parked = nil
        }
        let _: EpollWait.Interest = try await withCheckedThrowingContinuation { continuation in
            let unflushed = PQflush(handle.raw)
            guard unflushed >= 0 else {
                return continuation.resume(throwing: PostgresError(.connection, handle.message))
            }
            isParkedForReading = unflushed == 0
            park(for: unflushed == 1 ? [.read, .write] : .read, continuation)
        }
    }

    /// Waits for the socket, whichever it is at the moment that the wait begins.
    func ready(for interest: EpollWait.Interest) async throws -> EpollWait.Interest {
        defer { parked = nil }
        return try await withCheckedThrowingContinuation { park(for: interest, $0) }
    }

    private func park(
        for interest: EpollWait.Interest, _ continuation: CheckedContinuation<EpollWait.Interest, any Error>
    ) {
        let descriptor = PQsocket(handle.raw)
        parked = descriptor
        readiness.park(descriptor, for: interest, continuation)
    }

    /// Takes every result that is complete.
    private func drain() {
        var nullsInARow = 0
        while isOpen, !inFlight.isEmpty, PQisBusy(handle.raw) == 0 {
            guard let raw = PQgetResult(handle.raw) else {
                if isScripting {
                    finishScript()
                    continue
                }
                // One null ends each statement's results; two in a row mean that there is nothing more to take.
                nullsInARow += 1
                if nullsInARow > 1 { return }
                continue
            }
            nullsInARow = 0
            take(ResultHandle(raw))
        }
        if isOpen, inFlight.isEmpty, !isScripting {
            // Lets libpq notice that its queue is empty, so that it reports the transaction's state.
            if PQisBusy(handle.raw) == 0, let stray = PQgetResult(handle.raw) { PQclear(stray) }
            wakeSettled()
        }
    }

    private func take(_ result: consuming ResultHandle) {
        switch result.status {
        case PGRES_PIPELINE_SYNC: answerFirst()
        case PGRES_PIPELINE_ABORTED: break
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
            var confirmed: PreparedStatements.Key?
            if let key = inFlight.first?.preparing {
                confirmed = key
                inFlight.updateFirst { $0.preparing = nil }
            }
            if let confirmed { return prepared.confirm(confirmed) }
            if inFlight.first?.waiter != nil {
                let value = PostgresResult(result)
                inFlight.updateFirst { $0.result = value }
            }
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            lose(PostgresError(.connection, "COPY is not supported: the connection was given up"))
        default:
            let error = result.error
            inFlight.updateFirst { if $0.failure == nil { $0.failure = error } }
        }
    }

    private func answerFirst() {
        guard let entry = inFlight.popFirst() else { return }
        headSince = .now
        if let failure = entry.failure {
            let isStale =
                failure.sqlState == PostgresState.invalidStatementName
                || failure.sqlState == PostgresState.featureNotSupported
            if let key = entry.preparing {
                prepared.forget(key)
            } else if let key = entry.using, isStale {
                prepared.forget(key)
            }
            entry.waiter?.resume(returning: .failure(failure))
        } else if let result = entry.result {
            entry.waiter?.resume(returning: .success(result))
        } else {
            entry.waiter?.resume(returning: .failure(PostgresError(.connection, "a statement without an answer")))
        }
    }

    private func finishScript() {
        isScripting = false
        dismissWatchdog()
        if PQenterPipelineMode(handle.raw) != 1 { return lose(PostgresError(.connection, handle.message)) }
        answerFirst()
    }

    private func deliverNotifications() {
        while isOpen, let notification = PQnotifies(handle.raw) {
            events.notified(notification.pointee.extra.map { String(cString: $0) } ?? "")
            PQfreemem(notification)
        }
    }

    // MARK: Deadlines

    /// One sleeping task per connection watches all deadlines: a timer a statement would cost more than the statement.
    func watch() {
        guard watchdog == nil else { return }
        watchdog = Task { await self.watchDeadlines() }
    }

    /// Has the next statement start a new watchdog. A script may run for much longer or shorter than a statement: one
    /// that sleeps until the other's deadline would see the new one too late.
    func dismissWatchdog() { watchdog.take()?.cancel() }

    private func watchDeadlines() async {
        // Dismissed, it would not sleep any more, only turn round and round.
        while !Task.isCancelled, isOpen, let due = nextDeadline {
            if due <= .now {
                expire()
            } else {
                try? await Task.sleep(until: due, clock: .continuous)
            }
        }
        // The place is another one's by then.
        if !Task.isCancelled { watchdog = nil }
    }

    /// That of the first caller who still waits, or of the connection if that comes first.
    private var nextDeadline: ContinuousClock.Instant? {
        if inFlight.isEmpty { return nil }
        guard let waiting = inFlight.first(where: { $0.waiter != nil }) else { return headDeadline }
        return min(waiting.deadline, headDeadline)
    }

    /// The server ends a statement by itself: one that is still running then means that the server is gone.
    private var headDeadline: ContinuousClock.Instant {
        isScripting
            ? inFlight.first?.deadline ?? headSince
            : headSince + configuration.statementTimeout + configuration.timeoutGrace
    }

    private func expire() {
        let now = ContinuousClock.now
        let isStuck = headDeadline <= now
        let error = PostgresError(.timeout, "no answer within the statement timeout", outcomeUnknown: true)
        inFlight.updateWhile { entry in
            guard entry.deadline <= now else { return false }
            entry.waiter.take()?.resume(returning: .failure(error))
            return true
        }
        if isStuck { lose(PostgresError(.connection, "the server does not answer")) }
    }
}
