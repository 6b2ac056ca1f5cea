import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("Text that would be SQL")
struct HostileTextTests {
    private static let hostile = "x'); drop table holds; --"

    @Test("row 22: what comes from outside is a value: SQL in it is stored as it is, or refused by name")
    func values() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            var call = f.reservation(10, route: Self.hostile)
            call.tags = ["a", "b:1"]
            #expect(try await ledger.reserve(call).isGranted)
            var settlement = Settlement.of(call.id, 7)
            settlement.providerRequestID = Self.hostile
            settlement.escalation.reason = "\(Self.hostile)\u{0}\"\\ {\"a\": 1}"
            await ledger.settle(settlement)
            #expect(ledger.journalDepth.records == 0)
            let row = try await f.pool.query(
                """
                select e.route, e.provider_request_id, s.reason
                from ledger_entries e join escalations s on s.entry_id = e.id
                """
            ).rows[0]
            #expect(try row.get("route", as: String.self) == Self.hostile)
            #expect(try row.get("provider_request_id", as: String.self) == Self.hostile)
            #expect(try row.get("reason", as: String.self).hasPrefix(Self.hostile))
            #expect(try await f.number("select count(*) from holds") == 1)
            await #expect(throws: LedgerError.self) { try await f.admin.createTenant(name: Self.hostile) }
            await #expect(throws: LedgerError.self) { try await f.admin.spend(tenant: Self.hostile) }
            await #expect(throws: LedgerError.self) {
                try await f.admin.setBudget(BudgetDraft(tenant: "acme", tag: Self.hostile, limit: NanoUSD(1)))
            }
            #expect(try await f.violations() == 0)
        }
    }
}
