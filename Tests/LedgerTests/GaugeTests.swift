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
                let unknown = try await f.number("select count(*) from holds where unreconciled")
                let amount = try await f.number("select coalesce(sum(actual), 0) from holds where unreconciled")
                #expect(gauges.unreconciled.map(\.holds) == [unknown])
                #expect(gauges.unreconciled.map(\.amount.rawValue) == [amount])
                let records = try await f.number("select count(*) from escalations")
                #expect(gauges.unsealedRecords == records && (gauges.unsealedSeconds > 0) == (records != 0))
            }
            #expect(try await f.admin.gauges().unreconciled.first?.holds ?? 0 > 0)
            // Sealed by half: what is left is counted, not what there is.
            _ = try await AuditStore(pool: f.pool).seal()
            #expect(try await f.admin.gauges().unsealedRecords == 0)
            let last = f.reservation(3)
            _ = try await ledger.reserve(last)
            await ledger.settle(.of(last.id, .completed, 1))
            #expect(try await f.admin.gauges().unsealedRecords == 1)
            #expect(ledger.batches.reservations == 5 && ledger.batches.settlements >= 4 && ledger.batches.batches >= 5)
        }
    }

    @Test("a budget's limit has what is carried over before the period's first call")
    func carried() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", limit: NanoUSD(100), rollover: .upTo(NanoUSD(60))))
            try await f.run("update budgets set created_at = date_trunc('month', now()) - interval '10 days'")
            #expect(try await f.admin.gauges().budgets.map(\.state.limit) == [NanoUSD(160)])
            #expect(try await f.number("select count(*) from budget_periods") == 0)
            #expect(try await f.ledger().reserve(f.reservation(1)).isGranted)
            #expect(try await f.admin.gauges().budgets.map(\.state.limit) == [NanoUSD(160)])
        }
    }

    @Test("Budgets come with their period, their thresholds, and whether they are of a key")
    func budgets() async throws {
        try await LedgerFixture.with { f in
            let key = try await f.admin.createKey(KeyDraft(tenant: "acme", name: "k"))
            _ = try await f.admin.setBudget(
                BudgetDraft(
                    tenant: "acme", scope: .key(key.info.id), window: .day, limit: NanoUSD(70), alertAt: [95, 50]))
            let budgets = try await f.admin.gauges().budgets
            #expect(budgets.filter(\.isOfKey).map(\.thresholds) == [[50, 95]])
            let day = try #require(budgets.first { $0.isOfKey })
            let start = try #require(day.startsAt)
            let end = try #require(day.state.resetsAt)
            #expect(start <= Date() && Date() < end && end.timeIntervalSince(start) == 86_400)
            #expect(budgets.contains { !$0.isOfKey })
        }
    }
}
