/// Decides which requests an engine works on, and how many tokens of each go into the next decode.
///
/// Without I/O, a clock or llama.cpp: what happened goes in, what to do comes out. One *job* is one request; it has
/// one or more *lanes*, sequences that are evaluated side by side. Waiting jobs are first in, first out within a
/// tenant. Between tenants it is a deficit round-robin on tokens with weights, kept as the tokens that each tenant
/// was *served*, divided by its weight: whoever was served least is next, and nobody who has work gets further ahead
/// of the least served than `lead`, even where that leaves a decode smaller than it could be. On a processor a decode
/// takes as long as it has tokens, so a flood of one tenant would slow another's single sequence otherwise.
/// A tenant that was idle has saved up nothing.
struct EngineScheduler: Sendable {
    typealias JobID = UInt64

    /// One request, as the scheduler sees it.
    struct Job: Hashable, Sendable {
        var id: JobID
        var tenant: Int64
        var weight = 1
        /// Jobs of different groups never share a decode: an adapter is laid over all of it.
        var group: Int64 = 0
        /// Sequences that it comes to use.
        var lanes = 1
        /// Cells that it may come to use.
        var cells: Int
        /// Tokens that it may come to need, for the estimate of a wait.
        var tokens: Int
        /// When it is of no use to anybody any more.
        var deadline: Duration?
    }

    enum Submission: Hashable, Sendable {
        case queued
        /// Queued, and another tenant's newest job was dropped for it: that queue was the longest by far.
        case displaced(JobID)
        case overloaded(retryAfterSeconds: Int)
        /// It could not even run alone.
        case impossible
    }

    /// How far a lane is.
    struct Lane: Hashable, Sendable {
        /// Tokens that can be evaluated now.
        var pending = 0
        /// The one pending token was drawn by the last decode.
        var isGenerating = false
    }

    /// Tokens of one lane for the next decode.
    struct Portion: Hashable, Sendable {
        var job: JobID
        var lane: Int
        var tokens: Int
    }

    struct Entry: Sendable {
        var job: Job
        var lanes: [Lane] = []
        var isRunning = false
        var pauses = 0
        /// Jobs that were started before it although it was its turn.
        var overtaken = 0
        /// Decodes since it was started last.
        var decodes = 0
    }

    struct Tenant: Sendable {
        var weight = 1
        /// Tokens evaluated, by `scale`, divided by the weight.
        var served = 0
        /// When it was given a lane last, for ties.
        var lastStart: UInt64 = 0
        /// Oldest first.
        var waiting: [JobID] = []
        /// In the order of their start.
        var running: [JobID] = []
        var isActive: Bool { !waiting.isEmpty || !running.isEmpty }
    }

    /// Parts that a served token is counted in, so that dividing by a weight loses nothing to speak of.
    static let scale = 1_000_000

    let limits: SchedulerLimits
    private(set) var entries: [JobID: Entry] = [:]
    var tenants: [Int64: Tenant] = [:]
    /// Lanes and cells of what runs.
    private(set) var lanesInUse = 0
    private(set) var cellsInUse = 0
    private(set) var waitingTokens = 0
    private(set) var waitingCount = 0
    /// Jobs that were paused for another tenant.
    private(set) var pauseCount: UInt64 = 0
    /// What the least served tenant with work was served; never falls.
    var virtualNow = 0
    /// The group of the last decode, and how many in a row were its own.
    private(set) var group: Int64 = 0
    private(set) var turn = 0
    private var starts: UInt64 = 0
    private var tokensPerSecond: Double?

    init(limits: SchedulerLimits) { self.limits = limits }

    var runningCount: Int { entries.count - waitingCount }

    func entry(_ id: JobID) -> Entry? { entries[id] }

    // MARK: - Coming and going

    /// Takes a job in, or says why not. Ids must not repeat while a job is known.
    mutating func submit(_ job: Job) -> Submission {
        var job = job
        job.weight = min(max(job.weight, limits.weight.lowerBound), limits.weight.upperBound)
        guard job.lanes > 0, job.lanes <= limits.lanes, job.cells <= limits.cells, entries[job.id] == nil else {
            return .impossible
        }
        var tenant = tenants[job.tenant] ?? Tenant()
        tenant.weight = job.weight
        guard tenant.waiting.count < limits.queuedPerTenant, job.tokens <= limits.queuedTokens else {
            return .overloaded(retryAfterSeconds: retryAfter(tenant))
        }
        var displaced: JobID?
        if waitingCount >= limits.queued || waitingTokens + job.tokens > limits.queuedTokens {
            guard let victim = displaceable(for: job) else {
                return .overloaded(retryAfterSeconds: retryAfter(tenant))
            }
            remove(victim)
            displaced = victim
        }
        if !tenant.isActive { tenant.served = max(tenant.served, virtualNow) }
        tenant.waiting.append(job.id)
        tenants[job.tenant] = tenant
        entries[job.id] = Entry(job: job)
        waitingCount += 1
        waitingTokens += job.tokens
        return displaced.map { .displaced($0) } ?? .queued
    }

    /// Forgets a job that is done or no longer wanted: what it held is free at once.
    @discardableResult
    mutating func remove(_ id: JobID) -> Bool {
        guard let entry = entries.removeValue(forKey: id) else { return false }
        let name = entry.job.tenant
        if entry.isRunning {
            release(entry.job)
            tenants[name]?.running.removeAll { $0 == id }
        } else {
            waitingCount -= 1
            waitingTokens -= entry.job.tokens
            tenants[name]?.waiting.removeAll { $0 == id }
        }
        prune()
        return true
    }

    /// Forgets the jobs whose time is over, and names them.
    mutating func expire(at now: Duration) -> [JobID] {
        let late = entries.values.filter { $0.job.deadline.map { $0 <= now } ?? false }.map(\.job.id).sorted()
        for id in late { remove(id) }
        return late
    }

    /// Tells how fast tokens are evaluated, for the estimate of a wait.
    mutating func note(tokens: Int, took duration: Duration) {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
        guard tokens > 0, seconds > 0 else { return }
        let rate = Double(tokens) / seconds
        tokensPerSecond = tokensPerSecond.map { $0 * 0.9 + rate * 0.1 } ?? rate
    }

    // MARK: - Lanes

    /// Tells how far the lanes of a running job are.
    mutating func update(_ id: JobID, lanes: [Lane]) {
        guard entries[id]?.isRunning == true else { return }
        entries[id]?.lanes = lanes
    }

    /// Charges a job's tenant for tokens that were evaluated.
    mutating func charge(_ id: JobID, tokens: Int) {
        guard let entry = entries[id] else { return }
        entries[id]?.decodes += 1
        tenants[entry.job.tenant]?.served += tokens * Self.scale / entry.job.weight
    }

    /// Notes whose turn the next decode is.
    mutating func take(turn next: Int64) {
        turn = next == group ? turn + 1 : 1
        group = next
    }

    // MARK: - Starting and pausing, for the admission

    mutating func start(_ id: JobID) {
        guard let job = entries[id]?.job, entries[id]?.isRunning == false else { return }
        starts += 1
        waitingCount -= 1
        waitingTokens -= job.tokens
        lanesInUse += job.lanes
        cellsInUse += job.cells
        entries[id]?.isRunning = true
        entries[id]?.overtaken = 0
        entries[id]?.decodes = 0
        guard var tenant = tenants[job.tenant] else { return }
        tenant.waiting.removeAll { $0 == id }
        if tenant.running.isEmpty {
            // What it did not get while it waited comes back as a head start, not as a stretch for itself alone.
            tenant.served = max(tenant.served, virtualNow - limits.lead * Self.scale / job.weight)
        }
        tenant.running.append(id)
        tenant.lastStart = starts
        tenants[job.tenant] = tenant
    }

    /// Notes that another job was started although it was this one's turn.
    mutating func overtake(_ id: JobID) { entries[id]?.overtaken += 1 }

    mutating func pause(_ id: JobID) {
        guard let job = entries[id]?.job, entries[id]?.isRunning == true else { return }
        release(job)
        pauseCount += 1
        waitingCount += 1
        waitingTokens += job.tokens
        entries[id]?.isRunning = false
        entries[id]?.lanes = []
        entries[id]?.pauses += 1
        tenants[job.tenant]?.running.removeAll { $0 == id }
        tenants[job.tenant]?.waiting.insert(id, at: 0)
    }

    private mutating func release(_ job: Job) {
        lanesInUse -= job.lanes
        cellsInUse -= job.cells
    }

    /// Tenants without jobs are forgotten once they are no longer ahead of the others.
    private mutating func prune() {
        for (name, tenant) in tenants where !tenant.isActive && tenant.served <= virtualNow { tenants[name] = nil }
    }

    // MARK: - Too much

    /// The newest job of the tenant with the longest queue for its weight, if that is longer than the newcomer's
    /// would be.
    private func displaceable(for job: Job) -> JobID? {
        let own = (tenants[job.tenant]?.waiting.count ?? 0) + 1
        let longest = tenants.filter { $0.key != job.tenant }.max {
            ($0.value.waiting.count * $1.value.weight, $1.key) < ($1.value.waiting.count * $0.value.weight, $0.key)
        }
        guard let longest, longest.value.waiting.count * job.weight > own * longest.value.weight else { return nil }
        guard let newest = longest.value.waiting.last, let entry = entries[newest], entry.pauses == 0 else {
            return nil
        }
        guard waitingTokens - entry.job.tokens + job.tokens <= limits.queuedTokens else { return nil }
        return newest
    }

    /// Seconds until half of what the tenant has waiting will be done at its share of the speed.
    private func retryAfter(_ tenant: Tenant) -> Int {
        guard let tokensPerSecond else { return limits.retryAfterSeconds.lowerBound }
        let tokens = tenant.waiting.reduce(0) { $0 + (entries[$1]?.job.tokens ?? 0) }
        let share = Double(tenant.weight) / Double(max(tenant.weight, activeWeight))
        let seconds = Double(tokens) / 2 / (tokensPerSecond * share)
        guard seconds < Double(limits.retryAfterSeconds.upperBound) else { return limits.retryAfterSeconds.upperBound }
        return max(limits.retryAfterSeconds.lowerBound, Int(seconds.rounded(.up)))
    }

    var activeWeight: Int { tenants.values.reduce(0) { $0 + ($1.isActive ? $1.weight : 0) } }
}
