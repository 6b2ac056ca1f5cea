import Foundation
import GatewayCore
import GatewayTesting
import Logging
import Postgres
import Testing

@testable import Ledger

@Suite("What a gateway that stops says of what it leaves behind")
struct DrainTests {
    private func lines(records: Int, settlements: Int, inMemory: Int) -> [DrainRemainder.Line] {
        let depth = JournalDepth(records: records, settlements: settlements, bytes: 9)
        return DrainRemainder(journal: depth, inMemory: inMemory).lines
    }

    @Test("reports are no settlements, money is counted as its metric does, and what memory alone has is the worst")
    func words() throws {
        #expect(DrainRemainder(journal: JournalDepth(records: 0, bytes: 9), inMemory: 0).isEmpty)
        let reports = try #require(lines(records: 5, settlements: 0, inMemory: 0).first)
        #expect(reports.text == "reports of requests stay in the journal, and no money" && reports.level == .warning)
        #expect(reports.metadata == ["settlements": "0", "reports": "5"])
        let money = lines(records: 5, settlements: 2, inMemory: 0)
        #expect(money.count == 1 && money.first?.text.hasPrefix("records of money stay in the journal") == true)
        #expect(money.first?.metadata == ["settlements": "2", "reports": "3"])
        let lost = lines(records: 5, settlements: 2, inMemory: 7)
        #expect(lost.map(\.level) == [.critical, .warning] && lost.first?.metadata == ["records": "7"])
        #expect(lines(records: 0, settlements: 0, inMemory: 1).map(\.level) == [.critical])
    }

    @Test("a stop while the database is away tells reports from money")
    func drained() async throws {
        try await LedgerFixture.with { f in
            let (log, pool) = (KeptLog(), try LedgerFixture.pool(f.url, size: 1))
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let ledger = await PostgresLedger.start(
                pools: LedgerPools(pool), journal: journal, configuration: LedgerConfiguration(instance: "test"),
                logger: log.logger)
            await pool.close()
            for _ in 0..<2 {
                await ledger.keep(
                    .request(
                        RequestRecord(
                            id: UUID(), tenantID: 1, teamID: nil, keyID: 1, model: "m", route: nil, servedBy: nil,
                            status: 200, steps: 0, escalations: 0, degraded: nil, slmInputTokens: 0,
                            slmOutputTokens: 0, costNanoUSD: 0, startedAt: Date(), milliseconds: 1)),
                    because: "in this test")
            }
            await ledger.drain(within: .zero)
            let told = log.lines(.warning).filter { $0.message.contains("stay in the journal") }
            #expect(told.map(\.message) == ["reports of requests stay in the journal, and no money"])
            #expect(told.first?.metadata["reports"] == "2" && told.first?.metadata["settlements"] == "0")
        }
    }
}
