/// Which statement texts are prepared on one connection, and under which names.
///
/// A text is prepared when it is seen for the second time: one-off texts cost nothing. Until the server has confirmed
/// it, other calls with the same text go unprepared, so that a failed preparation fails only its own call.
struct PreparedStatements {
    struct Key: Hashable {
        let sql: String
        let types: [UInt32]

        /// By bytes: two texts may be the same to Unicode and not to the server.
        static func == (a: Key, b: Key) -> Bool {
            a.sql.utf8.count == b.sql.utf8.count && a.types == b.types && a.sql.utf8.elementsEqual(b.sql.utf8)
        }

        /// A few texts of a few thousand bytes: their lengths tell them apart, and comparing costs less than hashing.
        func hash(into hasher: inout Hasher) {
            hasher.combine(sql.utf8.count)
            hasher.combine(types.count)
        }
    }
    /// How to send a statement.
    enum Use: Equatable {
        case unprepared
        case prepare(name: String, evicting: String?)
        case prepared(name: String)
    }
    private enum State { case seen, preparing, ready }
    private struct Entry {
        let name: String
        var state: State
        var lastUse: UInt64
    }

    private let limit: Int
    private var entries: [Key: Entry] = [:]
    private var uses: UInt64 = 0
    /// A name freed by eviction of a prepared text, to be deallocated with the next preparation.
    private var evicted: [String] = []

    init(limit: Int) { self.limit = limit }

    mutating func use(for key: Key) -> Use {
        guard limit > 0 else { return .unprepared }
        uses += 1
        guard var entry = entries[key] else {
            makeRoom()
            entries[key] = Entry(name: "g\(uses)", state: .seen, lastUse: uses)
            return .unprepared
        }
        defer { entries[key] = entry }
        entry.lastUse = uses
        switch entry.state {
        case .ready: return .prepared(name: entry.name)
        case .preparing: return .unprepared
        case .seen:
            entry.state = .preparing
            return .prepare(name: entry.name, evicting: evicted.popLast())
        }
    }

    /// The server has prepared it.
    mutating func confirm(_ key: Key) { entries[key]?.state = .ready }

    /// The server has not, or no longer, or its plan is of no use any more.
    mutating func forget(_ key: Key) {
        if let entry = entries.removeValue(forKey: key), entry.state == .ready { evicted.append(entry.name) }
    }

    /// The session was reset.
    mutating func removeAll() {
        entries.removeAll()
        evicted.removeAll()
    }

    private mutating func makeRoom() {
        guard entries.count >= limit else { return }
        let oldest = entries.filter { $0.value.state != .preparing }.min { $0.value.lastUse < $1.value.lastUse }
        if let oldest { forget(oldest.key) }
    }
}
