/// Batches that the database has committed, for metrics: how many, how large, how long.
package struct BatchTally: Hashable, Sendable {
    package private(set) var batches = 0
    package private(set) var reservations = 0
    package private(set) var settlements = 0
    /// From the first try to the answer.
    package private(set) var time = Duration.zero

    package init() {}

    /// Takes in one batch.
    mutating func add(_ arguments: BatchArguments, _ time: Duration) {
        batches += 1
        reservations += arguments.reservations.count
        settlements += arguments.settlements.count
        self.time += time
    }

    /// Takes in another lane's.
    mutating func add(_ other: BatchTally) {
        batches += other.batches
        reservations += other.reservations
        settlements += other.settlements
        time += other.time
    }
}
