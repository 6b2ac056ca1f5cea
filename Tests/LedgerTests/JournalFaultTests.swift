import Foundation
import GatewayCore
import Postgres
import Synchronization
import Testing

@testable import Ledger

@Suite("The journal on a disk that fails")
struct JournalFaultTests {
    /// Syncs no directory while it is broken, as with no descriptor left.
    private final class Disk: Sendable {
        private let broken = Mutex(false)
        var isBroken: Bool {
            get { broken.withLock { $0 } }
            set { broken.withLock { $0 = newValue } }
        }

        func sync(_ directory: String) throws {
            guard !isBroken else { throw CocoaError(.fileReadUnknown) }
            try JournalFile.syncDirectory(directory)
        }
    }

    private func settlement(_ amount: Int64) -> JournalRecord { .settlement(.of(.fresh(), amount)) }

    private func acknowledgeAll(_ journal: SettlementJournal) async {
        await journal.acknowledge(Set(await journal.pending(limit: 100).map(\.number)))
    }

    @Test("a directory that cannot be synced after a compaction: no later record is lost in a file without a name")
    func unsyncedDirectory() async throws {
        let (directory, disk) = (temporaryDirectory(), Disk())
        let journal = try SettlementJournal(
            directory: directory, maximumBytes: 1 << 20, directorySync: { try disk.sync($0) })
        try await journal.append(settlement(1))
        disk.isBroken = true
        await acknowledgeAll(journal)
        #expect(journal.depth == JournalDepth(records: 0, bytes: 0))
        // It could be written, but a loss of power might take the file's name away again.
        await #expect(throws: LedgerError.self) { try await journal.append(settlement(2)) }
        #expect(journal.depth == JournalDepth(records: 0, bytes: 0))
        disk.isBroken = false
        let kept = settlement(3)
        try await journal.append(kept)
        await journal.close()
        let again = try SettlementJournal(directory: directory)
        #expect(await again.pending(limit: 9).map(\.record) == [kept])
        await again.close()
    }

    @Test("a compaction that failed at the last record is done again: an empty journal refuses no paid call")
    func compactionAgain() async throws {
        try await LedgerFixture.with { f in
            let directory = temporaryDirectory()
            let record = settlement(1)
            // Full with one record.
            let journal = try SettlementJournal(directory: directory, maximumBytes: try record.line().count + 8)
            let ledger = try await f.ledger(journal: journal, configure: { $0.replayInterval = .milliseconds(10) })
            try await journal.append(record)
            let (path, aside) = (directory + "/journal.jsonl", directory + "/aside")
            // Nothing can be renamed over a directory.
            try FileManager.default.moveItem(atPath: path, toPath: aside)
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            await acknowledgeAll(journal)
            #expect(journal.depth.records == 0 && journal.isNearlyFull)
            await #expect(throws: LedgerUnavailable.self) { try await ledger.reserve(f.reservation(1)) }
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.moveItem(atPath: aside, toPath: path)
            let running = Task { await ledger.run() }
            for _ in 0..<3000 where journal.depth.bytes > 0 { try await Task.sleep(for: .milliseconds(20)) }
            running.cancel()
            await running.value
            #expect(journal.depth.bytes == 0)
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
        }
    }

    @Test("a refused record that cannot be put aside stays, and replaying ends, with the others handed over")
    func notPutAside() async throws {
        try await LedgerFixture.with { f in
            let directory = temporaryDirectory()
            let journal = try SettlementJournal(directory: directory)
            let ledger = try await f.ledger(journal: journal)
            let (refused, good) = (f.reservation(100), f.reservation(100))
            for call in [refused, good] { #expect(try await ledger.reserve(call).isGranted) }
            try await journal.append(.settlement(.of(refused.id, -5)))
            try await journal.append(.settlement(.of(good.id, 5)))
            // No file can be written there.
            let path = directory + "/journal.refused"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            #expect(await replay(ledger) == false)
            #expect(journal.depth.records == 1 && ledger.counters.quarantined == 0 && ledger.counters.replayed == 1)
            #expect(try await f.number("select settled from budget_periods") == 5)
            try FileManager.default.removeItem(atPath: path)
            #expect(await replay(ledger) == true)
            #expect(journal.depth.records == 0 && ledger.counters.quarantined == 1)
            let aside = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(aside.split(separator: UInt8(ascii: "\n")).count == 1)
        }
    }

    @Test("a closed journal hands out nothing, as nothing can be struck out any more")
    func closed() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let ledger = try await f.ledger(journal: journal)
            let call = f.reservation(100)
            #expect(try await ledger.reserve(call).isGranted)
            try await journal.append(.settlement(.of(call.id, 5)))
            await journal.close()
            #expect(await replay(ledger) != nil)
            #expect(journal.depth.records == 1)
        }
    }

    /// Nil: it did not come to an end.
    private func replay(_ ledger: PostgresLedger) async -> Bool? {
        try? await bounded(.seconds(30)) { () async throws(PostgresError) -> Bool in await ledger.replay() }.get()
    }
}
