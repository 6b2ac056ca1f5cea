import Foundation
import GatewayCore
import GatewayTesting
import Logging
import Postgres
import Testing

@testable import Ledger

@Suite("What neither the database nor the journal would take")
struct HomelessTests {
    @Test("settlements that wait in memory count as waiting, until the database has them")
    func counted() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let ledger = try await f.ledger(journal: journal)
            let call = f.reservation(10)
            #expect(try await ledger.reserve(call).isGranted)
            await journal.close()
            await ledger.keep(.settlement(.of(call.id, 7)), because: "in this test")
            #expect(journal.depth.records == 0 && ledger.journalDepth.records == 1)
            #expect(journal.depth.settlements == 0 && ledger.journalDepth.settlements == 1)
            _ = await ledger.replay()
            #expect(ledger.journalDepth.records == 0 && ledger.journalDepth.settlements == 0)
            #expect(try await f.number("select settled from budget_periods") == 7)
        }
    }

    private static func report() -> JournalRecord {
        .request(
            RequestRecord(
                id: UUID(), tenantID: 1, teamID: nil, keyID: 1, model: "m", route: nil, servedBy: nil, status: 402,
                steps: 0, escalations: 0, degraded: nil, slmInputTokens: 0, slmOutputTokens: 0, costNanoUSD: 0,
                startedAt: Date(), milliseconds: 1))
    }

    @Test("a settlement that memory alone has is told of once, by its hold; lost reports are one warning in a while")
    func told() async throws {
        try await LedgerFixture.with { f in
            let (log, pool) = (KeptLog(), try LedgerFixture.pool(f.url, size: 1))
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let ledger = await PostgresLedger.start(
                pools: LedgerPools(pool), journal: journal, configuration: LedgerConfiguration(instance: "test"),
                logger: log.logger)
            await pool.close()
            await ledger.keep(Self.report(), because: "in this test")
            let waiting = HoldID.fresh()
            await ledger.keep(.settlement(.of(waiting, 3)), because: "in this test")
            for _ in 0..<20 { await ledger.keep(Self.report(), because: "in this test") }
            let infos = log.lines(.info).filter { $0.message.contains("in the journal") }
            #expect(infos.map { $0.metadata["hold"] } == [nil, "\(waiting)"] && infos[0].metadata["reports"] == "1")

            await journal.close()
            let ids = [HoldID.fresh(), .fresh()]
            for id in ids { await ledger.keep(.settlement(.of(id, 7)), because: "in this test") }
            for _ in 0..<20 { await ledger.keep(Self.report(), because: "in this test") }
            for _ in 0..<3 { _ = await ledger.replay() }
            #expect(ledger.journalDepth == JournalDepth(records: 24, settlements: 3, bytes: journal.depth.bytes))
            let alarms = log.lines(.critical)
            #expect(alarms.map { $0.metadata["hold"] } == ids.map { "\($0)" }, "\(alarms)")
            #expect(alarms.allSatisfy { $0.message.contains("posts the hold in full") })
            let warnings = log.lines(.warning).filter { $0.message.contains("reports") }
            #expect(warnings.map { $0.metadata["reports"] } == ["1"], "\(warnings)")
        }
    }

    @Test("of many events the first is written, then at most one in an interval, with how many it stands for")
    func limiter() {
        var limiter = LineLimiter(interval: .seconds(10))
        let start = ContinuousClock.now
        let passed = [0, 1, 9, 10, 10, 19, 20, 90, 91].map { limiter.pass(at: start + .seconds($0)) }
        #expect(passed == [1, nil, nil, 3, nil, nil, 3, 1, nil])
    }

    @Test("what is being handed over still counts, and a list that is full takes no more")
    func inHand() {
        var records = HomelessRecords()
        let record = JournalRecord.settlement(.of(.fresh(), 7))
        let added = (0..<3).map { _ in records.add(record, limit: 2) }
        #expect(added == [true, true, false])
        let taken = records.take()
        #expect(taken.count == 2 && records.records.isEmpty && records.count == 2)
        records.inHand -= 1
        #expect(records.count == 1)
    }
}
