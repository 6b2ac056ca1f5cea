/// Which idempotency keys are in use, and what was answered under them: a request that comes again with its key does
/// not lead to a second paid call.
///
/// A pure state machine: the caller passes a monotonic time. Bounded in entries and bytes; what is forgotten first is
/// what was answered first, and never a request that is being answered.
package struct IdempotencyWindow: Sendable {
    /// How much is remembered, and how long.
    package struct Limits: Hashable, Sendable {
        package var lifetime = Duration.seconds(600)
        package var maxEntries = 10_000
        /// Of one answer; a longer one is known to have been given, but cannot be given again.
        package var maxAnswerBytes = 1024 * 1024
        package var maxBytes = 64 * 1024 * 1024
        package init() {}
    }
    /// Whose key it is: no caller meets another's.
    package struct Key: Hashable, Sendable {
        package var tenantID: Int64
        package var keyID: Int64
        package var text: String
        package init(tenantID: Int64, keyID: Int64, text: String) {
            self.tenantID = tenantID
            self.keyID = keyID
            self.text = text
        }
    }
    /// What was answered.
    package struct Answer: Hashable, Sendable {
        package var headers: [Header]
        /// nil: it was a stream, or too long to keep.
        package var body: [UInt8]?
        package init(headers: [Header], body: [UInt8]?) {
            self.headers = headers
            self.body = body
        }
    }
    /// A header of an answer.
    package struct Header: Hashable, Sendable {
        package var name: String
        package var value: String
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }
    /// What a request meets.
    package enum Verdict: Hashable, Sendable {
        /// Nobody used this key of late: go on, and say how it ended.
        case fresh
        /// The same request is being answered.
        case running
        /// Another request used this key.
        case mismatch
        case answered(Answer)
    }
    private struct Entry: Sendable {
        var fingerprint: String
        var answer: Answer?
        /// When it was answered.
        var at = Duration.zero
        var bytes: Int { answer?.body?.count ?? 0 }
    }

    private let limits: Limits
    private var entries: [Key: Entry] = [:]
    /// Answered ones, the oldest first.
    private var order: [Key] = []
    /// Of all answers together.
    package private(set) var bytes = 0
    /// Keys that are known.
    package var count: Int { entries.count }

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    /// A request comes.
    /// - Parameter fingerprint: of all that makes it what it is.
    package mutating func begin(_ key: Key, fingerprint: String, now: Duration) -> Verdict {
        forget(now: now)
        if let entry = entries[key] {
            guard entry.fingerprint == fingerprint else { return .mismatch }
            return entry.answer.map { .answered($0) } ?? .running
        }
        if entries.count >= limits.maxEntries { dropOldest() }
        entries[key] = Entry(fingerprint: fingerprint)
        return .fresh
    }

    /// It came to nothing that was charged: the key may be used again.
    package mutating func release(_ key: Key) {
        guard entries[key]?.answer == nil else { return }
        entries[key] = nil
    }

    /// It was answered.
    package mutating func finish(_ key: Key, _ answer: Answer, now: Duration) {
        guard var entry = entries[key], entry.answer == nil else { return }
        var kept = answer
        if kept.body.map({ $0.count > limits.maxAnswerBytes }) == true { kept.body = nil }
        entry.answer = kept
        entry.at = now
        entries[key] = entry
        order.append(key)
        bytes += entry.bytes
        while bytes > limits.maxBytes, !order.isEmpty { dropOldest() }
    }

    private mutating func forget(now: Duration) {
        while let key = order.first, let entry = entries[key], entry.at + limits.lifetime <= now { dropOldest() }
    }

    private mutating func dropOldest() {
        guard let key = order.first else { return }
        order.removeFirst()
        bytes -= entries.removeValue(forKey: key)?.bytes ?? 0
    }
}
