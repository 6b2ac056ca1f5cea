@testable import Inference

/// An engine without a model: drives a scheduler as the engine does, and keeps books of its own.
struct SchedulerSimulation {
    /// What is left of a job: a prompt, then one token after another in each of its lanes.
    struct Work {
        var job: EngineScheduler.Job
        var prompt: Int
        var output: Int
        /// Evaluated of the prompt, then generated in each lane.
        var read = 0
        var written: [Int]
        /// Tokens that had been evaluated by all when it was submitted.
        var submittedAt: Int
    }

    enum Outcome: Hashable { case done, cancelled, expired, displaced }

    var scheduler: EngineScheduler
    /// Of the jobs to come.
    var deadline: Duration?
    var group: Int64 = 0
    var works: [UInt64: Work] = [:]
    var running: Set<UInt64> = []
    var outcomes: [UInt64: Outcome] = [:]
    /// Tokens between submission and end, of those done.
    var latencies: [UInt64: Int] = [:]
    var evaluated = 0
    var tokensByTenant: [Int64: Int] = [:]
    var ticks = 0
    /// What broke a promise, in words.
    var violations: [String] = []
    private var nextID: UInt64 = 0

    init(_ limits: SchedulerLimits) { scheduler = EngineScheduler(limits: limits) }

    var limits: SchedulerLimits { scheduler.limits }

    @discardableResult
    mutating func submit(
        _ tenant: Int64, prompt: Int, output: Int, lanes: Int = 1, weight: Int = 1
    ) -> (id: UInt64, submission: EngineScheduler.Submission) {
        nextID += 1
        let tokens = prompt + lanes * output
        let job = EngineScheduler.Job(
            id: nextID, tenant: tenant, weight: weight, group: group, lanes: lanes, cells: tokens, tokens: tokens,
            deadline: deadline)
        let submission = scheduler.submit(job)
        switch submission {
        case .overloaded(let seconds):
            if !limits.retryAfterSeconds.contains(seconds) { violations.append("retry after \(seconds)") }
            return (nextID, submission)
        case .impossible: return (nextID, submission)
        case .displaced(let other): end(other, .displaced)
        case .queued: break
        }
        works[nextID] = Work(
            job: job, prompt: prompt, output: output, written: Array(repeating: 0, count: lanes),
            submittedAt: evaluated)
        return (nextID, submission)
    }

    mutating func cancel(_ id: UInt64) {
        guard works[id] != nil else { return }
        if !scheduler.remove(id) { violations.append("job \(id) was lost before it was cancelled") }
        end(id, .cancelled)
    }

    mutating func expire(at now: Duration) {
        for id in scheduler.expire(at: now) {
            if let deadline = works[id]?.job.deadline, deadline > now { violations.append("\(id) expired early") }
            end(id, .expired)
        }
    }

    /// Admission and one decode. False: nothing to do.
    @discardableResult
    mutating func tick() -> Bool {
        ticks += 1
        for admission in scheduler.admit() {
            switch admission {
            case .start(let id):
                if works[id] == nil || !running.insert(id).inserted { violations.append("\(id) started twice") }
                report(id)
            case .pause(let id):
                if running.remove(id) == nil { violations.append("\(id) paused without running") }
                // Its cells are gone: all is to be read again.
                works[id]?.read = 0
            }
        }
        let batch = scheduler.nextBatch()
        check(batch)
        for portion in batch { evaluate(portion) }
        return !batch.isEmpty
    }

    private mutating func check(_ batch: [EngineScheduler.Portion]) {
        let lanes = running.reduce(0) { $0 + (works[$1]?.job.lanes ?? 0) }
        let cells = running.reduce(0) { $0 + (works[$1]?.job.cells ?? 0) }
        if lanes > limits.lanes || lanes != scheduler.lanesInUse { violations.append("\(lanes) lanes") }
        if cells > limits.cells || cells != scheduler.cellsInUse { violations.append("\(cells) cells") }
        if batch.reduce(0, { $0 + $1.tokens }) > limits.batchTokens { violations.append("a batch too large") }
        if Set(batch.map { works[$0.job]?.job.group }).count > 1 { violations.append("two groups in one batch") }
        if Set(batch.map { [Int($0.job), $0.lane] }).count != batch.count { violations.append("a lane twice") }
        let isGenerating = running.contains { id in
            works[id].map { $0.read >= $0.prompt } ?? false
        }
        let prompts = batch.filter { portion in works[portion.job].map { $0.read < $0.prompt } ?? false }
        if isGenerating, prompts.reduce(0, { $0 + $1.tokens }) > limits.promptChunk {
            violations.append("a prompt chunk too large")
        }
        if batch.isEmpty, !running.isEmpty { violations.append("jobs run, and nothing is evaluated") }
        let waiting = works.keys.filter { !running.contains($0) }
        if waiting.count != scheduler.waitingCount { violations.append("\(waiting.count) wait") }
        for (tenant, ids) in Dictionary(grouping: waiting, by: { works[$0]?.job.tenant ?? 0 }) {
            if ids.count > limits.queuedPerTenant + limits.lanes { violations.append("\(tenant)'s queue") }
        }
    }

    private mutating func evaluate(_ portion: EngineScheduler.Portion) {
        guard var work = works[portion.job], running.contains(portion.job), portion.tokens > 0 else {
            return violations.append("\(portion) is of no running job")
        }
        evaluated += portion.tokens
        tokensByTenant[work.job.tenant, default: 0] += portion.tokens
        scheduler.charge(portion.job, tokens: portion.tokens)
        // What had been written before a pause is read again as a prompt.
        let prompt = work.prompt
        if work.read < prompt {
            work.read += portion.tokens
            if work.read > prompt { violations.append("\(portion.job) reads beyond its prompt") }
        } else {
            work.written[portion.lane] += 1
        }
        works[portion.job] = work
        if work.written.allSatisfy({ $0 >= work.output }) {
            latencies[portion.job] = evaluated - work.submittedAt
            scheduler.remove(portion.job)
            return end(portion.job, .done)
        }
        report(portion.job)
    }

    private mutating func report(_ id: UInt64) {
        guard let work = works[id] else { return }
        let lanes: [EngineScheduler.Lane] = work.written.indices.map { index in
            if work.read < work.prompt { return .init(pending: index == 0 ? work.prompt - work.read : 0) }
            return work.written[index] < work.output ? .init(pending: 1, isGenerating: true) : .init()
        }
        scheduler.update(id, lanes: lanes)
    }

    private mutating func end(_ id: UInt64, _ outcome: Outcome) {
        if outcomes.updateValue(outcome, forKey: id) != nil { violations.append("\(id) ended twice") }
        if works.removeValue(forKey: id) == nil { violations.append("\(id) was not known") }
        running.remove(id)
        if scheduler.entry(id) != nil { violations.append("\(id) is still known") }
    }
}
