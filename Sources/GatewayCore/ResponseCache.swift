/// Answers that were paid for, kept for the same question of the same tenant: a pure value, bounded in bytes and age.
///
/// What is used least recently goes first. A tenant that is at its bound loses answers of its own; at the bound of all,
/// whoever has the most does. So nobody can empty another's cache.
package struct ResponseCache<Answer: Sendable>: Sendable {
    /// What is kept of whom.
    package struct Key: Hashable, Sendable {
        package var tenantID: Int64
        /// A digest of everything that the answer depends on.
        package var digest: String
        package init(tenantID: Int64, digest: String) {
            self.tenantID = tenantID
            self.digest = digest
        }
    }
    /// Bounds, in bytes.
    package struct Limits: Hashable, Sendable {
        package var totalBytes: Int
        package var tenantBytes: Int
        package var answerBytes: Int
        package init(totalBytes: Int, tenantBytes: Int, answerBytes: Int) {
            (self.totalBytes, self.tenantBytes, self.answerBytes) = (totalBytes, tenantBytes, answerBytes)
        }
    }
    private struct Entry: Sendable {
        var answer: Answer
        var bytes: Int
        var keptAt: Double
        var expiresAt: Double
        /// Rises with each use.
        var used: Int
    }
    private struct Use: Sendable {
        var digest: String
        var number: Int
    }
    private struct Shelf: Sendable {
        var entries: [String: Entry] = [:]
        var bytes = 0
        /// Uses in their order from `first` on; those that are not an entry's latest mean nothing.
        var order: [Use] = []
        var first = 0

        mutating func note(_ digest: String, _ number: Int) {
            entries[digest]?.used = number
            order.append(Use(digest: digest, number: number))
            guard order.count > 4 * entries.count + 64 else { return }
            order = entries.map { Use(digest: $0.key, number: $0.value.used) }.sorted { $0.number < $1.number }
            first = 0
        }

        mutating func oldest() -> String? {
            while first < order.count {
                let use = order[first]
                if entries[use.digest]?.used == use.number { return use.digest }
                first += 1
            }
            return nil
        }
    }
    /// What an entry takes beside its answer.
    package static var overheadBytes: Int { 256 }

    private let limits: Limits
    private var shelves: [Int64: Shelf] = [:]
    private var uses = 0
    /// Of all tenants, overhead included.
    package private(set) var bytes = 0

    package init(_ limits: Limits) { self.limits = limits }

    /// How many answers are kept.
    package var count: Int { shelves.values.reduce(0) { $0 + $1.entries.count } }

    /// The answer to the same question, and how old it is, in seconds; nil: there is none, or it is too old.
    /// - Parameter now: seconds of a clock that only goes forward.
    package mutating func find(_ key: Key, now: Double) -> (answer: Answer, age: Double)? {
        guard let entry = shelves[key.tenantID]?.entries[key.digest] else { return nil }
        guard now < entry.expiresAt else {
            remove(key)
            return nil
        }
        uses += 1
        shelves[key.tenantID]?.note(key.digest, uses)
        return (entry.answer, now - entry.keptAt)
    }

    /// Keeps an answer of so many bytes for so many seconds, in the place of an older one. One that is too large is not
    /// kept.
    package mutating func keep(_ answer: Answer, bytes size: Int, for key: Key, seconds: Double, now: Double) {
        let size = size + Self.overheadBytes
        remove(key)
        guard size <= min(limits.answerBytes, limits.tenantBytes, limits.totalBytes), seconds > 0 else { return }
        while shelves[key.tenantID, default: Shelf()].bytes + size > limits.tenantBytes {
            removeOldest(of: key.tenantID)
        }
        while bytes + size > limits.totalBytes, let most = largest { removeOldest(of: most) }
        uses += 1
        let entry = Entry(answer: answer, bytes: size, keptAt: now, expiresAt: now + seconds, used: uses)
        shelves[key.tenantID, default: Shelf()].entries[key.digest] = entry
        shelves[key.tenantID]?.note(key.digest, uses)
        shelves[key.tenantID]?.bytes += size
        bytes += size
    }

    /// Forgets everything of a tenant's.
    package mutating func forget(tenantID: Int64) {
        bytes -= shelves.removeValue(forKey: tenantID)?.bytes ?? 0
    }

    private mutating func remove(_ key: Key) {
        guard let old = shelves[key.tenantID]?.entries.removeValue(forKey: key.digest) else { return }
        shelves[key.tenantID]?.bytes -= old.bytes
        bytes -= old.bytes
        if shelves[key.tenantID]?.entries.isEmpty == true { shelves[key.tenantID] = nil }
    }

    /// Of equals the one with the least number, so that the order is always the same.
    private var largest: Int64? {
        shelves.max { ($0.value.bytes, $1.key) < ($1.value.bytes, $0.key) }?.key
    }

    private mutating func removeOldest(of tenantID: Int64) {
        guard let oldest = shelves[tenantID]?.oldest() else { return }
        remove(Key(tenantID: tenantID, digest: oldest))
    }
}
