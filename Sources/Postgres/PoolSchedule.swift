/// Who gets which connection of a pool, when one is made, and when callers are refused. Pure: it is told what
/// happened and says what to do.
///
/// Statements share a connection; a transaction or session has one to itself. Neither starves the other: a waiting
/// transaction claims the least busy connection, which takes no new statements until it has drained, and a
/// connection that comes free serves waiting statements first.
struct PoolSchedule {
    typealias Instant = ContinuousClock.Instant
    typealias SlotID = Int
    typealias Ticket = UInt64

    enum Use: Equatable { case shared, exclusive }

    enum Action {
        case assign(Ticket, SlotID)
        case connect(SlotID)
        case refuse(Ticket, PostgresError)
        /// Try to connect after a pause: the server is away.
        case probe(after: Duration)
    }

    struct Limits {
        var size: Int
        var maxWaiting: Int
        var maxPipelined: Int
        var minBackoff = Duration.milliseconds(50)
        var maxBackoff: Duration
    }

    private struct Slot {
        var isOpen = false
        var inFlight = 0
        var isExclusive = false
        var isClaimed = false
        var takesShared: Bool { isOpen && !isExclusive && !isClaimed }
        var isIdle: Bool { isOpen && !isExclusive && inFlight == 0 }
    }

    private struct Waiter {
        let ticket: Ticket
        let due: Instant
    }

    private let limits: Limits
    private var slots: [SlotID: Slot] = [:]
    private var nextSlot = 0
    private var shared = Fifo<Waiter>()
    private var exclusive = Fifo<Waiter>()
    private var failures = 0
    private var lastFailure: PostgresError?
    private var isProbing = false
    private var owesProbe = false
    private(set) var isClosed = false

    init(limits: Limits) { self.limits = limits }

    var waiting: Int { shared.count + exclusive.count }
    var inFlight: Int { slots.values.reduce(0) { $0 + $1.inFlight } }
    var open: Int { slots.values.count { $0.isOpen } }
    var connecting: Int { slots.count - open }
    var exclusiveUses: Int { slots.values.count { $0.isExclusive } }
    var isReachable: Bool { lastFailure == nil }
    var isQuiet: Bool { inFlight == 0 && exclusiveUses == 0 && waiting == 0 }
    /// When the first of the waiting callers has waited long enough.
    var nextDue: Instant? { [shared.first?.due, exclusive.first?.due].compactMap { $0 }.min() }

    // MARK: Callers

    /// A connection at once, or nil: then either `enqueue` or give up.
    mutating func assign(_ use: Use) throws(PostgresError) -> SlotID? {
        if isClosed { throw PostgresError(.connection, "the pool is closed") }
        if open == 0, let lastFailure { throw lastFailure.with(outcomeUnknown: false) }
        switch use {
        case .shared: return shared.isEmpty ? takeShared() : nil
        case .exclusive: return exclusive.isEmpty ? takeExclusive() : nil
        }
    }

    mutating func enqueue(_ use: Use, _ ticket: Ticket, due: Instant) throws(PostgresError) {
        guard waiting < limits.maxWaiting else {
            throw PostgresError(.poolExhausted, "\(waiting) callers wait for a connection already")
        }
        switch use {
        case .shared: shared.append(Waiter(ticket: ticket, due: due))
        case .exclusive: exclusive.append(Waiter(ticket: ticket, due: due))
        }
    }

    mutating func cancel(_ ticket: Ticket) {
        if shared.removeFirst(where: { $0.ticket == ticket }) == nil {
            _ = exclusive.removeFirst(where: { $0.ticket == ticket })
        }
    }

    mutating func release(_ id: SlotID, _ use: Use) {
        switch use {
        case .shared: slots[id]?.inFlight -= 1
        case .exclusive:
            slots[id]?.isExclusive = false
            slots[id]?.isClaimed = false
        }
    }

    /// Callers that have waited too long.
    mutating func expire(now: Instant) -> [Ticket] {
        Self.expired(&shared, now: now) + Self.expired(&exclusive, now: now)
    }

    private static func expired(_ queue: inout Fifo<Waiter>, now: Instant) -> [Ticket] {
        var tickets: [Ticket] = []
        while let first = queue.first, first.due <= now {
            _ = queue.popFirst()
            tickets.append(first.ticket)
        }
        return tickets
    }

    // MARK: Connections

    mutating func connected(_ id: SlotID) {
        slots[id]?.isOpen = true
        failures = 0
        lastFailure = nil
    }

    mutating func failed(_ id: SlotID, _ error: PostgresError) {
        guard slots.removeValue(forKey: id) != nil else { return }
        failures += 1
        lastFailure = error
        if isProbing { return }
        owesProbe = true
        isProbing = true
    }

    mutating func lost(_ id: SlotID) { slots.removeValue(forKey: id) }

    /// The pause before a probe is over.
    mutating func probe() -> SlotID? {
        isProbing = false
        guard !isClosed, lastFailure != nil else { return nil }
        if slots.count < limits.size { return addSlot() }
        // Nothing to try with: the open connections prove that the server is there.
        if connecting == 0 { lastFailure = nil }
        return nil
    }

    mutating func close() { isClosed = true }

    // MARK: Decisions

    /// The next thing to do; ask again until nil after everything that happened.
    mutating func next() -> Action? {
        if isClosed {
            let refusal = PostgresError(.connection, "the pool is closed")
            return (shared.popFirst() ?? exclusive.popFirst()).map { .refuse($0.ticket, refusal) }
        }
        if owesProbe {
            owesProbe = false
            let factor = 1 << min(failures - 1, 16)
            return .probe(after: min(limits.maxBackoff, limits.minBackoff * factor))
        }
        if open == 0, let lastFailure, let waiter = shared.popFirst() ?? exclusive.popFirst() {
            return .refuse(waiter.ticket, lastFailure.with(outcomeUnknown: false))
        }
        if let waiter = shared.first, let id = takeShared() {
            _ = shared.popFirst()
            return .assign(waiter.ticket, id)
        }
        if let waiter = exclusive.first, let id = takeExclusive() {
            _ = exclusive.popFirst()
            return .assign(waiter.ticket, id)
        }
        if let id = grow() { return .connect(id) }
        claim()
        return nil
    }

    /// Whether a statement may be sent behind others. Not while a connection can still be made: a new one takes
    /// milliseconds, what is under way may take seconds.
    private var mayPipeline: Bool { !isReachable || (connecting == 0 && slots.count >= limits.size) }

    /// The least busy connection that takes statements.
    private mutating func takeShared() -> SlotID? {
        let depth = mayPipeline ? limits.maxPipelined : 1
        var best: (inFlight: Int, id: SlotID)?
        for (id, slot) in slots where slot.takesShared && slot.inFlight < depth {
            if (slot.inFlight, id) < best ?? (.max, .max) { best = (slot.inFlight, id) }
        }
        guard let best else { return nil }
        slots[best.id]?.inFlight += 1
        return best.id
    }

    private mutating func takeExclusive() -> SlotID? {
        guard let id = slots.first(where: { $0.value.isIdle })?.key else { return nil }
        slots[id]?.isExclusive = true
        return id
    }

    /// One connection for every caller who waits, up to the limit.
    private mutating func grow() -> SlotID? {
        guard isReachable, connecting < waiting, slots.count < limits.size else { return nil }
        return addSlot()
    }

    private mutating func addSlot() -> SlotID {
        nextSlot += 1
        slots[nextSlot] = Slot()
        return nextSlot
    }

    /// As many connections are kept from new statements as transactions wait for one that is not being made.
    private mutating func claim() {
        let wanted = max(0, exclusive.count - connecting)
        var claimed = slots.values.count { $0.isClaimed && !$0.isExclusive }
        while claimed > wanted, let id = slots.first(where: { $0.value.isClaimed && !$0.value.isExclusive })?.key {
            slots[id]?.isClaimed = false
            claimed -= 1
        }
        while claimed < wanted {
            let free = slots.filter { $0.value.takesShared }
            guard let id = free.min(by: { $0.value.inFlight < $1.value.inFlight })?.key else { return }
            slots[id]?.isClaimed = true
            claimed += 1
        }
    }
}
