internal import CLibPQ
internal import ThreadExecutor

/// One connection, pipelined: many statements may be under way at once, answered in order.
///
/// It lives on its executor's thread, where all calls to libpq happen, none of which blocks. Every statement has a
/// synchronization point of its own, so that one that fails does not touch its neighbours. A statement that was sent
/// runs to its end, whatever becomes of the task that sent it. Call `close()` when done: the connection reads on, for
/// notifications and the server's farewell, until then.
package actor PostgresConnection {
    /// The right to use a connection exclusively.
    package struct Lease: Sendable, Equatable { let number: UInt64 }

    enum Phase {
        case new
        case connecting
        case open
        case closed(PostgresError)
    }

    /// What the owner of a connection is told, on its executor.
    struct Events: Sendable {
        var lost: @Sendable (PostgresError) -> Void = { _ in }
        var notified: @Sendable (_ payload: String) -> Void = { _ in }
    }

    typealias Answer = Result<PostgresResult, PostgresError>

    /// A statement under way.
    struct Entry {
        var waiter: CheckedContinuation<Answer, Never>?
        let deadline: ContinuousClock.Instant
        var result: PostgresResult?
        var failure: PostgresError?
        /// The text that this statement prepares, until the server has answered to that.
        var preparing: PreparedStatements.Key?
        /// The prepared text that this statement uses.
        var using: PreparedStatements.Key?
    }

    let configuration: PostgresConfiguration
    let readiness: EpollWait
    let resolver: NameResolver?
    let events: Events
    let executor: ThreadExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    var handle = ConnectionHandle()
    var phase = Phase.new
    /// Set when the attempt to connect must end.
    var connectFailure: PostgresError?
    var resolution: CheckedContinuation<Result<[String], PostgresError>, Never>?

    /// Statements whose results are due, in order.
    var inFlight = Fifo<Entry>()
    var prepared: PreparedStatements
    /// When the front statement began to be the one that the server works on.
    var headSince = ContinuousClock.now
    /// A simple-protocol script is under way, outside of pipeline mode.
    var isScripting = false
    var isParkedForReading = false
    /// The descriptor that is waited for. libpq closes a socket that it finds broken: only this tells then which
    /// descriptor still has a waiter.
    var parked: CInt?
    var watchdog: Task<Void, Never>?
    private var settledWaiters: [CheckedContinuation<Void, Never>] = []
    private var endWaiters: [CheckedContinuation<Void, Never>] = []
    private var currentLease: Lease?
    private var leases: UInt64 = 0

    init(
        configuration: PostgresConfiguration, executor: ThreadExecutor, readiness: EpollWait,
        resolver: NameResolver? = nil, events: Events = Events()
    ) {
        self.configuration = configuration
        self.executor = executor
        self.readiness = readiness
        self.resolver = resolver
        self.events = events
        self.prepared = PreparedStatements(limit: configuration.maxPreparedStatements)
    }

    /// Statements under way.
    var depth: Int { inFlight.count }

    var isOpen: Bool { if case .open = phase { true } else { false } }

    /// Runs one statement and returns its complete result.
    /// - Parameter lease: the caller's right to the connection while somebody has it exclusively.
    package func query(
        _ statement: PostgresStatement, lease: Lease? = nil
    ) async throws(PostgresError) -> PostgresResult {
        let parameters = try BoundParameters(statement.binds)
        guard !statement.sql.hasZeroByte else {
            throw PostgresError(.encoding, "the statement contains a zero byte")
        }
        let limit = configuration.statementTimeout + configuration.timeoutGrace
        return try await answer(within: limit) { entry throws(PostgresError) in
            try admit(lease)
            try send(statement.sql, parameters, for: &entry)
        }
    }

    /// Runs several statements by the simple protocol, alone on the connection.
    func script(_ sql: String, timeout: Duration, lease: Lease?) async throws(PostgresError) {
        guard !sql.hasZeroByte else { throw PostgresError(.encoding, "the script contains a zero byte") }
        _ = try await answer(within: timeout, alone: true) { _ throws(PostgresError) in
            try admit(lease)
            guard PQexitPipelineMode(handle.raw) == 1, PQsendQuery(handle.raw, sql) == 1 else {
                throw failedToSend(mayHaveSent: false)
            }
            isScripting = true
            dismissWatchdog()
        }
    }

    /// Waits until no script is under way (`alone`: nothing at all), sends something, and waits for its answer.
    ///
    /// From the look at what is under way to the place in line nothing comes between, or answers would reach the wrong
    /// callers: an actor may take up another call wherever it says `await`, calls of its own included.
    private func answer(
        within limit: Duration, alone: Bool = false, _ send: (inout Entry) throws(PostgresError) -> Void
    ) async throws(PostgresError) -> PostgresResult {
        while true {
            var mustWait = false
            let answer: Answer = await withCheckedContinuation { waiter in
                mustWait = isScripting || alone && !inFlight.isEmpty
                // One moment for both: who gives up on a server that hangs finds its connection given up, too.
                let now = ContinuousClock.now
                var entry = Entry(waiter: nil, deadline: now + limit)
                do throws(PostgresError) {
                    if mustWait { throw PostgresError(.connection, "others are under way") }
                    try send(&entry)
                } catch { return waiter.resume(returning: .failure(error)) }
                entry.waiter = waiter
                if inFlight.isEmpty { headSince = now }
                inFlight.append(entry)
                flush()
                watch()
            }
            if !mustWait { return try answer.get() }
            await settle()
        }
    }

    private func admit(_ lease: Lease?) throws(PostgresError) {
        switch phase {
        case .open: break
        case .closed(let reason): throw reason.with(outcomeUnknown: false)
        case .new, .connecting: throw PostgresError(.connection, "the connection is not open")
        }
        guard lease == currentLease else { throw PostgresError(.cancelled, "the session has ended") }
        guard inFlight.count < configuration.maxPipelined else {
            throw PostgresError(.poolExhausted, "too many statements under way on one connection")
        }
    }

    /// Waits until nothing is under way.
    func settle() async {
        if inFlight.isEmpty, !isScripting { return }
        await withCheckedContinuation { settledWaiters.append($0) }
    }

    /// Waits until the connection has ended.
    func ended() async {
        if case .closed = phase { return }
        await withCheckedContinuation { endWaiters.append($0) }
    }

    func wakeSettled() {
        let waiters = settledWaiters
        settledWaiters.removeAll()
        for waiter in waiters { waiter.resume() }
    }

    /// Ends the connection. What is under way fails as if it broke.
    package func close() {
        end(PostgresError(.connection, "the connection was closed"))
    }

    /// The connection broke by itself.
    func lose(_ reason: PostgresError) {
        guard case .open = phase else { return }
        end(reason)
        events.lost(reason)
    }

    /// Gives everything back and fails what is under way.
    func end(_ reason: PostgresError) {
        if case .closed = phase { return }
        phase = .closed(reason)
        connectFailure = connectFailure ?? reason
        resolution.take()?.resume(returning: .failure(reason))
        if let descriptor = parked.take() { readiness.forget(descriptor) }
        handle.finish()
        isScripting = false
        while let entry = inFlight.popFirst() {
            // The server's last word tells more than "connection broken", if it had one for this statement.
            let known = entry.failure ?? reason
            entry.waiter?.resume(
                returning: .failure(
                    PostgresError(.connection, known.message, sqlState: known.sqlState, outcomeUnknown: true)))
        }
        dismissWatchdog()
        wakeSettled()
        let waiters = endWaiters
        endWaiters.removeAll()
        for waiter in waiters { waiter.resume() }
    }

    // MARK: Exclusive use

    func takeLease() -> Lease {
        leases += 1
        let lease = Lease(number: leases)
        currentLease = lease
        return lease
    }

    /// Ends exclusive use: leaves no transaction open and, if `isDirty`, nothing else of the session either.
    func endLease(isDirty: Bool) async {
        guard let lease = currentLease else { return }
        await settle()
        if isOpen, PQtransactionStatus(handle.raw) != PQTRANS_IDLE { await rollback(lease: lease) }
        if isOpen, isDirty {
            var reset = try? await query("DISCARD ALL", lease: lease)
            prepared.removeAll()
            // It discards the role as well.
            if reset != nil, let role = configuration.role {
                reset = try? await query(PostgresStatement(trusted: "SET ROLE \(role)"), lease: lease)
            }
            if reset == nil { lose(PostgresError(.connection, "the session could not be reset")) }
        }
        currentLease = nil
    }

    func begin(_ isolation: PostgresIsolation, lease: Lease) async throws(PostgresError) {
        do throws(PostgresError) {
            _ = try await query(PostgresStatement(trusted: isolation.rawValue), lease: lease)
        } catch {
            throw error.with(outcomeUnknown: false)
        }
    }

    /// A COMMIT of a failed transaction succeeds in rolling back: that is an error to whoever asked for a commit.
    func commit(lease: Lease) async throws(PostgresError) {
        let result: PostgresResult
        do throws(PostgresError) {
            result = try await query("COMMIT", lease: lease)
        } catch {
            // A refused COMMIT (a deferred constraint) has rolled back.
            throw error
        }
        guard result.commandTag == "COMMIT" else {
            throw PostgresError(
                .server, "the transaction had failed and was rolled back",
                sqlState: PostgresState.inFailedTransaction)
        }
    }

    /// Rolls back; a connection where that fails is of no use any more.
    func rollback(lease: Lease) async {
        guard isOpen else { return }
        await settle()
        do throws(PostgresError) {
            _ = try await query("ROLLBACK", lease: lease)
        } catch {
            lose(PostgresError(.connection, "a rollback failed", sqlState: error.sqlState))
        }
    }
}
