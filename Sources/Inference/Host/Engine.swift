internal import Foundation
internal import GatewayCore

/// The engine: one thread that owns model and context, and advances all sequences together, decode by decode.
///
/// Which requests are worked on, and how many tokens of each go into a decode, is the scheduler's decision; this
/// performs it. What a request has evaluated stays in its sequence when it ends: the tenant's next request that
/// begins alike (the next step, another try, the conversation's next turn, the same system prompt) evaluates only
/// what is new. Nothing is ever found by another tenant.
final class Engine {
    let model: GGUFModel
    let context: InferenceContext
    let template: ChatTemplate
    let options: EngineHostOptions
    let inbox: EngineInbox
    let slots: [EngineSlot]
    var scheduler: EngineScheduler
    var cells: SequenceCells
    let adapters: AdapterTable
    /// In the scheduler's hands, waiting or running.
    private(set) var works: [EngineScheduler.JobID: EngineWork] = [:]
    /// Running ones, in the order of their start.
    private(set) var running: [EngineWork] = []
    private let birth = ContinuousClock.now
    private var nextID: EngineScheduler.JobID = 0
    private var uses: UInt64 = 0
    var status = HostStatus(decodes: 0, queued: 0, active: 0, cached: 0, generatedTokens: 0, evaluatedTokens: 0)

    init(
        options: EngineHostOptions, inbox: EngineInbox, confinement: HostConfinement
    ) throws(ModelFailure) {
        self.options = options
        self.inbox = inbox
        model = try GGUFModel(path: options.model)
        template = try ChatTemplate(model: model)
        context = try InferenceContext(model: model, options: options)
        slots = (0..<context.sequences).map { EngineSlot(sequence: $0) }
        scheduler = EngineScheduler(limits: options.schedulerLimits(cells: context.totalCells))
        cells = SequenceCells(sequences: context.sequences, cells: context.totalCells)
        adapters = AdapterTable(
            context: context, count: options.adapters, bytes: Int64(options.adapterMebibytes) << 20)
        try context.prove()
        inbox.info = HostInfo(
            embeddingLength: model.embeddingLength, vocabularySize: model.vocabularySize,
            vocabularyDigest: model.vocabularyDigest,
            contextTokens: maxSequence, totalCells: context.totalCells, hasOwnTemplate: template.isOwn,
            toolCalls: template.toolCalls, modelBytes: model.bytes, confinement: confinement.inForce,
            unconfined: confinement.missing)
    }

    /// The most tokens of one sequence.
    var maxSequence: Int { min(context.totalCells, max(1, model.trainedContext)) }

    var now: Duration { birth.duration(to: .now) }

    /// Works for ever.
    func run() -> Never {
        while true {
            receive(inbox.take(mayBlock: works.isEmpty))
            expire()
            for admission in scheduler.admit() { perform(admission) }
            attachLanes()
            if !running.isEmpty { step() }
            publish()
        }
    }

    func publish() {
        status.queued = scheduler.waitingCount
        status.active = running.count
        status.cached = slots.count { !$0.isBusy && $0.tenant != nil }
        status.paused = scheduler.pauseCount
        status.cellsUsed = cells.used
        status.adapters = adapters.count
        status.adapterLoads = adapters.loads
        inbox.publish(status)
    }

    // MARK: - Coming and going

    private func receive(_ delivery: EngineInbox.Delivery) {
        for job in delivery.jobs { submit(job) }
        let closed = Set(delivery.closedConnections)
        let cancelled = Set(delivery.cancelled)
        if !cancelled.isEmpty || !closed.isEmpty {
            for work in works.values
            where cancelled.contains(work.job.key) || closed.contains(work.job.key.connection) {
                end(work, .failed(.cancelled))
            }
        }
        for session in delivery.endedSessions { end(session: session) }
    }

    private func submit(_ job: EngineJob) {
        nextID += 1
        let work: EngineWork
        do throws(LocalModelError) {
            work = try prepare(job, id: nextID)
            if let path = job.scope.adapter { work.adapter = try adapters.take(path) }
        } catch {
            return job.reply(.failed(HostFailure(error)), [])
        }
        let submission = scheduler.submit(
            .init(
                id: work.id, tenant: work.tenant, weight: job.scope.weight, group: work.group, lanes: work.lanes.count,
                cells: work.cells, tokens: work.cells,
                deadline: job.scope.deadlineMilliseconds.map { birth.duration(to: job.arrival) + .milliseconds($0) }))
        switch submission {
        case .queued: works[work.id] = work
        case .displaced(let other):
            works[work.id] = work
            status.overloaded += 1
            if let other = works.removeValue(forKey: other) { refuse(other, .overloaded(seconds: 1)) }
        case .overloaded(let seconds):
            status.overloaded += 1
            refuse(work, .overloaded(seconds: seconds))
        case .impossible where work.lanes.count > scheduler.limits.lanes:
            refuse(work, .invalid("at most \(scheduler.limits.lanes) candidates"))
        case .impossible:
            refuse(work, .contextExceeded(tokens: work.cells, limit: scheduler.limits.cells))
        }
    }

    private func refuse(_ work: EngineWork, _ failure: HostFailure) {
        giveBackAdapter(of: work)
        work.job.reply(.failed(failure), [])
    }

    private func giveBackAdapter(of work: EngineWork) {
        guard let adapter = work.adapter else { return }
        work.adapter = nil
        adapters.giveBack(adapter)
    }

    private func expire() {
        for id in scheduler.expire(at: now) {
            if let work = works[id] { end(work, .failed(.deadlineExceeded)) }
        }
    }

    private func perform(_ admission: EngineScheduler.Admission) {
        switch admission {
        case .start(let id):
            guard let work = works[id] else { return }
            running.append(work)
            attachLanes(of: work)
            makeRoom()
        case .pause(let id):
            guard let work = works[id] else { return }
            running.removeAll { $0 === work }
            for lane in work.lanes {
                if case .read(let reader) = lane.kind { reader.reset() }
                release(lane)
            }
        }
    }

    /// Ends a job with an answer; what it evaluated stays for the tenant's next request.
    func end(_ work: EngineWork, _ body: HostReply.Body, hidden: [Float] = []) {
        guard works.removeValue(forKey: work.id) != nil else { return }
        running.removeAll { $0 === work }
        scheduler.remove(work.id)
        giveBackAdapter(of: work)
        for lane in work.lanes {
            // What was drafted and will not be read is of no use.
            if case .failed = body, let slot = lane.slot { trim(slot, to: min(slot.tokens.count, lane.promptCount)) }
            release(lane)
        }
        // Whoever reads the answer and asks for the status next shall find it done.
        publish()
        work.job.reply(body, hidden)
    }

    /// Ends a job whose lanes are all done.
    func endIfDone(_ work: EngineWork) {
        let results = work.lanes.compactMap(\.result)
        guard results.count == work.lanes.count else { return }
        var drafts: [StepDraft] = []
        var scores: [TokenScore] = []
        var readings: [TokenLikelihoods] = []
        var hidden: [Float] = []
        for result in results {
            switch result {
            case .draft(let draft, let vector):
                drafts.append(draft)
                hidden += vector
            case .logits(let row): return end(work, .logits, hidden: row)
            case .score(let score): scores.append(score)
            case .hidden(let vectors): hidden += vectors
            case .reading(let likelihoods, let vectors):
                readings += likelihoods
                hidden += vectors
            }
        }
        let body: HostReply.Body =
            !drafts.isEmpty
            ? .drafts(drafts)
            : !scores.isEmpty ? .scores(scores) : !readings.isEmpty ? .readings(readings) : .hiddenStates
        end(work, body, hidden: hidden)
    }

    /// Keeps what the session used last, for the conversation's next turn; its other tries make way.
    private func end(session: UUID) {
        for name in [session, session.forScoring] {
            let own = slots.filter { !$0.isBusy && $0.tenant != nil && $0.session == name }
            let last = own.map(\.lastUsed).max()
            for slot in own where slot.lastUsed != last { free(slot) }
        }
    }

    func touch(_ slot: EngineSlot) {
        uses += 1
        slot.lastUsed = uses
    }
}

extension EngineHostOptions {
    func schedulerLimits(cells: Int) -> SchedulerLimits {
        var limits = SchedulerLimits()
        limits.lanes = min(sequences, InferenceContext.maxSequences)
        limits.cells = cells
        limits.batchTokens = batchTokens
        limits.promptChunk = min(promptChunk, batchTokens)
        limits.lead = limits.promptChunk
        limits.queuedPerTenant = maxQueued
        limits.queued = maxQueuedTotal
        return limits
    }
}
