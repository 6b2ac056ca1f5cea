import Foundation
import GatewayCore
import GatewayTesting
import Logging
import Postgres
import Synchronization
import Testing

@testable import Ledger

@Suite("The journal on a disk that fails")
struct JournalFaultTests {
    /// Syncs no directory while it is broken, as with no descriptor left, and has as much room as it is told to have.
    private final class Disk: Sendable {
        private let room = Mutex<Int64?>(1 << 30)
        var freeBytes: Int64? {
            get { room.withLock { $0 } }
            set { room.withLock { $0 = newValue } }
        }
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

    private func started(
        _ f: LedgerFixture, _ journal: SettlementJournal, _ log: KeptLog
    ) async -> PostgresLedger {
        var configuration = LedgerConfiguration(instance: "test")
        (configuration.reserveTimeout, configuration.settleTimeout) = (.seconds(20), .seconds(20))
        return await PostgresLedger.start(
            pools: LedgerPools(f.pool), journal: journal, configuration: configuration, logger: log.logger)
    }

    @Test("on a full file system no new hold is taken until there is room again, and the log says so once")
    func noRoom() async throws {
        try await LedgerFixture.with { f in
            let (disk, log) = (Disk(), KeptLog())
            let journal = try SettlementJournal(
                directory: temporaryDirectory(), maximumBytes: 1 << 20, directorySync: { try disk.sync($0) },
                freeBytes: { _ in disk.freeBytes })
            let ledger = await started(f, journal, log)
            let first = f.reservation(10)
            #expect(try await ledger.reserve(first).isGranted && ledger.takesHolds)
            disk.freeBytes = SettlementJournal.leastFreeBytes - 1
            await journal.lookForRoom()
            for _ in 0..<3 {
                let refused = await #expect(throws: LedgerUnavailable.self) {
                    try await ledger.reserve(f.reservation(10))
                }
                #expect(refused?.reason == "the settlement journal's file system is full")
            }
            #expect(!ledger.takesHolds)
            #expect(log.lines(.error).filter { $0.message.contains("no new hold is taken") }.count == 1)
            // What was held before is settled all the same.
            await ledger.settle(.of(first.id, 4))
            #expect(try await f.number("select settled from budget_periods") == 4)
            // What is not known, as of a file system that does not say it, refuses nothing.
            for free in [SettlementJournal.leastFreeBytes, nil] {
                disk.freeBytes = free
                await journal.lookForRoom()
                #expect(try await ledger.reserve(f.reservation(10)).isGranted, "\(free ?? -1)")
            }
        }
    }

    @Test("a journal that cannot be written is looked at for room at once")
    func failedWrite() async throws {
        let disk = Disk()
        let journal = try SettlementJournal(
            directory: temporaryDirectory(), maximumBytes: 1 << 20, directorySync: { try disk.sync($0) },
            freeBytes: { _ in disk.freeBytes })
        try await journal.append(settlement(1))
        disk.isBroken = true
        await acknowledgeAll(journal)
        disk.freeBytes = 0
        #expect(journal.shortage == nil)
        await #expect(throws: LedgerError.self) { try await journal.append(settlement(2)) }
        #expect(journal.shortage == "the settlement journal's file system is full")
    }

    @Test("the room of a real directory is known, and that of one that is not there is not")
    func realRoom() throws {
        let free = try #require(JournalFile.freeBytes(FileManager.default.temporaryDirectory.path()))
        #expect(free > 0)
        #expect(JournalFile.freeBytes("/nowhere/at/all") == nil)
    }

    @Test("a start says how many lines were damaged, and in which file they are")
    func damagedPath() async throws {
        try await LedgerFixture.with { f in
            let (directory, log) = (temporaryDirectory(), KeptLog())
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data("no record\n".utf8).write(to: URL(fileURLWithPath: directory + "/journal.jsonl"))
            let ledger = await started(f, try SettlementJournal(directory: directory), log)
            let line = try #require(log.lines(.critical).first { $0.message.contains("damaged") })
            #expect(line.metadata["lines"] == "1")
            let path = try #require(line.metadata["path"])
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "no record\n")
            await ledger.drain()
        }
    }

    @Test("a journal is known to be in use while its gateway lives, and asking leaves it to the next one")
    func inUse() async throws {
        let directory = temporaryDirectory()
        #expect(!SettlementJournal.isInUse(directory))
        for _ in 0..<2 {
            let journal = try SettlementJournal(directory: directory)
            #expect(SettlementJournal.isInUse(directory))
            await journal.close()
            #expect(!SettlementJournal.isInUse(directory))
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
