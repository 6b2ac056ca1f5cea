import EmbeddedPostgres
import Foundation
import GatewayCore
import Ledger
import Postgres
import Testing

@Suite("Many calls at once")
struct RaceTests {
    @Test("changes of one key at once wait for each other, and none is refused for it")
    func key() async throws {
        try await LedgerFixture.with { f in
            let id = f.key.info.id
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<2 {
                    group.addTask { for _ in 0..<10 { _ = try await f.admin.rotateKey(id) } }
                    group.addTask {
                        for turn in 0..<10 {
                            let draft = KeyDraft(tenant: "acme", team: turn % 2 == 0 ? "research" : nil)
                            _ = try await f.admin.changeKey(id, to: draft)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(
                try await f.number("select count(*) from events where action in ('key.rotate', 'key.change')") == 40)
            _ = try await f.admin.revokeKey(id)
            // The server tells of its deadlocks when a session's turn is over.
            try await Task.sleep(for: .seconds(1.5))
            _ = try await f.number("select 1")
            #expect(
                try await f.number("select deadlocks from pg_stat_database where datname = current_database()") == 0)
        }
    }

    @Test(
        "row 1: of 200 parallel calls where the cap fits ten, by three gateways on a first use, exactly ten are granted"
    )
    func race() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", scope: .key(f.key.info.id), window: .day, limit: NanoUSD(5000)))
            var gateways: [PostgresLedger] = []
            var pools: [PostgresPool] = []
            for _ in 0..<3 {
                let pool = try LedgerFixture.pool(f.url, size: 8)
                pools.append(pool)
                gateways.append(try await f.ledger(pool: pool))
            }
            let ledgers = gateways
            let bill = try await withThrowingTaskGroup(of: Int64.self) { group in
                for index in 0..<200 {
                    group.addTask {
                        let call = f.reservation(100)
                        let ledger = ledgers[index % ledgers.count]
                        guard try await ledger.reserve(call).isGranted else { return 0 }
                        await ledger.settle(.of(call.id, 100))
                        return 100
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(bill == 1000)
            #expect(try await f.number("select count(*) from ledger_entries") == 10)
            #expect(try await f.number("select sum(amount) from ledger_entries") == 1000)
            #expect(try await f.violations() == 0)
            for pool in pools { await pool.close(within: .seconds(1)) }
        }
    }

    @Test(
        "row 15: overlapping scopes, changing limits and settlements between: no deadlock and no overspend"
    )
    func overlapping() async throws {
        try await LedgerFixture.with(limit: 2000, poolSize: 12) { f in
            var calls: [Caller] = []
            for index in 0..<4 {
                let key = try await f.admin.createKey(
                    KeyDraft(tenant: "acme", team: index % 2 == 0 ? "research" : nil))
                var caller = f.caller
                caller.keyID = key.info.id
                calls.append(caller)
                _ = try await f.admin.setBudget(
                    BudgetDraft(tenant: "acme", scope: .key(key.info.id), window: .week, limit: NanoUSD(900)))
            }
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", scope: .team("research"), window: .day, limit: NanoUSD(1500)))
            let ledger = try await f.ledger()
            let callers = calls
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<240 {
                    group.addTask {
                        var call = f.reservation(Int64(index % 7) * 10)
                        call.caller = callers[index % callers.count]
                        guard try await ledger.reserve(call).isGranted else { return }
                        await ledger.settle(.of(call.id, index % 5 == 0 ? .failed : .completed, Int64(index % 7) * 6))
                    }
                }
                group.addTask {
                    for limit in [1500, 900, 2500, 1200] as [Int64] {
                        _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(limit)))
                    }
                }
                // Many at once, in an order that is not that of calls.
                group.addTask {
                    for limit in [800, 950, 700, 900] as [Int64] {
                        _ = try await f.admin.setCaps(
                            callers.reversed().map {
                                .budget(
                                    BudgetDraft(
                                        tenant: "acme", scope: .key($0.keyID), window: .week, limit: NanoUSD(limit)))
                            })
                    }
                }
                try await group.waitForAll()
            }
            let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
            #expect(try await f.number(deadlocks) == 0)
            #expect(ledger.counters.unavailable == 0 && ledger.journalDepth.records == 0)
            #expect(try await f.violations() == 0)
        }
    }
}
