import Foundation
import GatewayCore
import Ledger
import Postgres
import Testing

@Suite("Alerts of budgets")
struct AlertTests {
    /// The percentages told of, in order.
    private func alerts(_ f: LedgerFixture) async throws -> [Int64] {
        let rows = try await f.pool.query(
            "select (payload->>'percent')::bigint as n from outbox where kind = 'budget.threshold' order by id"
        ).rows
        return try rows.map { try $0.get("n") }
    }

    private func spend(_ f: LedgerFixture, _ ledger: PostgresLedger, _ amount: Int64) async throws {
        let call = f.reservation(amount)
        #expect(try await ledger.reserve(call).isGranted, "\(amount)")
        await ledger.settle(.of(call.id, amount))
    }

    private func set(_ f: LedgerFixture, _ limit: Int64, alertAt: [Int]? = nil) async throws {
        _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(limit), alertAt: alertAt))
    }

    @Test("each threshold is told once a period, also when several are crossed at once; holds alone tell nothing")
    func once() async throws {
        try await LedgerFixture.with { f in
            try await set(f, 1000, alertAt: [50, 80, 95])
            let clock = SettableClock(moment("2031-03-10T12:00:00Z"))
            let ledger = try await f.ledger(now: { clock.now })
            let call = f.reservation(999)
            #expect(try await ledger.reserve(call).isGranted)
            #expect(try await alerts(f) == [])
            await ledger.settle(.of(call.id, 499))
            #expect(try await alerts(f) == [])
            try await spend(f, ledger, 1)
            #expect(try await alerts(f) == [50])
            try await spend(f, ledger, 450)
            #expect(try await alerts(f) == [50, 80, 95])
            try await spend(f, ledger, 50)
            #expect(try await alerts(f) == [50, 80, 95])
            clock.now = moment("2031-04-10T12:00:00Z")
            try await spend(f, ledger, 800)
            #expect(try await alerts(f) == [50, 80, 95, 50, 80])
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a limit lowered across a threshold tells of it at once; one that is raised when it is spent up to again")
    func changes() async throws {
        try await LedgerFixture.with { f in
            try await set(f, 1000, alertAt: [50, 80])
            let ledger = try await f.ledger()
            try await spend(f, ledger, 450)
            #expect(try await alerts(f) == [])
            try await set(f, 900)
            #expect(try await alerts(f) == [50])
            try await set(f, 2000)
            try await spend(f, ledger, 600)
            #expect(try await alerts(f) == [50, 50])
            try await set(f, 1100)
            #expect(try await alerts(f) == [50, 50, 80])
            // A threshold added later: told when it is above all those told already.
            try await set(f, 1100, alertAt: [50, 80, 90])
            #expect(try await alerts(f) == [50, 50, 80, 90])
            try await set(f, 1100, alertAt: [40, 50, 80, 90])
            #expect(try await alerts(f) == [50, 50, 80, 90])
            // Half of 2100 is reached already; of 1010, what is left of it with the top-up, all of them.
            _ = try await f.admin.topUpBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(1000)))
            #expect(try await alerts(f) == [50, 50, 80, 90])
            try await set(f, 10)
            #expect(try await alerts(f) == [50, 50, 80, 90, 80, 90])
            // Raised, and lowered to what it was: nothing twice at one limit.
            try await set(f, 1100)
            try await set(f, 10)
            #expect(try await alerts(f) == [50, 50, 80, 90, 80, 90])
            #expect(try await f.violations() == 0)
        }
    }

    /// A thousand, in a hundred calls by three gateways at once.
    private func spendTogether(_ f: LedgerFixture) async throws {
        var ledgers: [PostgresLedger] = []
        for _ in 0..<3 { ledgers.append(try await f.ledger()) }
        let all = ledgers
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<100 {
                group.addTask { try await spend(f, all[index % all.count], 10) }
            }
            try await group.waitForAll()
        }
    }

    @Test("a budget that is raised in mid-period tells of what is above its spend, once, by three gateways together")
    func raised() async throws {
        try await LedgerFixture.with(poolSize: 12) { f in
            try await set(f, 1000, alertAt: [50, 80, 100])
            try await spend(f, f.ledger(), 1000)
            #expect(try await alerts(f) == [50, 80, 100])
            try await set(f, 2000)
            #expect(try await alerts(f) == [50, 80, 100])
            try await spendTogether(f)
            #expect(try await alerts(f) == [50, 80, 100, 80, 100])
            let limits = "select count(*) from outbox where payload->>'percent' = '100' and payload->>'limit' = '2000'"
            #expect(try await f.number(limits) == 1)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a limit of nothing alerts nobody until something is spent")
    func zero() async throws {
        try await LedgerFixture.with { f in
            try await set(f, 0, alertAt: [50, 100])
            let ledger = try await f.ledger()
            #expect(try await ledger.reserve(f.reservation(0)).isGranted)
            try await set(f, 0, alertAt: [10, 50, 100])
            #expect(try await alerts(f) == [])
        }
    }

    @Test("settlements in parallel by several gateways tell of each threshold once")
    func parallel() async throws {
        try await LedgerFixture.with(poolSize: 12) { f in
            try await set(f, 1000, alertAt: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
            _ = try await f.admin.setBudget(
                BudgetDraft(
                    tenant: "acme", scope: .team("research"), window: .total, limit: NanoUSD(5000), alertAt: [20]))
            try await spendTogether(f)
            #expect(try await alerts(f).sorted() == [10, 20, 20, 30, 40, 50, 60, 70, 80, 90, 100])
            #expect(try await f.number("select count(*) from outbox where payload->>'team_id' is not null") == 1)
            #expect(try await f.violations() == 0)
        }
    }
}
