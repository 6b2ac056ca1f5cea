internal import Foundation
internal import GatewayCore

/// The engine: one thread that owns model and context, and advances all sequences together, decode by decode.
///
/// Continuous batching: every decode carries one token of each sequence that generates, and a chunk of the prompts
/// that are still to be read. A slot keeps its tokens when a draft ends; the next draft of the same session finds
/// the longest common prefix and evaluates only what is new. No slot ever serves two sessions without being
/// emptied in between.
final class Engine {
    let model: GGUFModel
    let context: InferenceContext
    let template: ChatTemplate
    let options: EngineHostOptions
    let inbox: EngineInbox
    let slots: [EngineSlot]
    /// Prepared and not yet in a slot, oldest first.
    private var queue: [EngineWork] = []
    private var clock: UInt64 = 0
    var decodes: UInt64 = 0
    var generatedTokens: UInt64 = 0
    var evaluatedTokens: UInt64 = 0

    init(options: EngineHostOptions, inbox: EngineInbox) throws(ModelFailure) {
        self.options = options
        self.inbox = inbox
        model = try GGUFModel(path: options.model)
        template = try ChatTemplate(model: model)
        context = try InferenceContext(model: model, options: options)
        slots = (0..<options.sequences).map { EngineSlot(sequence: $0) }
        try context.prove()
        inbox.info = HostInfo(
            embeddingLength: model.embeddingLength, vocabularySize: model.vocabularySize,
            contextTokens: maxSequence, totalCells: context.totalCells, hasOwnTemplate: template.isOwn,
            modelBytes: model.bytes)
    }

    /// The most tokens of one sequence.
    var maxSequence: Int { min(context.totalCells, max(1, model.trainedContext)) }
    var busy: [EngineSlot] { slots.filter { $0.work != nil } }

    /// Works for ever.
    func run() -> Never {
        while true {
            receive(inbox.take(mayBlock: queue.isEmpty && busy.isEmpty))
            admit()
            if !busy.isEmpty { step() }
            publish()
        }
    }

    func publish() {
        inbox.publish(
            HostStatus(
                decodes: decodes, queued: queue.count, active: busy.count,
                cached: slots.count { $0.work == nil && $0.session != nil }, generatedTokens: generatedTokens,
                evaluatedTokens: evaluatedTokens))
    }

    private func receive(_ delivery: EngineInbox.Delivery) {
        for job in delivery.jobs {
            do throws(LocalModelError) {
                queue.append(try prepare(job))
            } catch {
                job.reply(.failed(HostFailure(error)), [])
            }
        }
        let closed = Set(delivery.closedConnections)
        let cancelled = Set(delivery.cancelled)
        func isCancelled(_ key: JobKey) -> Bool { cancelled.contains(key) || closed.contains(key.connection) }
        if !cancelled.isEmpty || !closed.isEmpty {
            for work in queue where isCancelled(work.job.key) { work.job.reply(.failed(.cancelled), []) }
            queue.removeAll { isCancelled($0.job.key) }
            for slot in busy {
                guard let work = slot.work, isCancelled(work.job.key) else { continue }
                trim(slot, to: min(slot.evaluated, work.tokens.count))
                finish(slot, .failed(.cancelled))
            }
        }
        for session in delivery.endedSessions {
            for slot in slots where slot.session == session || slot.session == session.forScoring {
                if slot.work == nil { free(slot) } else { slot.isOrphaned = true }
            }
        }
    }

    // MARK: - Slots

    /// Gives waiting work to slots, oldest first, while sequences and cells suffice.
    private func admit() {
        while let work = queue.first, let slot = makeRoom(for: work) {
            queue.removeFirst()
            start(work, in: slot)
        }
    }

    /// A slot for `work`, with cells enough for it; idle sessions make way, least recently used first.
    private func makeRoom(for work: EngineWork) -> EngineSlot? {
        let own = slots.filter { $0.work == nil && $0.session == work.session }
            .max { $0.sharedPrefix(with: work.tokens) < $1.sharedPrefix(with: work.tokens) }
        let others = slots.filter { $0.work == nil && $0 !== own }.sorted { $0.lastUsed < $1.lastUsed }
        guard let slot = own ?? others.first(where: { $0.session == nil }) ?? others.first else { return nil }
        let reserved = busy.reduce(0) { $0 + ($1.work?.reservation ?? 0) } + work.reservation
        guard reserved <= context.totalCells else { return nil }
        if slot !== own { free(slot) }
        var held = reserved + others.reduce(0) { $0 + $1.evaluated }
        for idle in others where held > context.totalCells && idle !== slot {
            held -= idle.evaluated
            free(idle)
        }
        return slot
    }

    private func start(_ work: EngineWork, in slot: EngineSlot) {
        if slot.session == nil, let sibling = sibling(of: work) {
            // A second draft of a session at the same time: the cells are shared, not computed again.
            let length = sibling.sharedPrefix(with: work.tokens)
            context.share(from: sibling.sequence, to: slot.sequence, length: length)
            slot.tokens = Array(work.tokens.prefix(length))
            slot.evaluated = length
        }
        slot.session = work.session
        slot.work = work
        var common = slot.sharedPrefix(with: work.tokens)
        // Hidden states are not kept: what is asked for is evaluated again.
        if case .probe(let positions) = work.kind { common = min(common, positions.first ?? common) }
        if common == work.tokens.count {
            let tail = slot.tail(at: common - 1)
            if tail == nil || (work.wantsHidden && tail?.hidden.isEmpty == true) { common -= 1 }
        }
        trim(slot, to: common)
        slot.tokens = work.tokens
        work.reused = slot.evaluated
        touch(slot)
        if slot.pending == 0, let tail = slot.tail(at: slot.evaluated - 1) { advance(slot, from: tail) }
    }

    private func sibling(of work: EngineWork) -> EngineSlot? {
        busy.filter { $0.session == work.session && !$0.isOrphaned && $0.sharedPrefix(with: work.tokens) > 0 }
            .max { $0.sharedPrefix(with: work.tokens) < $1.sharedPrefix(with: work.tokens) }
    }

    /// Keeps the first `length` evaluated tokens of a slot.
    func trim(_ slot: EngineSlot, to length: Int) {
        guard slot.evaluated > length else { return slot.truncate(to: length) }
        if length > 0, context.remove(sequence: slot.sequence, from: length) { return slot.truncate(to: length) }
        // A model that cannot forget a part of a sequence starts it anew.
        context.remove(sequence: slot.sequence, from: 0)
        slot.truncate(to: 0)
    }

    /// Ends a slot's work; its tokens stay for the session's next request.
    func finish(_ slot: EngineSlot, _ body: HostReply.Body, hidden: [Float] = []) {
        guard let work = slot.work else { return }
        slot.work = nil
        slot.tokens = Array(slot.tokens.prefix(slot.evaluated))
        touch(slot)
        if slot.isOrphaned { free(slot) }
        // Whoever reads the answer and asks for the status next shall find it done.
        publish()
        work.job.reply(body, hidden)
    }

    func free(_ slot: EngineSlot) {
        if slot.evaluated > 0 { context.remove(sequence: slot.sequence, from: 0) }
        slot.truncate(to: 0)
        slot.tokens = []
        slot.session = nil
        slot.isOrphaned = false
    }

    private func touch(_ slot: EngineSlot) {
        clock += 1
        slot.lastUsed = clock
    }
}
