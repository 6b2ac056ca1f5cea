import Foundation
import GatewayCore
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
            _ = await ledger.replay()
            #expect(ledger.journalDepth.records == 0)
            #expect(try await f.number("select settled from budget_periods") == 7)
        }
    }
}
