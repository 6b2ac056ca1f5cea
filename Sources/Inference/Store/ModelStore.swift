internal import Foundation
internal import GatewayCore
internal import Logging
internal import Synchronization

/// Carries out what `Residency` decides: hosts are started and ended, and whoever asks for a model waits until it is
/// in memory.
final class ModelStore: Sendable {
    /// What a model takes before its first load has been measured.
    typealias Load = @Sendable (String) async throws -> Int64
    typealias Unload = @Sendable (String) async -> Void

    /// What the store has done, for metrics.
    struct Counts: Hashable, Sendable {
        var budget: Int64
        var committed: Int64
        var resident: Int
        var waiting: Int
        var loads: Int
        var evictions: Int
        var failures: Int
    }

    private struct State {
        var residency: Residency
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        /// What came out before somebody waited for it.
        var outcomes: [UInt64: Result<Void, any Error>] = [:]
        /// Leases that nobody has been told of yet, and whose they are.
        var pending: [UInt64: String] = [:]
        var nextLease: UInt64 = 0
        /// Bytes that models took when they were loaded last.
        var measured: [String: Int64] = [:]
        var failures = 0
        /// Why models could not be loaded the last time.
        var reasons: [String: String] = [:]
        /// Models of which the log says that they do not fit, until they are loaded.
        var unfit: Set<String> = []
        var isTicking = false
    }

    /// How often a queue that waits for room is looked at.
    private static let tickInterval = Duration.milliseconds(100)

    private let state: Mutex<State>
    private let birth = ContinuousClock.now
    private let waitLimit: Duration
    private let load: Load
    private let unload: Unload
    private let logger: Logger

    init(
        limits: Residency.Limits, waitLimit: Duration, logger: Logger, load: @escaping Load, unload: @escaping Unload
    ) {
        state = Mutex(State(residency: Residency(limits: limits)))
        self.waitLimit = waitLimit
        self.logger = logger
        self.load = load
        self.unload = unload
    }

    /// Waits until a model is in memory; it stays there until the lease is released.
    ///
    /// - Parameter bytes: what it is expected to take, unless it was measured before.
    func acquire(_ key: String, bytes: Int64) async throws -> UInt64 {
        let lease = take { state, now in
            state.nextLease += 1
            let lease = state.nextLease
            state.pending[lease] = key
            let bytes = state.measured[key] ?? bytes
            return (lease, state.residency.acquire(key, bytes: bytes, lease: lease, at: now))
        }
        let limit = Task {
            try await Task.sleep(for: waitLimit)
            self.giveUp(lease, LocalModelError.overloaded(retryAfterSeconds: 5))
        }
        defer { limit.cancel() }
        try await withTaskCancellationHandler {
            try await self.wait(for: lease)
        } onCancel: {
            self.giveUp(lease, CancellationError())
        }
        return lease
    }

    func release(_ lease: UInt64) {
        take { state, now in ((), state.residency.release(lease, at: now)) }
    }

    func preload(_ key: String, bytes: Int64) {
        take { state, now in
            ((), state.residency.preload(key, bytes: state.measured[key] ?? bytes, at: now))
        }
    }

    func unloadWhenIdle(_ key: String) {
        take { state, now in ((), state.residency.unload(key, at: now)) }
    }

    func pin(_ keys: Set<String>) {
        take { state, now in ((), state.residency.pin(keys, at: now)) }
    }

    /// A model in memory has been measured.
    func measured(_ key: String, bytes: Int64) {
        take { state, now in
            state.measured[key] = max(bytes, state.measured[key] ?? 0)
            return ((), state.residency.measured(key, bytes: state.measured[key] ?? bytes, at: now))
        }
    }

    var counts: Counts {
        state.withLock { state in
            Counts(
                budget: state.residency.limits.budget, committed: state.residency.committed,
                resident: state.residency.models.values.count { $0.phase == .resident || $0.phase == .draining },
                waiting: state.residency.waiting, loads: state.residency.loads,
                evictions: state.residency.evictions, failures: state.failures)
        }
    }

    /// Where a model is now.
    func place(of key: String) -> ModelPlace {
        state.withLock { state in
            guard let model = state.residency.models[key] else {
                return state.reasons[key].map { ModelPlace(phase: .failed, why: $0) } ?? ModelPlace(phase: .absent)
            }
            let phase: ModelPlace.Phase =
                switch model.phase {
                case .queued: .waiting
                case .loading: .loading
                case .resident, .draining: .resident
                case .unloading: .unloading
                }
            return ModelPlace(
                phase: phase, bytes: phase == .waiting ? 0 : model.charge, inUse: model.users,
                waiting: model.waiting.count)
        }
    }

    // MARK: - Waiting

    private func wait(for lease: UInt64) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let outcome: Result<Void, any Error>? = state.withLock { state in
                guard let outcome = state.outcomes.removeValue(forKey: lease) else {
                    state.waiters[lease] = continuation
                    return nil
                }
                state.pending[lease] = nil
                return outcome
            }
            if let outcome { continuation.resume(with: outcome) }
        }
    }

    /// Ends the wait for a lease, unless it is over.
    private func giveUp(_ lease: UInt64, _ error: any Error) {
        let waiter: CheckedContinuation<Void, any Error>? = take { state, now in
            guard state.pending[lease] != nil else { return (nil, []) }
            let waiter = state.waiters.removeValue(forKey: lease)
            if waiter == nil { state.outcomes[lease] = .failure(error) } else { state.pending[lease] = nil }
            return (waiter, state.residency.release(lease, at: now))
        }
        waiter?.resume(throwing: error)
    }

    // MARK: - Actions

    /// Lets `Residency` decide under the lock, and carries its actions out after.
    @discardableResult
    private func take<Value>(_ decide: (inout State, Duration) -> (Value, [Residency.Action])) -> Value {
        let now = birth.duration(to: .now)
        var resumed: [(CheckedContinuation<Void, any Error>, Result<Void, any Error>)] = []
        let (value, actions, unfit, needsTicks) = state.withLock { state in
            let (value, actions) = decide(&state, now)
            let unfit = Self.noteUnfit(actions, &state)
            for action in actions {
                guard let (lease, outcome) = Self.outcome(action) else { continue }
                if let waiter = state.waiters.removeValue(forKey: lease) {
                    state.pending[lease] = nil
                    resumed.append((waiter, outcome))
                } else {
                    state.outcomes[lease] = outcome
                }
            }
            let needsTicks = !state.isTicking && !state.residency.queue.isEmpty
            if needsTicks { state.isTicking = true }
            return (value, actions, unfit, needsTicks)
        }
        for (key, text) in unfit {
            logger.error("model not loaded", metadata: ["model": "\(key)", "why": "\(text)"])
        }
        for (waiter, outcome) in resumed { waiter.resume(with: outcome) }
        for action in actions {
            switch action {
            case .load(let key): Task { await self.carryOutLoad(key) }
            case .unload(let key): Task { await self.carryOutUnload(key) }
            case .grant, .refuse, .skip: break
            }
        }
        if needsTicks { Task { await self.tickWhileQueued() } }
        return value
    }

    private static func outcome(_ action: Residency.Action) -> (UInt64, Result<Void, any Error>)? {
        switch action {
        case .grant(let lease): (lease, .success(()))
        case .refuse(let lease, .overloaded): (lease, .failure(LocalModelError.overloaded(retryAfterSeconds: 1)))
        case .refuse(let lease, .failed(let reason)): (lease, .failure(LocalModelError.unavailable(reason)))
        case .refuse(let lease, .tooLarge(let bytes, let room)):
            (lease, .failure(LocalModelError.unavailable(unfitness(bytes, room))))
        case .load, .unload, .skip: nil
        }
    }

    private static func unfitness(_ bytes: Int64, _ room: Int64) -> String {
        "it takes \(bytes >> 20) MiB, and inference.memory_bytes leaves \(room >> 20)"
    }

    /// A model that does not fit is a failure like one that cannot be read, though no load is tried: its requests go
    /// to whoever is paid for them. What the log does not say yet comes back; it says so once, not with every request.
    private static func noteUnfit(_ actions: [Residency.Action], _ state: inout State) -> [(String, String)] {
        var reasons: [String: String] = [:]
        for action in actions {
            switch action {
            case .refuse(let lease, .tooLarge(let bytes, let room)):
                if let key = state.pending[lease] { reasons[key] = unfitness(bytes, room) }
            case .skip(let key, .tooLarge(let bytes, let room)): reasons[key] = unfitness(bytes, room)
            case .load, .unload, .grant, .refuse, .skip: break
            }
        }
        var unsaid: [(String, String)] = []
        for (key, text) in reasons {
            state.failures += 1
            state.reasons[key] = text
            if state.unfit.insert(key).inserted { unsaid.append((key, text)) }
        }
        return unsaid
    }

    private func carryOutLoad(_ key: String) async {
        let start = ContinuousClock.now
        do {
            let bytes = try await load(key)
            let seconds = start.duration(to: .now) / .seconds(1)
            logger.info("model loaded", metadata: ["model": "\(key)", "bytes": "\(bytes)", "seconds": "\(seconds)"])
            take { state, now in
                state.measured[key] = bytes
                state.reasons[key] = nil
                state.unfit.remove(key)
                return ((), state.residency.loaded(key, bytes: bytes, at: now))
            }
        } catch {
            let text = if case LocalModelError.unavailable(let text) = error { text } else { "\(error)" }
            logger.error("model not loaded", metadata: ["model": "\(key)", "why": "\(text)"])
            await unload(key)
            take { state, now in
                state.failures += 1
                state.reasons[key] = text
                return ((), state.residency.failed(key, text, at: now))
            }
        }
    }

    private func carryOutUnload(_ key: String) async {
        await unload(key)
        logger.info("model unloaded", metadata: ["model": "\(key)"])
        take { state, now in ((), state.residency.unloaded(key, at: now)) }
    }

    private func tickWhileQueued() async {
        while true {
            try? await Task.sleep(for: Self.tickInterval)
            let isDone = take { state, now in
                let actions = state.residency.tick(at: now)
                if state.residency.queue.isEmpty { state.isTicking = false }
                return (state.residency.queue.isEmpty, actions)
            }
            if isDone { return }
        }
    }
}
