internal import Foundation
internal import GatewayCore
internal import Glibc
internal import Logging

/// Keeps one engine host running: starts it when it is first needed, restarts it after a crash with growing pauses,
/// kills it when it hangs, and passes requests on to it.
package actor EngineSupervisor {
    private let options: EngineHostOptions
    private let settings: EngineSettings
    private let loop: EngineLoop
    private let logger: Logger
    nonisolated let residence: ModelResidence
    nonisolated let shelf: AdapterShelf
    private let clock = ContinuousClock()
    private let birth: ContinuousClock.Instant
    private var machine: HostStateMachine
    private var client: EngineClient?
    private var process: HostProcess?
    private var known: HostInfo?
    private var lastStatus: HostStatus?
    private var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    private var nextWaiter: UInt64 = 0
    private var watch: Task<Void, Never>?
    private var exit: Task<Void, Never>?

    init(
        options: EngineHostOptions, settings: EngineSettings, loop: EngineLoop, logger: Logger,
        residence: ModelResidence, shelf: AdapterShelf
    ) {
        self.shelf = shelf
        self.residence = residence
        self.options = options
        self.settings = settings
        self.loop = loop
        self.logger = logger
        birth = clock.now
        machine = HostStateMachine(limits: settings.limits)
    }

    deinit {
        guard let process else { return }
        Task { await process.letGo() }
    }

    /// Process id of the host, for diagnostics; nil while there is none.
    package var processID: Int32? {
        get async {
            guard machine.isReady, let pid = await process?.pid, pid > 0 else { return nil }
            return pid
        }
    }
    /// Starts so far.
    package var starts: Int { machine.starts }
    /// Ends so far that nobody asked for.
    package var crashes: Int { machine.crashes }
    /// What the host said at its last sign of life.
    package var status: HostStatus? { lastStatus }

    /// What the loaded model is; loads it if need be.
    package func info() async throws -> HostInfo {
        let lease = try await residence.acquire()
        defer { residence.release(lease) }
        try await ready()
        guard let known else { throw LocalModelError.interrupted }
        return known
    }

    /// Sends a request to the host once the model is in memory; it stays there until the answer has come.
    func call(
        _ operation: HostRequest.Operation, scope: EngineScope = EngineScope(),
        onText: (@Sendable (String) -> Void)? = nil
    ) async throws -> EngineClient.Answer {
        let lease = try await residence.acquire()
        defer { residence.release(lease) }
        for _ in 0..<3 {
            try await ready()
            guard let client else { continue }
            // The host may have died a moment ago, its exit not being noticed yet.
            if await client.isClosed {
                if client === self.client { await perform(machine.disconnected()) }
                continue
            }
            return try await client.call(operation, scope: scope, onText: onText)
        }
        throw LocalModelError.interrupted
    }

    /// Asks the host how it is doing.
    package func currentStatus() async throws -> HostStatus {
        guard case .pong(let status) = try await call(.ping).body else { throw LocalModelError.interrupted }
        return status
    }

    func end(session: UUID) async {
        guard machine.isReady else { return }
        await client?.tell(.end(session: session))
    }

    /// Ends the host and waits until it is gone; afterwards every request is refused.
    package func shutdown() async {
        machine.stop()
        refuse(LocalModelError.unavailable("the engine is shut down"))
        watch?.cancel()
        await end()
    }

    // MARK: - Memory

    /// Starts the host for the model store; the bytes that it takes.
    func load() async throws -> Int64 {
        try await residence.verify(options.model)
        try await ready()
        guard let bytes = await measure() else { throw LocalModelError.interrupted }
        return bytes
    }

    /// Ends the host, and waits until its memory is free.
    func unload() async {
        machine.unload()
        await end()
    }

    /// Bytes of the host in memory, as the kernel counts them.
    private func measure() async -> Int64? {
        guard let pid = await process?.pid, pid > 0 else { return nil }
        return ProcessMemory.residentBytes(pid)
    }

    private func end() async {
        guard let process else { return }
        await client?.close()
        client = nil
        await process.letGo()
        let grace = Task {
            try await Task.sleep(for: settings.exitGrace)
            await process.kill()
        }
        await exit?.value
        grace.cancel()
    }

    // MARK: - Readiness

    private func ready() async throws {
        if machine.isReady { return }
        await perform(machine.need(at: now))
        if machine.isReady { return }
        if case .failed(let reason, _) = machine.phase { throw LocalModelError.unavailable(reason) }
        guard waiters.count < settings.maxWaiting else {
            throw LocalModelError.overloaded(retryAfterSeconds: 1)
        }
        nextWaiter += 1
        let id = nextWaiter
        let limit = Task {
            try await Task.sleep(for: settings.readinessLimit)
            resume(id, LocalModelError.overloaded(retryAfterSeconds: 5))
        }
        defer { limit.cancel() }
        try await withTaskCancellationHandler {
            try await self.park(id)
        } onCancel: {
            Task { await self.resume(id, CancellationError()) }
        }
    }

    private func park(_ id: UInt64) async throws {
        try Task.checkCancellation()
        if machine.isReady { return }
        if machine.phase == .stopped { throw LocalModelError.unavailable("the engine is shut down") }
        try await withCheckedThrowingContinuation { waiters[id] = $0 }
    }

    private func resume(_ id: UInt64, _ error: (any Error)?) {
        guard let continuation = waiters.removeValue(forKey: id) else { return }
        if let error { continuation.resume(throwing: error) } else { continuation.resume() }
    }

    private func refuse(_ error: (any Error)?) {
        for id in waiters.keys { resume(id, error) }
    }

    // MARK: - The host

    private var now: Duration { birth.duration(to: clock.now) }

    private func perform(_ action: HostStateMachine.Action) async {
        switch action {
        case .none: break
        case .refuse(let text): refuse(LocalModelError.unavailable(text))
        case .kill(let reason):
            logger.error("engine host killed", metadata: ["model": "\(options.model)", "reason": "\(reason)"])
            await client?.close()
            await process?.kill()
        case .spawn: await spawn()
        }
    }

    private func spawn() async {
        let log = options.socket + ".log"
        let process = HostProcess(loop: loop)
        self.process = process
        let problem = await process.start(
            executable: settings.executable, arguments: settings.leadingArguments + options.arguments, log: log)
        if watch == nil { watch = Task { [weak self] in await Self.watch(self) } }
        if let problem { return await ended(process, problem, text: "\(problem)") }
        exit = Task { [weak self] in
            let outcome = await process.waitForExit()
            await self?.ended(process, outcome, text: Self.lastLine(of: log) ?? "ended with \(outcome)")
        }
        Task { [weak self] in await self?.greet(process) }
    }

    /// Connects, and asks until the model is loaded.
    private func greet(_ process: HostProcess) async {
        while process === self.process, case .starting = machine.phase {
            let client = EngineClient(loop: loop)
            if await client.connect(path: options.socket) {
                if await greet(process, client) { return }
                await client.close()
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func greet(_ process: HostProcess, _ client: EngineClient) async -> Bool {
        while process === self.process, case .starting = machine.phase {
            do {
                guard case .info(let info) = try await client.call(.info).body else { return false }
                guard process === self.process, case .starting = machine.phase else { return false }
                self.client = client
                known = info
                machine.becameReady(at: now)
                logger.info(
                    "engine host ready",
                    metadata: [
                        "model": "\(options.model)", "confined by": "\(info.confinement.joined(separator: " "))",
                    ])
                for text in info.unconfined {
                    logger.warning("this system does not confine engine hosts fully", metadata: ["missing": "\(text)"])
                }
                refuse(nil)
                return true
            } catch LocalModelError.overloaded {
                try? await Task.sleep(for: .milliseconds(20))
            } catch {
                return false
            }
        }
        return false
    }

    private func ended(_ process: HostProcess, _ outcome: HostExit, text: String) async {
        guard process === self.process else { return }
        self.process = nil
        await client?.close()
        client = nil
        lastStatus = nil
        if machine.phase != .stopped, machine.phase != .unloading {
            logger.error(
                "engine host ended",
                metadata: ["model": "\(options.model)", "outcome": "\(outcome)", "text": "\(text)"])
        }
        await perform(machine.exited(outcome, text: text, at: now))
        // Somebody asked for it again while it ended.
        if machine.phase == .idle, !waiters.isEmpty { await perform(machine.need(at: now)) }
    }

    // MARK: - Watching

    private static func watch(_ supervisor: EngineSupervisor?) async {
        weak let supervisor = supervisor
        while !Task.isCancelled, let pause = await supervisor?.heartbeat() {
            try? await Task.sleep(for: pause)
        }
    }

    /// One look at the host; returns the pause until the next.
    private func heartbeat() async -> Duration? {
        if machine.phase == .stopped { return nil }
        if machine.isReady, let client {
            let time = now
            machine.asking(at: time)
            Task { await self.ask(client, at: time) }
        }
        await perform(machine.tick(at: now))
        return settings.heartbeat
    }

    private func ask(_ client: EngineClient, at time: Duration) async {
        guard case .pong(let status)? = try? await client.call(.ping).body else { return }
        guard client === self.client else { return }
        lastStatus = status
        machine.answered(status, askedAt: time, at: now)
        if let bytes = await measure() { residence.measured(bytes) }
    }

    private static func lastLine(of path: String) -> String? {
        guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? handle.close() }
        let size = (try? handle.seekToEnd()) ?? 0
        try? handle.seek(toOffset: size > 4096 ? size - 4096 : 0)
        let text = String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
        let lines = text.split(separator: "\n")
        let own = lines.last { $0.hasPrefix("engine-host: ") }.map { String($0.dropFirst(13)) }
        return own ?? lines.last.map(String.init)
    }
}
