/// Which idempotency keys are in use, and what was answered under them: a request that comes again with its key does
/// not lead to a second paid call.
///
/// A pure state machine: the caller passes a monotonic time. Bounded in entries and bytes: there the tenant that has
/// the most forgets what it was answered first, so nobody can make another's retries be paid twice. A request that is
/// being answered is never forgotten.
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

    /// What is known of one tenant's.
    private struct Shelf: Sendable {
        var entries: [Key: Entry] = [:]
        /// Of its answers.
        var bytes = 0
        /// Answered ones from `first` on, the oldest first.
        private var order: [Key] = []
        private var first = 0

        /// What was answered first, of all that is still known.
        var oldest: Key? { first < order.count ? order[first] : nil }

        mutating func keep(_ entry: Entry, _ key: Key) {
            entries[key] = entry
            bytes += entry.bytes
            order.append(key)
        }

        /// The bytes that it had; nil: nothing was answered.
        mutating func removeOldest() -> Int? {
            guard let key = oldest else { return nil }
            let freed = entries.removeValue(forKey: key)?.bytes ?? 0
            bytes -= freed
            first += 1
            // Only now and then, as it moves all that is left.
            if first > order.count / 2 {
                order.removeFirst(first)
                first = 0
            }
            return freed
        }
    }
    /// How often all tenants' are looked through: one that is gone must not leave its answers in memory.
    private static let sweepInterval = Duration.seconds(1)

    private let limits: Limits
    private var shelves: [Int64: Shelf] = [:]
    private var sweptAt = Duration.zero
    /// Of all answers together.
    package private(set) var bytes = 0
    /// Keys that are known.
    package private(set) var count = 0

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    /// A request comes.
    /// - Parameter fingerprint: of all that makes it what it is.
    package mutating func begin(_ key: Key, fingerprint: String, now: Duration) -> Verdict {
        sweep(now: now)
        forget(key.tenantID, now: now)
        if let entry = shelves[key.tenantID]?.entries[key] {
            guard entry.fingerprint == fingerprint else { return .mismatch }
            return entry.answer.map { .answered($0) } ?? .running
        }
        if count >= limits.maxEntries, let most = largest(\.entries.count) { removeOldest(of: most) }
        shelves[key.tenantID, default: Shelf()].entries[key] = Entry(fingerprint: fingerprint)
        count += 1
        return .fresh
    }

    /// It came to nothing that was charged: the key may be used again.
    package mutating func release(_ key: Key) {
        guard let entry = shelves[key.tenantID]?.entries[key], entry.answer == nil else { return }
        shelves[key.tenantID]?.entries[key] = nil
        count -= 1
        removeIfEmpty(key.tenantID)
    }

    /// It was answered.
    package mutating func finish(_ key: Key, _ answer: Answer, now: Duration) {
        guard var entry = shelves[key.tenantID]?.entries[key], entry.answer == nil else { return }
        var kept = answer
        if kept.body.map({ $0.count > limits.maxAnswerBytes }) == true { kept.body = nil }
        entry.answer = kept
        entry.at = now
        shelves[key.tenantID]?.keep(entry, key)
        bytes += entry.bytes
        while bytes > limits.maxBytes, let most = largest(\.bytes) { removeOldest(of: most) }
    }

    private mutating func sweep(now: Duration) {
        guard now - sweptAt >= Self.sweepInterval else { return }
        sweptAt = now
        for tenantID in Array(shelves.keys) { forget(tenantID, now: now) }
    }

    private mutating func forget(_ tenantID: Int64, now: Duration) {
        while isOldestExpired(tenantID, now: now) { removeOldest(of: tenantID) }
    }

    private func isOldestExpired(_ tenantID: Int64, now: Duration) -> Bool {
        guard let key = shelves[tenantID]?.oldest, let entry = shelves[tenantID]?.entries[key] else { return false }
        return entry.at + limits.lifetime <= now
    }

    /// Whoever has the most of those that have something to forget. Of equals the one with the least number, so that
    /// the order is always the same.
    private func largest(_ measure: (Shelf) -> Int) -> Int64? {
        var most: (tenantID: Int64, size: Int)?
        for (tenantID, shelf) in shelves where shelf.oldest != nil {
            let size = measure(shelf)
            if let known = most, (known.size, tenantID) > (size, known.tenantID) { continue }
            most = (tenantID, size)
        }
        return most?.tenantID
    }

    private mutating func removeOldest(of tenantID: Int64) {
        guard let freed = shelves[tenantID]?.removeOldest() else { return }
        bytes -= freed
        count -= 1
        removeIfEmpty(tenantID)
    }

    private mutating func removeIfEmpty(_ tenantID: Int64) {
        if shelves[tenantID]?.entries.isEmpty == true { shelves[tenantID] = nil }
    }
}
