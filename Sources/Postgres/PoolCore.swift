internal import Logging
internal import ThreadExecutor

/// Performs what a `PoolSchedule` decides, on the thread that all connections of the pool share.
actor PoolCore {
    private let configuration: PostgresConfiguration
    private let logger: Logger
    nonisolated let executor: ThreadExecutor
    private let readiness: EpollWait
    private let resolver: NameResolver?
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private typealias Assignment = Result<PoolSchedule.SlotID, PostgresError>

    private var schedule: PoolSchedule
    private var connections: [PoolSchedule.SlotID: PostgresConnection] = [:]
    private var parked: [PoolSchedule.Ticket: CheckedContinuation<Assignment, Never>] = [:]
    private var tickets: PoolSchedule.Ticket = 0
    private var counters = PostgresStatistics()
    private var leased: [ObjectIdentifier: PoolSchedule.SlotID] = [:]
    private var listeners: [Int: PostgresListener] = [:]
    private var nextListener = 0
    private var expiry: Task<Void, Never>?
    private var drained: [CheckedContinuation<Void, Never>] = []
    private var hasEnded = false

    init(configuration: PostgresConfiguration, size: Int, maxWaiting: Int, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        readiness = EpollWait()
        executor = ThreadExecutor(name: "gb-postgres", wait: readiness)
        resolver = configuration.endpoints.contains(where: \.needsResolution) ? NameResolver() : nil
        schedule = PoolSchedule(
            limits: PoolSchedule.Limits(
                size: max(1, size), maxWaiting: max(0, maxWaiting), maxPipelined: max(1, configuration.maxPipelined),
                maxBackoff: configuration.maxBackoff))
    }

    // MARK: Callers

    func query(_ statement: PostgresStatement) async throws(PostgresError) -> PostgresResult {
        let (id, connection) = try await acquire(.shared)
        counters.queries += 1
        do throws(PostgresError) {
            let result = try await connection.query(statement)
            release(id, .shared)
            return result
        } catch {
            release(id, .shared)
            throw error
        }
    }

    func lease() async throws(PostgresError) -> PostgresSession {
        try refuseIfCancelled()
        let (id, connection) = try await acquire(.exclusive)
        leased[ObjectIdentifier(connection)] = id
        return PostgresSession(connection: connection, lease: await connection.takeLease())
    }

    func giveBack(_ session: PostgresSession, isDirty: Bool) async {
        await session.connection.endLease(isDirty: isDirty)
        guard let id = leased.removeValue(forKey: ObjectIdentifier(session.connection)) else { return }
        release(id, .exclusive)
    }

    var statistics: PostgresStatistics {
        var all = counters
        all.open = schedule.open
        all.connecting = schedule.connecting
        all.exclusive = schedule.exclusiveUses
        all.inFlight = schedule.inFlight
        all.waiting = schedule.waiting
        all.isReachable = schedule.isReachable
        return all
    }

    private func acquire(
        _ use: PoolSchedule.Use
    ) async throws(PostgresError) -> (PoolSchedule.SlotID, PostgresConnection) {
        let id: PoolSchedule.SlotID
        if let now = try schedule.assign(use) {
            perform()
            id = now
        } else {
            tickets += 1
            let ticket = tickets
            id = try await withTaskCancellationHandler {
                await self.park(use, ticket)
            } onCancel: {
                Task { await self.leave(ticket) }
            }.get()
            if Task.isCancelled {
                release(id, use)
                try refuseIfCancelled()
            }
        }
        guard let connection = connections[id] else {
            release(id, use)
            throw PostgresError(.connection, "the connection broke")
        }
        return (id, connection)
    }

    /// Waits for a connection. On the actor throughout, whatever context the cancellation handler runs in.
    private func park(_ use: PoolSchedule.Use, _ ticket: PoolSchedule.Ticket) async -> Assignment {
        do throws(PostgresError) {
            try refuseIfCancelled()
            if let id = try schedule.assign(use) {
                perform()
                return .success(id)
            }
            try schedule.enqueue(use, ticket, due: .now + configuration.acquireTimeout)
        } catch {
            return .failure(error)
        }
        return await withCheckedContinuation { waiter in
            parked[ticket] = waiter
            perform()
            watchExpiry()
        }
    }

    private func leave(_ ticket: PoolSchedule.Ticket) {
        guard let waiter = parked.removeValue(forKey: ticket) else { return }
        schedule.cancel(ticket)
        waiter.resume(returning: .failure(PostgresError(.cancelled, "the task was cancelled while it waited")))
        perform()
    }

    private func release(_ id: PoolSchedule.SlotID, _ use: PoolSchedule.Use) {
        schedule.release(id, use)
        perform()
    }

    // MARK: Decisions

    private func perform() {
        while let action = schedule.next() {
            switch action {
            case .assign(let ticket, let id): parked.removeValue(forKey: ticket)?.resume(returning: .success(id))
            case .refuse(let ticket, let error):
                parked.removeValue(forKey: ticket)?.resume(returning: .failure(error))
            case .connect(let id): Task { await self.connect(id) }
            case .probe(let pause):
                Task { [weak self] in
                    try? await Task.sleep(for: pause)
                    await self?.probe()
                }
            }
        }
        if schedule.isClosed, schedule.isQuiet { finishDraining() }
    }

    private func probe() async {
        if let id = schedule.probe() { await connect(id) }
    }

    private func connect(_ id: PoolSchedule.SlotID) async {
        var events = PostgresConnection.Events()
        events.lost = { [weak self] error in
            // The connection and the pool share a thread: told now, nobody is given the broken connection.
            self?.assumeIsolated { $0.lost(id, error) }
        }
        let connection = PostgresConnection(
            configuration: configuration.renewed(), executor: executor, readiness: readiness, resolver: resolver,
            events: events)
        do throws(PostgresError) {
            try configuration.validate()
            try await connection.open()
        } catch {
            counters.refused += 1
            if schedule.isReachable {
                logger.warning("PostgreSQL cannot be reached", metadata: ["reason": "\(error.message)"])
            }
            schedule.failed(id, error)
            return perform()
        }
        if hasEnded { return await connection.close() }
        if !schedule.isReachable { logger.info("PostgreSQL can be reached again") }
        counters.connected += 1
        connections[id] = connection
        schedule.connected(id)
        perform()
    }

    private func lost(_ id: PoolSchedule.SlotID, _ error: PostgresError) {
        guard connections.removeValue(forKey: id) != nil else { return }
        counters.lost += 1
        logger.warning("a PostgreSQL connection broke", metadata: ["reason": "\(error.message)"])
        schedule.lost(id)
        perform()
    }

    private func watchExpiry() {
        guard expiry == nil else { return }
        expiry = Task { await self.expireWaiters() }
    }

    private func expireWaiters() async {
        while let due = schedule.nextDue {
            try? await Task.sleep(until: due, clock: .continuous)
            for ticket in schedule.expire(now: .now) {
                parked.removeValue(forKey: ticket)?.resume(
                    returning: .failure(PostgresError(.poolExhausted, "no connection became free in time")))
            }
            if Task.isCancelled { break }
        }
        expiry = nil
        perform()
    }

    // MARK: Listening

    func listen(channel: String) throws(PostgresError) -> AsyncStream<PostgresNotification> {
        if schedule.isClosed { throw PostgresError(.connection, "the pool is closed") }
        guard listeners.count < PostgresPool.maxListeners else {
            throw PostgresError(.poolExhausted, "too many listeners")
        }
        nextListener += 1
        let id = nextListener
        let (stream, continuation) = AsyncStream.makeStream(
            of: PostgresNotification.self, bufferingPolicy: .bufferingNewest(PostgresPool.notificationLimit))
        let listener = PostgresListener(
            channel: channel, configuration: configuration, executor: executor, readiness: readiness,
            resolver: resolver, continuation: continuation)
        listeners[id] = listener
        continuation.onTermination = { [weak self] _ in
            Task { await self?.stopListening(id) }
        }
        Task { await listener.run() }
        return stream
    }

    private func stopListening(_ id: Int) async { await listeners.removeValue(forKey: id)?.stop() }

    // MARK: The end

    func close(within limit: Duration) async {
        schedule.close()
        for listener in listeners.values { await listener.stop() }
        listeners.removeAll()
        if !hasEnded, !schedule.isQuiet {
            let timer = Task {
                try? await Task.sleep(for: limit)
                self.finishDraining()
            }
            await withCheckedContinuation { waiter in
                drained.append(waiter)
                perform()
            }
            timer.cancel()
        }
        guard !hasEnded else { return }
        hasEnded = true
        expiry?.cancel()
        let all = connections.values
        connections.removeAll()
        for connection in all { await connection.close() }
        executor.stop()
    }

    private func finishDraining() {
        let waiters = drained
        drained.removeAll()
        for waiter in waiters { waiter.resume() }
    }
}
