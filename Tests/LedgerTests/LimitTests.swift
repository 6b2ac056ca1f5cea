import Foundation
import GatewayCore
import Ledger
import Postgres
import Testing

@Suite("Rate limits of paid calls")
struct LimitTests {
    private func limit(_ outcome: ReservationOutcome) -> LimitState? {
        if case .limited(let state) = outcome { state } else { nil }
    }

    private func call(_ f: LedgerFixture, tokens: Int64 = 0, tags: [String] = []) -> Reservation {
        var call = f.reservation(10)
        (call.tokens, call.tags) = (tokens, tags)
        return call
    }

    @Test(
        "requests per minute of tenant, team or key: the next is refused with what is used, and granted a minute later",
        arguments: ["tenant:acme", "team:research", "key"])
    func requests(scope: String) async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let scopes: [String: BudgetScope] = ["team:research": .team("research"), "key": .key(f.key.info.id)]
            let set = try await f.admin.setLimit(
                LimitDraft(tenant: "acme", scope: scopes[scope] ?? .tenant, unit: .requests, limit: 3))
            #expect(set.limit == 3 && set.used == 0 && set.resetsAt != nil)
            let clock = SettableClock(moment("2031-03-10T12:00:20Z"))
            let ledger = try await f.ledger(now: { clock.now })
            let first = call(f)
            #expect(try await ledger.reserve(first).isGranted)
            // It was asked for: that it failed and cost nothing changes nothing.
            await ledger.settle(.of(first.id, .failed, 0))
            for _ in 0..<2 { #expect(try await ledger.reserve(call(f)).isGranted) }
            let name = scope == "key" ? "key:\(f.key.info.id)" : scope
            let expected = LimitState(
                unit: .requests, scope: name, limit: 3, used: 3, resetsAt: moment("2031-03-10T12:01:00Z"),
                needed: 1)
            #expect(limit(try await ledger.reserve(call(f))) == expected)
            clock.now = moment("2031-03-10T12:01:00Z")
            #expect(try await ledger.reserve(call(f)).isGranted)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("tokens: the hold counts the most that a call may use, the settlement gives back what it did not")
    func tokens() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            _ = try await f.admin.setLimit(LimitDraft(tenant: "acme", unit: .tokens, limit: 1000))
            let clock = SettableClock(moment("2031-03-10T12:00:20Z"))
            let ledger = try await f.ledger(now: { clock.now })
            let calls = [call(f, tokens: 600), call(f, tokens: 400)]
            for call in calls { #expect(try await ledger.reserve(call).isGranted) }
            let full = limit(try await ledger.reserve(call(f, tokens: 1)))
            #expect(full?.unit == .tokens && full?.used == 1000 && full?.limit == 1000)
            // The fixture's usage: 3 in, 2 out.
            await ledger.settle(.of(calls[0].id, 10))
            #expect(limit(try await ledger.reserve(call(f, tokens: 596)))?.used == 405)
            #expect(try await ledger.reserve(call(f, tokens: 595)).isGranted)
            // Nobody knows what an estimated call used: all of it counts.
            await ledger.settle(.of(calls[1].id, .estimated, 0))
            #expect(limit(try await ledger.reserve(call(f, tokens: 1)))?.used == 1000)
            clock.now = moment("2031-03-10T12:01:20Z")
            let never = limit(try await ledger.reserve(call(f, tokens: 1001)))
            #expect(never?.used == 0 && never?.needed == 1001)
            #expect(try await ledger.reserve(call(f, tokens: 1000)).isGranted)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("parallel calls: a place is free again at settlement, however the call ended")
    func parallel() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            _ = try await f.admin.setLimit(LimitDraft(tenant: "acme", unit: .parallel, limit: 2))
            let ledger = try await f.ledger()
            for outcome in [CallOutcome.completed, .failed, .estimated] {
                let calls = [call(f), call(f)]
                for call in calls { #expect(try await ledger.reserve(call).isGranted) }
                let state = limit(try await ledger.reserve(call(f)))
                let full = LimitState(
                    unit: .parallel, scope: "tenant:acme", limit: 2, used: 2, resetsAt: nil, needed: 1)
                #expect(state == full)
                for call in calls { await ledger.settle(.of(call.id, outcome, 5)) }
            }
            #expect(try await f.admin.limits(tenant: "acme").first?.used == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("places that a dead gateway held are free again once its holds are recovered")
    func leaked() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            _ = try await f.admin.setLimit(LimitDraft(tenant: "acme", unit: .parallel, limit: 2))
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let dead = try await f.ledger(journal: journal)
            let calls = [call(f), call(f)]
            for call in calls { #expect(try await dead.reserve(call).isGranted) }
            try await f.run("update holds set state = 'r' where request_id = '\(calls[0].id.request)'")
            #expect(limit(try await f.ledger().reserve(call(f)))?.used == 2)
            let next = try await f.ledger(journal: journal)
            for _ in 0..<2 { #expect(try await next.reserve(call(f)).isGranted) }
            // A late settlement of a recovered hold frees nothing a second time.
            await dead.settle(.of(calls[1].id, 5))
            #expect(limit(try await next.reserve(call(f)))?.used == 2)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("limits of a model pattern or a tag count only what matches; money that is short is named before a limit")
    func matching() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            var draft = LimitDraft(tenant: "acme", unit: .requests, limit: 0)
            draft.tag = "batch"
            _ = try await f.admin.setLimit(draft)
            draft.tag = nil
            draft.model = "other/*"
            _ = try await f.admin.setLimit(draft)
            let ledger = try await f.ledger()
            #expect(try await ledger.reserve(call(f)).isGranted)
            #expect(limit(try await ledger.reserve(call(f, tags: ["batch"])))?.scope == "tenant:acme tag:batch")
            var dear = call(f, tags: ["batch"])
            dear.amount = NanoUSD(91)
            #expect(try await ledger.reserve(dear).refusedBy?.scope == "tenant:acme")
            draft.model = nil
            draft.tag = "batch"
            _ = try await f.admin.removeLimit(draft)
            #expect(try await ledger.reserve(call(f, tags: ["batch"])).isGranted)
            await #expect(throws: LedgerError.self) { try await f.admin.removeLimit(draft) }
            #expect(try await f.admin.limits(tenant: "acme").map(\.model) == ["other/*"])
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a changed limit holds within its minute, and what was used counts")
    func change() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let set = try await f.admin.setLimit(LimitDraft(tenant: "acme", unit: .requests, limit: 5))
            let clock = SettableClock(moment("2031-03-10T12:00:20Z"))
            let ledger = try await f.ledger(now: { clock.now })
            for _ in 0..<4 { #expect(try await ledger.reserve(call(f)).isGranted) }
            try await f.run("select gboost_set_limit(\(set.id), 2, '2031-03-10T12:00:30Z')")
            #expect(limit(try await ledger.reserve(call(f)))?.used == 4)
            try await f.run("select gboost_set_limit(\(set.id), 5, '2031-03-10T12:00:40Z')")
            #expect(try await ledger.reserve(call(f)).isGranted)
            #expect(limit(try await ledger.reserve(call(f)))?.limit == 5)
            let again = try await f.admin.setLimit(LimitDraft(tenant: "acme", unit: .requests, limit: 7))
            #expect(again.id == set.id && again.limit == 7)
            await #expect(throws: LedgerError.self) {
                try await f.admin.setLimit(LimitDraft(tenant: "acme", unit: .parallel, limit: -1))
            }
        }
    }

    @Test("limits of local traffic are kept apart: no paid call is tested against them")
    func local() async throws {
        try await LedgerFixture.with { f in
            let draft = LimitDraft(tenant: "acme", scope: .team("research"), unit: .requests, traffic: .local, limit: 0)
            let set = try await f.admin.setLimit(draft)
            #expect(set.used == nil && set.scope == "team:research")
            #expect(try await f.ledger().reserve(call(f)).isGranted)
            let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
            let catalog = CatalogStore(pool: f.pool, hasher: hasher, logger: .quiet)
            try await catalog.refresh()
            let caller = try await catalog.authenticate(f.key.secret)
            let team = try #require(caller.teamID)
            let known = LocalLimit(scope: .team(team), name: "team:research", unit: .requests, limit: 0)
            #expect(await catalog.localLimits(caller) == [known])
            #expect(await catalog.localLimits(f.caller) == [])
            var wrong = draft
            wrong.model = "sim/*"
            await #expect(throws: LedgerError.self) { try await f.admin.setLimit(wrong) }
            var higher = draft
            higher.limit = 9
            #expect(try await f.admin.setLimit(higher).id == set.id)
            #expect(try await f.admin.limits(tenant: "acme").map(\.limit) == [9])
            try await f.admin.removeLimit(draft)
            #expect(try await f.admin.limits(tenant: "acme").isEmpty)
        }
    }

    @Test(
        "three gateways racing grant exactly what each unit allows",
        arguments: [LimitUnit.requests, .tokens, .parallel])
    func race(unit: LimitUnit) async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            _ = try await f.admin.setLimit(LimitDraft(tenant: "acme", unit: unit, limit: unit == .tokens ? 1000 : 10))
            let clock = SettableClock(moment("2031-03-10T12:00:20Z"))
            var (ledgers, pools): ([PostgresLedger], [PostgresPool]) = ([], [])
            for _ in 0..<3 {
                let pool = try LedgerFixture.pool(f.url, size: 8)
                pools.append(pool)
                ledgers.append(try await f.ledger(pool: pool, now: { clock.now }))
            }
            let all = ledgers
            let granted = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<100 {
                    let call = call(f, tokens: 100)
                    group.addTask {
                        guard try await all[index % all.count].reserve(call).isGranted else { return 0 }
                        return 1
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(granted == 10)
            #expect(try await f.violations() == 0)
            for pool in pools { await pool.close(within: .seconds(1)) }
        }
    }
}
