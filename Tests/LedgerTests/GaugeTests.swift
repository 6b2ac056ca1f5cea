import Foundation
import GatewayCore
import Testing

@testable import Ledger

@Suite("Gauges")
struct GaugeTests {
    @Test("row 19: the gauges are the ledger's own sums, whatever has happened")
    func gauges() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            var ledger = try await f.ledger(journal: journal)
            for round in 0..<12 {
                let call = f.reservation(Int64(10 + round))
                #expect(try await ledger.reserve(call).isGranted)
                if round % 3 != 0 { await ledger.settle(.of(call.id, round % 2 == 0 ? .completed : .failed, 5)) }
                // A successor that finds open holds posts them.
                if round == 7 { ledger = try await f.ledger(journal: journal) }
                let gauges = try await f.admin.gauges()
                let open = try await f.number("select count(*) from holds where state = 'd'")
                #expect(Int64(gauges.openHolds) == open)
                let held = try await f.number("select coalesce(sum(amount), 0) from holds where state = 'd'")
                let posted = try await f.number("select coalesce(sum(amount), 0) from ledger_entries")
                #expect(gauges.budgets.map(\.state.held.rawValue) == [held])
                #expect(gauges.budgets.map(\.state.settled.rawValue) == [posted])
            }
        }
    }
}
