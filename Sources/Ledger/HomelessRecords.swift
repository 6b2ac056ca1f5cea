/// Money that neither the database nor the disk would take: it is in memory alone.
struct HomelessRecords: Sendable {
    private(set) var records: [JournalRecord] = []
    /// Those that are being handed over again. They still count: where every attempt waits for its time to run out,
    /// they would else be seen between two attempts only.
    var inHand = 0

    var count: Int { records.count + inHand }

    /// False where there are `limit` already.
    mutating func add(_ record: JournalRecord, limit: Int) -> Bool {
        guard records.count < limit else { return false }
        records.append(record)
        return true
    }

    /// All of them, to be handed over; each is in hand until its caller says otherwise.
    mutating func take() -> [JournalRecord] {
        inHand += records.count
        defer { records = [] }
        return records
    }
}
