internal import ThreadExecutor

/// Keeps one connection listening on a channel, and makes it again when it breaks.
actor PostgresListener {
    private static let minPause = Duration.milliseconds(50)

    private let channel: String
    private let configuration: PostgresConfiguration
    private let executor: ThreadExecutor
    private let readiness: EpollWait
    private let resolver: NameResolver?
    private let continuation: AsyncStream<PostgresNotification>.Continuation
    private var connection: PostgresConnection?
    private var pause: Task<Void, Never>?
    private var isStopped = false
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(
        channel: String, configuration: PostgresConfiguration, executor: ThreadExecutor, readiness: EpollWait,
        resolver: NameResolver?, continuation: AsyncStream<PostgresNotification>.Continuation
    ) {
        self.channel = channel
        self.configuration = configuration
        self.executor = executor
        self.readiness = readiness
        self.resolver = resolver
        self.continuation = continuation
    }

    /// Listens until stopped.
    func run() async {
        var failures = 0
        while !isStopped {
            if await listen() { failures = 0 } else { failures += 1 }
            if isStopped { break }
            let length = min(configuration.maxBackoff, Self.minPause * (1 << min(failures, 16)))
            let pause = Task<Void, Never> { try? await Task.sleep(for: length) }
            self.pause = pause
            await pause.value
        }
        continuation.finish()
    }

    func stop() async {
        isStopped = true
        pause?.cancel()
        await connection?.close()
    }

    /// One connection's life. False when it never came to listening.
    private func listen() async -> Bool {
        let continuation = continuation
        var events = PostgresConnection.Events()
        events.notified = { payload in
            if case .dropped = continuation.yield(.notification(payload: payload)) { continuation.yield(.resync) }
        }
        let connection = PostgresConnection(
            configuration: configuration.renewed(), executor: executor, readiness: readiness, resolver: resolver,
            events: events)
        self.connection = connection
        do throws(PostgresError) {
            try configuration.validate()
            try await connection.open()
            _ = try await connection.query("LISTEN \(ident: channel)")
        } catch {
            await connection.close()
            return false
        }
        if isStopped { await connection.close() }
        // Only now: a state that is read after this cannot miss a change that is not notified.
        continuation.yield(.resync)
        await connection.ended()
        return true
    }
}
