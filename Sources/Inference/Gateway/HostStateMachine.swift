/// What to do about one engine host, decided without I/O: what happened goes in, with the time since some start,
/// and what to do comes out.
struct HostStateMachine: Sendable {
    struct Limits: Hashable, Sendable {
        /// From the start of the process to its first answer.
        var startup = Duration.seconds(120)
        /// Longest silence of a host that has been asked for a sign of life.
        var silence = Duration.seconds(5)
        /// Longest time without a decode while work is queued: one decode of a full batch on a slow machine.
        var stall = Duration.seconds(30)
        var firstBackoff = Duration.milliseconds(100)
        var maxBackoff = Duration.seconds(30)
        /// A host that has lived this long begins with the first back-off again.
        var healthy = Duration.seconds(60)
        /// A model file found unusable is tried again after this, when somebody asks for it.
        var badModelRetry = Duration.seconds(30)
        /// Starts in a row that end before the host was ready, until the same is thought of the file: some files make
        /// llama.cpp abort.
        var maxFailedStarts = 3
    }

    enum Phase: Hashable, Sendable {
        case idle
        case starting(since: Duration)
        case ready(since: Duration)
        /// Killed, not gone yet: nothing is started before it is.
        case ending(reason: String)
        case waiting(until: Duration)
        case failed(reason: String, until: Duration)
        /// Asked to end because its memory is wanted; it may be started again once it is gone.
        case unloading
        case stopped
    }

    enum Action: Hashable, Sendable {
        case none
        case spawn
        case kill(reason: String)
        /// Callers that wait for readiness get this text.
        case refuse(String)
    }

    let limits: Limits
    private(set) var phase = Phase.idle
    /// Starts so far.
    private(set) var starts = 0
    /// Ends that nobody asked for; one that hung and was killed is among them.
    private(set) var crashes = 0
    private var failures = 0
    private var readySince: Duration?
    /// When the host was asked for the signs of life that have not come, oldest first.
    private var asked: [Duration] = []
    private var lastAnswer = Duration.zero
    /// How long answers have told of work and no decode.
    private var stalled = Duration.zero
    /// Since when time has passed as it should: a gateway that was stopped itself has nothing to say of its hosts.
    private var awakeSince = Duration.zero
    private var lastTick: Duration?
    private var lastDecodes: UInt64 = 0

    init(limits: Limits) { self.limits = limits }

    var isReady: Bool { if case .ready = phase { true } else { false } }

    /// Somebody wants to use the host.
    mutating func need(at now: Duration) -> Action {
        switch phase {
        case .idle: return spawn(now)
        case .failed(let reason, let until): return now < until ? .refuse(reason) : spawn(now)
        case .stopped: return .refuse("the engine is shut down")
        case .starting, .ready, .ending, .waiting, .unloading: return .none
        }
    }

    /// The host has answered with the model loaded.
    mutating func becameReady(at now: Duration) {
        guard case .starting = phase else { return }
        phase = .ready(since: now)
        readySince = now
        asked = []
        lastAnswer = now
        stalled = .zero
        lastDecodes = 0
    }

    /// The host is being asked for a sign of life.
    mutating func asking(at now: Duration) {
        guard isReady else { return }
        asked.append(now)
    }

    /// A sign of life.
    /// - Parameter time: when it was asked for; what was asked before is of no interest any more.
    mutating func answered(_ status: HostStatus, askedAt time: Duration, at now: Duration) {
        asked.removeAll { $0 <= time }
        let isStalled = status.active + status.queued > 0 && status.decodes == lastDecodes
        // What lies between two answers far apart, the host may have been stopped like the gateway.
        stalled = isStalled ? stalled + min(now - lastAnswer, limits.silence) : .zero
        lastAnswer = now
        lastDecodes = status.decodes
    }

    /// The host has closed its connection: it is dead, or as good as that.
    mutating func disconnected() -> Action {
        guard case .ready = phase else { return .none }
        return end("closed its connection")
    }

    /// Time has passed.
    mutating func tick(at now: Duration) -> Action {
        if let lastTick, now - lastTick > limits.silence { awakeSince = now }
        lastTick = now
        switch phase {
        case .starting(let since) where now - max(since, awakeSince) > limits.startup:
            return end("did not start in time")
        case .ready where isSilent(at: now): return end("gives no sign of life")
        case .ready where stalled > limits.stall: return end("makes no progress")
        case .waiting(let until) where now >= until: return spawn(now)
        default: return .none
        }
    }

    /// Measured from the oldest question without an answer: a host that was not asked is not silent.
    private func isSilent(at now: Duration) -> Bool {
        guard let oldest = asked.first else { return false }
        return now - max(oldest, awakeSince) > limits.silence
    }

    /// The process is gone.
    mutating func exited(_ exit: HostExit, text: String, at now: Duration) -> Action {
        if phase == .stopped { return .none }
        if phase == .unloading {
            phase = .idle
            readySince = nil
            lastDecodes = 0
            return .none
        }
        crashes += 1
        if let readySince, now - readySince > limits.healthy { failures = 0 }
        readySince = nil
        if exit == .code(EngineHost.badModelCode) {
            phase = .failed(reason: text, until: now + limits.badModelRetry)
            return .refuse(text)
        }
        failures += 1
        let wasStarting = if case .starting = phase { true } else { false }
        lastDecodes = 0
        // Callers wait through a restart, but not through one failed start after another.
        if wasStarting, failures >= limits.maxFailedStarts {
            let reason = "engine host does not start: \(text)"
            phase = .failed(reason: reason, until: now + limits.badModelRetry)
            return .refuse(reason)
        }
        phase = .waiting(until: now + backoff)
        return .none
    }

    /// Its memory is wanted. A file that was found unusable stays so.
    mutating func unload() {
        switch phase {
        case .starting, .ready, .ending: phase = .unloading
        case .waiting: phase = .idle
        case .idle, .failed, .unloading, .stopped: break
        }
    }

    mutating func stop() { phase = .stopped }

    private var backoff: Duration {
        let doublings = min(20, max(0, failures - 1))
        return min(limits.maxBackoff, limits.firstBackoff * (1 << doublings))
    }

    private mutating func spawn(_ now: Duration) -> Action {
        phase = .starting(since: now)
        starts += 1
        return .spawn
    }

    private mutating func end(_ reason: String) -> Action {
        phase = .ending(reason: reason)
        return .kill(reason: reason)
    }
}
