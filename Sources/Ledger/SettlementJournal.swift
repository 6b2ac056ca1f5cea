internal import Dispatch
package import Foundation
internal import Synchronization

/// Settlements that the database could not take yet, on disk, synced before `append` returns.
///
/// What one sync costs is shared by all records that wait for it. Replaying is idempotent, so a record is only
/// struck out in memory and leaves the file when much of it has been replayed.
package final class SettlementJournal: Sendable {
    /// The most that the file may hold.
    package static let defaultMaximumBytes = 64 << 20
    /// Requests only fill this share: what is left is for money.
    private static let requestShare = 2
    /// From here on no new hold is taken: its settlement might not fit.
    private static let fullShare = (numerator: 9, denominator: 10)
    /// With less room than this left in its file system it counts as nearly full, too: the settlements of some thousand
    /// calls.
    package static let leastFreeBytes: Int64 = 1 << 20
    /// A file smaller than this is not worth rewriting.
    private static let compactionBytes = 1 << 20

    /// A record in the journal, with the number to strike it out by.
    struct Entry: Sendable {
        let number: UInt64
        let record: JournalRecord
        let bytes: Int
    }

    private struct Waiting: Sendable {
        let record: JournalRecord
        let line: [UInt8]
        let done: CheckedContinuation<Result<Void, LedgerError>, Never>
    }

    private struct State: ~Copyable {
        var file: JournalFile
        var entries: [Entry] = []
        /// How many of them are money.
        var settlements = 0
        var next: UInt64 = 0
        var isClosed = false
    }

    private let queue = DispatchQueue(label: "gboost.journal")
    private let state: Mutex<State>
    private let waiting = Mutex<[Waiting]>([])
    private let depths: Mutex<JournalDepth>
    private let maximumBytes: Int
    private let freeBytes: @Sendable (String) -> Int64?
    /// Whether its file system had room when it was last looked at.
    private let hasRoom = Mutex(true)
    /// Where its files are.
    let directory: String
    /// Names this journal in the database: its holder is the only process that can settle what it took.
    package let identity: UUID
    /// Lines that could not be read when it was opened.
    package let damagedLines: Int
    /// Where those are kept aside.
    var damagedPath: String { "\(directory)/\(JournalFile.damagedFile)" }

    /// Opens or makes the journal in `directory`; fails when another process has it.
    package convenience init(directory: String, maximumBytes: Int = defaultMaximumBytes) throws(LedgerError) {
        try self.init(
            directory: directory, maximumBytes: maximumBytes, directorySync: { try JournalFile.syncDirectory($0) })
    }

    /// - Parameters:
    ///   - directorySync: for tests of a disk that fails.
    ///   - freeBytes: for tests of one that is full.
    init(
        directory: String, maximumBytes: Int, directorySync: @escaping @Sendable (String) throws -> Void,
        freeBytes: @escaping @Sendable (String) -> Int64? = { JournalFile.freeBytes($0) }
    ) throws(LedgerError) {
        let file = try JournalFile.open(directory: directory, directorySync: directorySync)
        identity = file.identity
        damagedLines = file.found.damaged
        self.directory = directory
        self.freeBytes = freeBytes
        self.maximumBytes = maximumBytes
        var entries: [Entry] = []
        for (index, record) in file.found.records.enumerated() {
            entries.append(Entry(number: UInt64(index), record: record, bytes: (try? record.line().count) ?? 0))
        }
        let settlements = entries.count { $0.record.isMoney }
        depths = Mutex(JournalDepth(records: entries.count, settlements: settlements, bytes: file.bytes))
        state = Mutex(
            State(file: file, entries: entries, settlements: settlements, next: UInt64(entries.count)))
        look()
    }

    /// Whether a gateway has the journal in `directory` now; false where that cannot be told.
    package static func isInUse(_ directory: String) -> Bool { JournalFile.isLocked(directory) }

    /// Writes a record and returns once it is on disk.
    func append(_ record: JournalRecord) async throws(LedgerError) {
        let line: [UInt8]
        do { line = try record.line() } catch { throw LedgerError(.journal, "a record cannot be written as JSON") }
        let result = await withCheckedContinuation { done in
            waiting.withLock { $0.append(Waiting(record: record, line: line, done: done)) }
            queue.async { self.flush() }
        }
        try result.get()
    }

    /// The oldest records; none once it is closed, as they could not be struck out any more.
    func pending(limit: Int) async -> [Entry] {
        await withCheckedContinuation { done in
            queue.async {
                let oldest: [Entry] = self.state.withLock { $0.isClosed ? [] : Array($0.entries.prefix(limit)) }
                done.resume(returning: oldest)
            }
        }
    }

    /// Strikes out what the database has taken, and rewrites the file where that is due: also where nothing is to be
    /// struck out, as the rewriting may have failed the last time.
    func acknowledge(_ numbers: Set<UInt64>) async {
        await withCheckedContinuation { done in
            queue.async {
                self.state.withLock { self.strike(numbers, &$0) }
                done.resume()
            }
        }
    }

    /// Puts a record aside that the database refuses for good, and strikes it out. False where it could not be put
    /// aside: it is still pending then.
    func quarantine(_ entry: Entry) async -> Bool {
        await withCheckedContinuation { done in
            queue.async {
                let isAside = self.state.withLock { state in
                    guard !state.isClosed, let line = try? entry.record.line(),
                        (try? state.file.quarantine(line)) != nil
                    else { return false }
                    self.strike([entry.number], &state)
                    return true
                }
                done.resume(returning: isAside)
            }
        }
    }

    /// How much is waiting, for metrics.
    package var depth: JournalDepth { depths.withLock { $0 } }

    /// Why it may not have room for another settlement; nil: it has.
    var shortage: String? {
        if depth.bytes >= maximumBytes / Self.fullShare.denominator * Self.fullShare.numerator {
            return "the settlement journal is nearly full"
        }
        return hasRoom.withLock { $0 } ? nil : "the settlement journal's file system is full"
    }

    /// True when it may not have room for another settlement.
    var isNearlyFull: Bool { shortage != nil }

    /// Looks how much room its file system has: others fill it, too.
    func lookForRoom() async {
        await withCheckedContinuation { done in
            queue.async {
                self.look()
                done.resume()
            }
        }
    }

    /// Writes what waits and gives the lock up.
    func close() async {
        await withCheckedContinuation { done in
            queue.async {
                self.flush()
                self.state.withLock { state in
                    guard !state.isClosed else { return }
                    state.isClosed = true
                    state.file.close()
                }
                done.resume()
            }
        }
    }

    // MARK: - On the queue

    /// What is not known is no reason to refuse calls.
    private func look() {
        let free = freeBytes(directory)
        hasRoom.withLock { $0 = free.map { $0 >= Self.leastFreeBytes } ?? true }
    }

    private func flush() {
        let batch = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        guard !batch.isEmpty else { return }
        let results = state.withLock { write(batch, &$0) }
        for (item, result) in zip(batch, results) { item.done.resume(returning: result) }
    }

    private func write(_ batch: [Waiting], _ state: inout State) -> [Result<Void, LedgerError>] {
        guard !state.isClosed else { return batch.map { _ in .failure(LedgerError(.journal, "it is closed")) } }
        var bytes = state.file.bytes
        let fits = batch.map { item in
            let limit = item.record.isMoney ? maximumBytes : maximumBytes / Self.requestShare
            guard bytes + item.line.count <= limit else { return false }
            bytes += item.line.count
            return true
        }
        let accepted = zip(batch, fits).filter(\.1).map(\.0)
        do {
            if !accepted.isEmpty { try state.file.append(accepted.flatMap(\.line)) }
        } catch {
            look()
            let failure = LedgerError(.journal, "cannot write: \(error.localizedDescription)")
            return batch.map { _ in .failure(failure) }
        }
        for item in accepted {
            state.entries.append(Entry(number: state.next, record: item.record, bytes: item.line.count))
            state.next += 1
            if item.record.isMoney { state.settlements += 1 }
        }
        note(state)
        return fits.map { $0 ? .success(()) : .failure(LedgerError(.journal, "it is full")) }
    }

    private func strike(_ numbers: Set<UInt64>, _ state: inout State) {
        guard !state.isClosed else { return }
        if !numbers.isEmpty {
            state.entries.removeAll { numbers.contains($0.number) }
            state.settlements = state.entries.count { $0.record.isMoney }
        }
        let live = state.entries.reduce(0) { $0 + $1.bytes }
        let isWorthwhile = state.file.bytes > Self.compactionBytes && live < state.file.bytes / 2
        if state.entries.isEmpty && state.file.bytes > 0 || isWorthwhile {
            // A failure may leave the old file: some records will be replayed again, and `replay` comes back to it.
            let lines = state.entries.compactMap { try? $0.record.line() }
            if lines.count == state.entries.count { try? state.file.replace(with: lines) }
        }
        note(state)
    }

    private func note(_ state: borrowing State) {
        let depth = JournalDepth(
            records: state.entries.count, settlements: state.settlements, bytes: state.file.bytes)
        depths.withLock { $0 = depth }
    }
}

/// What the journal holds.
package struct JournalDepth: Hashable, Sendable {
    /// Records that the database has not taken yet.
    package var records: Int
    /// Of those, the ones that are money: ends of paid calls, and reservations given up.
    package var settlements = 0
    /// Size of the file.
    package var bytes: Int
}
