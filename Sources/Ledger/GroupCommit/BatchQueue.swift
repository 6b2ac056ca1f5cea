internal import Foundation

/// Which items share a statement: while one batch is at the database, the next gathers. A pure state machine.
///
/// An idle queue hands an item out at once; there is no timer. Items leave in the order in which they came, but for
/// one rule: of a request no two are in the same batch, since a reservation is tested against what the ones before it
/// have done and spent.
struct BatchQueue<Payload: Sendable>: Sendable {
    /// Limits of one batch and of what may wait.
    struct Limits: Sendable {
        /// The most items of one kind in a batch. One batch takes the database a few milliseconds.
        var batch = 128
        /// The most items that may wait.
        var waiting = 20_000
    }

    /// What the batch's parts are.
    enum Kind: Sendable, CaseIterable { case reservation, settlement }

    struct Item: Sendable {
        var kind: Kind
        /// Items with the same key are never in one batch.
        var exclusion: UUID?
        /// It made a batch fail: it goes alone now.
        var isAlone = false
        var payload: Payload
    }

    private let limits: Limits
    private var waiting: [Item] = []
    /// Whether a batch is at the database.
    private(set) var isBusy = false
    var count: Int { waiting.count }

    init(limits: Limits = Limits()) { self.limits = limits }

    /// What became of an item that was added.
    enum Admission { case start, queued, full }

    /// Adds an item. `start`: nothing was under way; the caller is to fetch the first batch.
    mutating func add(_ item: Item) -> Admission {
        guard waiting.count < limits.waiting else { return .full }
        waiting.append(item)
        if isBusy { return .queued }
        isBusy = true
        return .start
    }

    /// Puts items back in front, in their order: their batch failed.
    mutating func putBack(_ items: [Item]) { waiting.insert(contentsOf: items, at: 0) }

    /// The next batch. Empty: nothing waits, and the queue is idle again.
    mutating func next() -> [Item] {
        guard let first = waiting.first else {
            isBusy = false
            return []
        }
        if first.isAlone { return [waiting.removeFirst()] }
        var (batch, rest): ([Item], [Item]) = ([], [])
        var (reservations, settlements) = (0, 0)
        var excluded: Set<UUID> = []
        for item in waiting {
            let isExcluded = item.exclusion.map { excluded.contains($0) } ?? false
            let count = item.kind == .reservation ? reservations : settlements
            if item.isAlone || isExcluded || count >= limits.batch {
                rest.append(item)
                // What came later in the same exclusion stays behind it.
                if let key = item.exclusion { excluded.insert(key) }
            } else {
                batch.append(item)
                if item.kind == .reservation { reservations += 1 } else { settlements += 1 }
                if let key = item.exclusion { excluded.insert(key) }
            }
        }
        waiting = rest
        return batch
    }
}
