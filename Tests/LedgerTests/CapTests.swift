import Foundation
import GatewayCore
import Postgres
import Synchronization
import Testing

@testable import Ledger

@Suite("Budgets and limits that change together")
struct CapTests {
    private func budget(_ tenant: String, _ limit: Int64, scope: BudgetScope = .tenant, tag: String? = nil) -> CapDraft
    {
        .budget(BudgetDraft(tenant: tenant, scope: scope, tag: tag, window: .month, limit: NanoUSD(limit)))
    }

    private func limit(_ tenant: String, _ limit: Int64, _ traffic: LimitedTraffic) -> CapDraft {
        .limit(LimitDraft(tenant: tenant, unit: .requests, traffic: traffic, limit: limit))
    }

    private func limits(_ infos: [CapInfo]) -> [Int64] {
        infos.map {
            switch $0 {
            case .budget(let info): info.limit.rawValue
            case .limit(let info): info.limit
            }
        }
    }

    @Test("those of several tenants are made and changed at once, in their order, each with its event")
    func together() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            _ = try await f.admin.createTenant(name: "other")
            _ = try await f.admin.createTeam(name: "research", tenant: "other")
            let ledger = try await f.ledger()
            let call = f.reservation(600)
            #expect(try await ledger.reserve(call).isGranted)
            let drafts = [
                limit("other", 7, .local), budget("other", 20, scope: .team("research")), budget("acme", 500),
                limit("other", 9, .paid), budget("acme", 30, scope: .key(f.key.info.id), tag: "batch"),
                budget("other", 40),
            ]
            let made = try await f.admin.setCaps(drafts)
            #expect(limits(made) == [7, 20, 500, 9, 30, 40])
            guard case .budget(let lowered) = made[2], case .budget(let tagged) = made[4] else {
                Issue.record("\(made)")
                return
            }
            #expect(lowered.state.limit == NanoUSD(600) && lowered.state.held == NanoUSD(600))
            #expect(tagged.state.scope == "key:\(f.key.info.id) tag:batch")
            let events = try await f.admin.events(limit: 6).reversed()
            #expect(
                events.map(\.action) == [
                    "limit.set", "budget.set", "budget.set", "limit.set", "budget.set", "budget.set",
                ])
            #expect(
                events.map(\.subject) == [
                    "tenant:other", "team:research", "tenant:acme", "tenant:other", "key:\(f.key.info.id) tag:batch",
                    "tenant:other",
                ])
            #expect(events.map { $0.before != nil } == [false, false, true, false, false, false])
            // The same once more, with other limits: all are changed, none is made.
            let raised = try await f.admin.setCaps([
                budget("other", 41), limit("other", 8, .local), limit("other", 10, .paid), budget("acme", 900),
            ])
            #expect(limits(raised) == [41, 8, 10, 900])
            #expect(try await f.number("select count(*) from budgets") == 5)
            #expect(try await f.number("select count(*) from local_limits") == 1)
            #expect(try await f.admin.events(limit: 4).allSatisfy { $0.before != nil && $0.after != nil })
            await ledger.settle(.of(call.id, 600))
            #expect(try await f.violations() == 0)

            let gone = try await f.admin.removeCaps([limit("other", 0, .local), budget("other", 0)])
            #expect(limits(gone) == [8, 41])
            #expect(try await f.admin.budgets(tenant: "other").map(\.limit) == [NanoUSD(20)])
            #expect(try await f.admin.limits(tenant: "other").map(\.traffic) == [.paid])
        }
    }

    @Test("one that is wrong is named by its place, and none of them comes about")
    func wrong() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            let good = budget("acme", 5)
            let cases: [(CapDraft, LedgerError.Code)] = [
                (budget("nobody", 1), .notFound), (budget("acme", 1, scope: .team("none")), .notFound),
                (budget("acme", 1, scope: .key(4711)), .notFound), (budget("acme", -1), .invalid),
                (budget("acme", 1, tag: "no tag"), .invalid), (budget("acme", 7), .invalid),
                (.budget(BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(1), timeZone: "Mars")), .invalid),
            ]
            for (draft, code) in cases {
                let error = await #expect(throws: LedgerError.self) { try await f.admin.setCaps([good, draft]) }
                #expect(error?.code == code && error?.item == 1, "\(draft)")
            }
            let missing = await #expect(throws: LedgerError.self) {
                try await f.admin.removeCaps([good, budget("acme", 0, tag: "none")])
            }
            #expect(missing?.item == 1 && missing?.field == "budget")
            // What the month has been given already leaves no room for it.
            _ = try await f.admin.topUpBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(10)))
            let huge = await #expect(throws: LedgerError.self) { try await f.admin.setCaps([budget("acme", .max)]) }
            #expect(huge?.field == "limit-usd" && huge?.item == 0)
            #expect(try await f.admin.budgets(tenant: "acme").map(\.limit) == [NanoUSD(1000)])
        }
    }

    @Test("a trial tests all of it and makes what is new, and no call waits for it")
    func trial() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            let ledger = try await f.ledger()
            // The period's row is there, and is what calls would wait for.
            let first = f.reservation(1)
            #expect(try await ledger.reserve(first).isGranted)
            let drafts = [budget("acme", 7), budget("acme", 8, tag: "new")]
            struct TakenBack: Error {}
            do {
                try await f.admin.inOneTransaction { store in
                    #expect(limits(try await store.setCaps(drafts, isTrial: true)) == [1000, 8])
                    #expect(limits(try await store.removeCaps([budget("acme", 0)], isTrial: true)) == [1000])
                    let wrong = await #expect(throws: LedgerError.self) {
                        try await store.setCaps([budget("acme", -1)], isTrial: true)
                    }
                    #expect(wrong?.item == 0)
                    #expect(try await ledger.reserve(f.reservation(2)).isGranted)
                    await ledger.settle(.of(first.id, 1))
                    #expect(ledger.journalDepth.records == 0)
                    throw TakenBack()
                }
            } catch is TakenBack {}
            #expect(try await f.admin.budgets(tenant: "acme").map(\.limit) == [NanoUSD(1000)])
            #expect(try await f.violations() == 0)
        }
    }

    @Test("several changes that met another in a deadlock are begun anew, and only those")
    func begunAnew() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            for (state, tries) in [("40P01", 2), ("22003", 1)] {
                let begun = Mutex(0)
                func change() async throws {
                    try await f.admin.inOneTransaction { store in
                        _ = try await store.setCaps([budget("acme", 5, tag: "t\(state)")])
                        let count = begun.withLock { count in
                            count += 1
                            return count
                        }
                        guard count == 1 else { return }
                        throw LedgerError(PostgresError(.server, "met another", sqlState: state))
                    }
                }
                if tries > 1 {
                    try await change()
                } else {
                    await #expect(throws: LedgerError.self) { try await change() }
                }
                #expect(begun.withLock { $0 } == tries)
            }
            #expect(try await f.admin.budgets(tenant: "acme").map(\.tag) == [nil, "t40P01"])
        }
    }

    @Test("a tenant's version rises by whatever changes its teams, keys and budgets, however many rows that are")
    func versions() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            _ = try await f.admin.createTenant(name: "other")
            var seen: Set<String> = []
            func changes(_ sql: String, isSeen: Bool = true) async throws {
                let now = try await f.pool.query("select name || ':' || version as v from tenants order by id").rows
                    .map { try $0.get("v", as: String.self) }.joined(separator: " ")
                #expect(seen.insert(now).inserted == isSeen, "\(sql): \(now)")
            }
            try await changes("at first")
            for sql in [
                "insert into teams (tenant_id, name) select \(f.tenant.id), 't' || i from generate_series(1, 3) i",
                "update teams set suspended_at = now() where name like 't_'", "delete from teams where name like 't_'",
                "update api_keys set suspended_at = now()", "update budgets set limit_n = limit_n + 1",
                "insert into budgets (tenant_id, tag, cycle, limit_n) select id, 'x', 'day', 1 from tenants",
                "delete from budgets where tag = 'x'",
            ] {
                try await f.run(sql)
                try await changes(sql)
            }
            try await f.run("update budgets set limit_n = 1 where tag = 'none'")
            try await changes("no row", isSeen: false)
        }
    }
}
