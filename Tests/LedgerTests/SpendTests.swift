import Foundation
import Testing

@testable import Ledger

@Suite("Monthly spend") struct SpendTests {
    /// In Havana the hour from midnight comes twice on 2026-11-01: clocks go from 01:00 back to 00:00, at 05:00 UTC.
    @Test("a month and a day begin when clocks first show them, also where midnight comes twice")
    func twoMidnights() async throws {
        try await LedgerFixture.with { f in
            _ = try await f.admin.createTenant(name: "havana", timeZone: "America/Havana")
            let moments = [
                ("2026-11-01 03:59:59Z", 1), ("2026-11-01 04:00:00Z", 10), ("2026-11-01 05:30:00Z", 100),
                ("2026-11-02 04:59:59Z", 1000), ("2026-11-02 05:00:00Z", 10000),
            ]
            for (moment, amount) in moments {
                try await f.run(Self.entry(at: moment, amount: amount))
            }
            let october = try await f.admin.spend(tenant: "havana", month: "2026-10", by: .day)
            #expect(october.rows.map(\.name) == ["2026-10-31"] && october.settledNanoUSD == 1)
            let november = try await f.admin.spend(tenant: "havana", month: "2026-11", by: .day)
            #expect(november.rows.map(\.name) == ["2026-11-01", "2026-11-02"])
            #expect(november.rows.map(\.nanoUSD) == [1110, 10000] && november.rows.map(\.calls) == [3, 1])
            for grouping in SpendGrouping.allCases {
                let report = try await f.admin.spend(tenant: "havana", month: "2026-11", by: grouping)
                #expect(report.settledNanoUSD == 11110 && report.rows.reduce(0) { $0 + $1.inputTokens } == 20)
            }
        }
    }

    @Test("adjustments change the sum and are no calls; what is unreconciled is said, by every grouping")
    func others() async throws {
        try await LedgerFixture.with { f in
            _ = try await f.admin.createTenant(name: "lisbon", timeZone: "Europe/Lisbon")
            try await f.run(Self.entry(at: "2026-10-05 12:00Z", amount: 100, tenant: "lisbon"))
            try await f.run(Self.entry(at: "2026-10-05 13:00Z", amount: 50, kind: "unreconciled", tenant: "lisbon"))
            try await f.run(Self.entry(at: "2026-10-06 12:00Z", amount: -30, kind: "adjustment", tenant: "lisbon"))
            try await f.run(
                """
                insert into holds (request_id, step, attempt, state, unreconciled, tenant_id, key_id, price_id, amount,
                  actual, periods, gateway, taken_at)
                select request_id, 0, 0, 's', true, tenant_id, key_id, price_id, 50, 50, '{}', gen_random_uuid(),
                  taken_at
                from ledger_entries where kind = 'unreconciled'
                """)
            for grouping in SpendGrouping.allCases {
                let report = try await f.admin.spend(tenant: "lisbon", month: "2026-10", by: grouping)
                #expect(report.settledNanoUSD == 120, "\(grouping)")
                #expect(report.rows.reduce(0) { $0 + $1.calls } == 2, "\(grouping)")
                #expect(report.rows.reduce(0) { $0 + $1.unreconciledNanoUSD } == 50, "\(grouping)")
            }
        }
    }

    private static func entry(
        at moment: String, amount: Int, kind: String = "charge", tenant: String = "havana"
    ) -> String {
        """
        insert into ledger_entries (at, taken_at, tenant_id, key_id, request_id, step, attempt, kind, held, amount,
          price_id, input_tokens, output_tokens, periods)
        select now(), '\(moment)', t.id, 1, gen_random_uuid(), 0, 0, '\(kind)', 0, \(amount), p.id, 5, 2, '{}'
        from tenants t, (select min(id) as id from prices) p where t.name = '\(tenant)'
        """
    }
}
