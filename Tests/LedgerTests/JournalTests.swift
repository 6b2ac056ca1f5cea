import EmbeddedPostgres
import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("The settlement journal")
struct JournalTests {
    private func settlement(_ amount: Int64) -> JournalRecord { .settlement(.of(.fresh(), amount)) }

    @Test("what was appended is there after a restart, in order, and what was struck out is not")
    func restart() async throws {
        let directory = temporaryDirectory()
        let records = (0..<5).map { settlement($0) }
        let first = try SettlementJournal(directory: directory)
        for record in records { try await first.append(record) }
        let identity = first.identity
        await first.close()
        let second = try SettlementJournal(directory: directory)
        #expect(second.identity == identity && second.depth.records == 5 && second.depth.settlements == 5)
        #expect(await second.pending(limit: 10).map(\.record) == records)
        await second.acknowledge(Set(await second.pending(limit: 10).map(\.number)))
        #expect(second.depth == JournalDepth(records: 0, bytes: 0))
        await second.close()
        let third = try SettlementJournal(directory: directory)
        #expect(await third.pending(limit: 10).isEmpty)
        await third.close()
    }

    @Test("a line that an earlier version wrote is still read")
    func earlierVersion() throws {
        let line =
            #"d585926b5e567e64 {"settlement":{"_0":{"amount":70,"escalation":{"actions":[],"kind":"direct","#
            + #""reason":"asked for"},"id":{"attempt":0,"request":"0196A8C0-0000-7000-8000-000000000001","step":0},"#
            + #""outcome":"completed","providerRequestID":"req-1","usage":{"cachedInput":3,"input":10,"output":30,"#
            + #""reasoning":4}}}}"#
        let request = try #require(UUID(uuidString: "0196A8C0-0000-7000-8000-000000000001"))
        let id = HoldID(request: request, step: 0, attempt: 0)
        var expected = Settlement.of(id, 70)
        expected.usage = TokenUsage(input: 10, cachedInput: 3, output: 30, reasoning: 4)
        #expect(JournalRecord(line: Array(line.utf8)) == .settlement(expected))
        expected.usage = TokenUsage(input: 9, cacheWrite5m: 8, output: 1, images: 2, isBatch: true, raw: "{\"a\":1}")
        let new = try JournalRecord.settlement(expected).line().dropLast()
        #expect(JournalRecord(line: new) == .settlement(expected))
    }

    @Test("a torn last line is dropped wherever it tore; the lines before it and after a new start are kept")
    func torn() async throws {
        let directory = temporaryDirectory()
        let first = try SettlementJournal(directory: directory)
        let kept = settlement(1)
        try await first.append(kept)
        try await first.append(settlement(2))
        await first.close()
        let path = directory + "/journal.jsonl"
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let end = try #require(whole.firstIndex(of: UInt8(ascii: "\n")))
        for cut in stride(from: end + 1, to: whole.count, by: 37) {
            try Data(whole[..<cut]).write(to: URL(fileURLWithPath: path))
            let journal = try SettlementJournal(directory: directory)
            #expect(await journal.pending(limit: 9).map(\.record) == [kept] && journal.damagedLines == 0)
            let next = settlement(3)
            try await journal.append(next)
            await journal.close()
            let again = try SettlementJournal(directory: directory)
            #expect(await again.pending(limit: 9).map(\.record) == [kept, next])
            await again.close()
        }
    }

    @Test("a line damaged in the middle is put aside, not the ones around it")
    func damaged() async throws {
        let directory = temporaryDirectory()
        let first = try SettlementJournal(directory: directory)
        let records = (0..<3).map { settlement($0) }
        for record in records { try await first.append(record) }
        await first.close()
        let path = URL(fileURLWithPath: directory + "/journal.jsonl")
        var bytes = [UInt8](try Data(contentsOf: path))
        let middle = try #require(bytes.firstIndex(of: UInt8(ascii: "\n"))) + 40
        bytes[middle] ^= 1
        try Data(bytes).write(to: path)
        let second = try SettlementJournal(directory: directory)
        #expect(second.damagedLines == 1)
        #expect(await second.pending(limit: 9).map(\.record) == [records[0], records[2]])
        #expect(FileManager.default.fileExists(atPath: directory + "/journal.damaged"))
        await second.close()
        #expect(try SettlementJournal(directory: directory).damagedLines == 0)
    }

    @Test("a second process is turned away, and the limit leaves room for money")
    func limits() async throws {
        let directory = temporaryDirectory()
        let journal = try SettlementJournal(directory: directory, maximumBytes: 2000)
        let error = #expect(throws: LedgerError.self) { try SettlementJournal(directory: directory) }
        #expect(error?.description.contains(directory) == true)
        let request = RequestRecord(
            id: UUID(), tenantID: 1, teamID: nil, keyID: 1, model: "m", route: nil, servedBy: nil, status: 200,
            steps: 0, escalations: 0, degraded: nil, slmInputTokens: 0, slmOutputTokens: 0, costNanoUSD: 0,
            startedAt: Date(), milliseconds: 1)
        await #expect(throws: LedgerError.self) {
            for _ in 0..<100 { try await journal.append(.request(request)) }
        }
        #expect(journal.depth.bytes <= 1000 && !journal.isNearlyFull)
        #expect(journal.depth.records > 0 && journal.depth.settlements == 0)
        try await journal.append(settlement(1))
        #expect(journal.depth.settlements == 1)
        await #expect(throws: LedgerError.self) { for _ in 0..<100 { try await journal.append(settlement(1)) } }
        #expect(journal.depth.bytes <= 2000)
    }

    @Test("row 12: with the database stopped at settlement, the journal keeps it and replays it exactly once")
    func databaseStopped() async throws {
        let cluster = EmbeddedCluster(directory: temporaryDirectory(), options: .forTests)
        let url = try await cluster.start()
        let f = try await LedgerFixture(url: url, limit: 1000)
        let directory = temporaryDirectory()
        let ledger = try await f.ledger(journal: try SettlementJournal(directory: directory))
        let (call, second) = (f.reservation(100), f.reservation(200))
        #expect(try await ledger.reserve(call).isGranted)
        #expect(try await ledger.reserve(second).isGranted)
        try await cluster.stop(mode: .immediate)
        await ledger.settle(.of(call.id, 60))
        await ledger.settle(.of(call.id, 60))
        await #expect(throws: LedgerUnavailable.self) { try await ledger.reserve(f.reservation(1)) }
        #expect(ledger.journalDepth.records >= 2)
        _ = try await cluster.start()
        let running = Task { await ledger.run() }
        while ledger.journalDepth.records > 0 { try await Task.sleep(for: .milliseconds(20)) }
        #expect(try await f.number("select settled from budget_periods") == 60)
        #expect(try await f.number("select held from budget_periods") == 200)
        #expect(try await f.number("select count(*) from ledger_entries") == 1)
        // And from the file alone: stopped again, killed, started again.
        try await cluster.stop(mode: .immediate)
        await ledger.settle(.of(second.id, 150))
        running.cancel()
        await running.value
        await ledger.drain(within: .milliseconds(100))
        _ = try await cluster.start()
        let next = try await f.ledger(
            pool: try LedgerFixture.pool(url), journal: try SettlementJournal(directory: directory))
        #expect(next.counters.replayed == 1 && next.counters.unreconciled == 0)
        #expect(try await f.number("select settled from budget_periods") == 210)
        #expect(try await f.violations() == 0)
        await f.pool.close(within: .seconds(1))
        await next.pool.close(within: .seconds(1))
        try await cluster.destroy()
    }

    @Test("a record that the database refuses for good is put aside and holds up no other")
    func refused() async throws {
        try await LedgerFixture.with { f in
            let directory = temporaryDirectory()
            let journal = try SettlementJournal(directory: directory)
            let ledger = try await f.ledger(journal: journal)
            let call = f.reservation(100)
            #expect(try await ledger.reserve(call).isGranted)
            try await journal.append(.settlement(.of(call.id, -5)))
            try await journal.append(.settlement(.of(call.id, 5)))
            #expect(await ledger.replay())
            #expect(ledger.counters.quarantined == 1 && ledger.counters.replayed == 1)
            #expect(try await f.number("select settled from budget_periods") == 5)
            #expect(FileManager.default.fileExists(atPath: directory + "/journal.refused"))
        }
    }
}
