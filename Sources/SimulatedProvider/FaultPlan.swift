internal import Synchronization

/// What goes wrong in one call: the faults that matched, folded together.
struct CallFaults: Hashable, Sendable {
    enum Usage: Hashable, Sendable { case normal, missing, twice, withChoices, zero }
    var latency = 0
    var firstByte = 0
    var trickle = 0
    var dropAfter: Int?
    var isHeadOnly = false
    var isHanging = false
    var isGarbage = false
    var refusal: (status: Int, retryAfterSeconds: Int)? { refusalStatus.map { ($0, retryAfterSeconds) } }
    private var refusalStatus: Int?
    private var retryAfterSeconds = 1
    var usage = Usage.normal
    var overcharge: Int?
    var cached = 0
    var cacheWrite5m = 0
    var cacheWrite1h = 0
    var isStale = false

    mutating func add(_ kind: SimulatedFault.Kind) {
        switch kind {
        case .latency(let milliseconds): latency += milliseconds
        case .firstByte(let milliseconds): firstByte += milliseconds
        case .trickle(let milliseconds): trickle += milliseconds
        case .drop(let chunks): dropAfter = min(dropAfter ?? .max, chunks)
        case .headOnly: isHeadOnly = true
        case .refuse(let status, _, let seconds): (refusalStatus, retryAfterSeconds) = (status, seconds)
        case .hang: isHanging = true
        case .noUsage: usage = .missing
        case .usageTwice: usage = .twice
        case .usageWithChoices: usage = .withChoices
        case .zeroUsage: usage = .zero
        case .garbage: isGarbage = true
        case .staleStart: isStale = true
        case .cache(.cached, let tokens): cached = tokens
        case .cache(.write5m, let tokens): cacheWrite5m = tokens
        case .cache(.write1h, let tokens): cacheWrite1h = tokens
        case .overcharge(let tokens): overcharge = tokens
        }
    }
}

/// The faults in force, and how often each still applies.
final class FaultPlan: Sendable {
    private struct Entry {
        var fault: SimulatedFault
        var remaining: Int?
    }
    private let entries: Mutex<[Entry]>

    /// More faults at a time are refused.
    static let maxFaults = 64

    init(_ faults: [SimulatedFault]) { entries = Mutex(faults.map(Self.entry)) }

    private static func entry(_ fault: SimulatedFault) -> Entry {
        if case .refuse(_, let times, _) = fault.kind { return Entry(fault: fault, remaining: times) }
        return Entry(fault: fault, remaining: nil)
    }

    /// Whether a call may have to wait for its response's head.
    var mayWait: Bool {
        entries.withLock {
            $0.contains {
                switch $0.fault.kind {
                case .latency, .hang: true
                default: false
                }
            }
        }
    }

    /// Puts other faults in force, with fresh counts.
    func replace(_ faults: [SimulatedFault]) {
        let fresh = faults.map(Self.entry)
        entries.withLock { $0 = fresh }
    }

    /// The faults of a call, counted down; `own` are those that the request itself asks for.
    func faults(model: String, text: String, own: [SimulatedFault]) -> CallFaults {
        var result = CallFaults()
        func matches(_ fault: SimulatedFault) -> Bool {
            fault.match.map { model.contains($0) || text.contains($0) } ?? true
        }
        entries.withLock { entries in
            for index in entries.indices where matches(entries[index].fault) && entries[index].remaining != 0 {
                if let remaining = entries[index].remaining { entries[index].remaining = remaining - 1 }
                result.add(entries[index].fault.kind)
            }
        }
        for fault in own where matches(fault) { result.add(fault.kind) }
        return result
    }
}
