import Foundation
import GatewayCore
import Ledger
import Postgres
import Testing

@Suite("Budgets that change")
struct BudgetChangeTests {
    private static func day(_ text: String, _ hour: String = "12:00") -> Date { moment("\(text)T\(hour):00Z") }

    private func spend(_ f: LedgerFixture, _ ledger: PostgresLedger, _ amount: Int64) async throws {
        let call = f.reservation(amount)
        #expect(try await ledger.reserve(call).isGranted, "\(amount)")
        await ledger.settle(.of(call.id, amount))
    }

    /// What may still be held, found by asking for too much.
    private func room(_ f: LedgerFixture, _ ledger: PostgresLedger) async throws -> Int64? {
        try await ledger.reserve(f.reservation(1_000_000_000)).refusedBy?.remaining.rawValue
    }

    @Test("a changed limit holds at once, never below what is used; a top-up is for the current period only")
    func limits() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            let ledger = try await f.ledger()
            try await spend(f, ledger, 600)
            let lowered = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(500)))
            #expect(lowered.limit == NanoUSD(500) && lowered.state.limit == NanoUSD(600))
            #expect(try await room(f, ledger) == 0)
            let topped = try await f.admin.topUpBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(300)))
            #expect(topped.topUp == NanoUSD(300) && topped.state.limit == NanoUSD(800))
            #expect(try await room(f, ledger) == 200)
            let raised = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(900)))
            #expect(raised.state.limit == NanoUSD(1200) && raised.topUp == NanoUSD(300))
            #expect(try await room(f, ledger) == 600)
            #expect(try await f.violations() == 0)
        }
    }

    @Test(
        "an override counts for the periods that begin within it, the newest of several; taken back, it is over at once"
    )
    func overrides() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let clock = SettableClock(Self.day("2031-03-10"))
            let ledger = try await f.ledger(now: { clock.now })
            let draft = BudgetDraft(tenant: "acme", limit: NanoUSD(700))
            _ = try await f.admin.overrideBudget(draft, from: "2031-03-01", until: "2031-05-01")
            var newer = draft
            newer.limit = NanoUSD(400)
            _ = try await f.admin.overrideBudget(newer, from: "2031-04-01", until: "2031-04-02")
            #expect(try await room(f, ledger) == 700)
            clock.now = Self.day("2031-04-10")
            #expect(try await room(f, ledger) == 400)
            clock.now = Self.day("2031-05-10")
            #expect(try await room(f, ledger) == 100)
            let list = try await f.admin.overrides(of: draft)
            #expect(list.map(\.limit) == [NanoUSD(700), NanoUSD(400)])
            #expect(list.map(\.until) == ["2031-05-01", "2031-04-02"])
            let last = try #require(list.last)
            clock.now = Self.day("2031-04-20")
            _ = try await f.admin.removeOverride(last.id, of: draft)
            #expect(try await room(f, ledger) == 700)
            await #expect(throws: LedgerError.self) { try await f.admin.removeOverride(last.id, of: draft) }
            for (from, until) in [
                ("2031-02-29", "2031-03-01"), ("2031-03-02", "2031-03-02"), ("x", "2031-03-01"),
                ("2031-03-+1", "2031-03-09"),
            ] {
                await #expect(throws: LedgerError.self, "\(from)") {
                    try await f.admin.overrideBudget(draft, from: from, until: until)
                }
            }
            #expect(try await f.violations() == 0)
        }
    }

    @Test("what is left rolls over up to the cap, also past periods without traffic, and cannot be granted twice")
    func rollover() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(100), rollover: .upTo(NanoUSD(60))))
            try await f.run("update budgets set created_at = '2031-03-01T00:00:00Z' where cycle = 'day'")
            let clock = SettableClock(Self.day("2031-03-01"))
            let ledger = try await f.ledger(now: { clock.now })
            #expect(try await room(f, ledger) == 100)
            try await spend(f, ledger, 50)
            #expect(try await ledger.reserve(f.reservation(20)).isGranted)
            clock.now = Self.day("2031-03-02")
            #expect(try await room(f, ledger) == 130)
            // The day before has passed on all that it had left: a gateway whose clock is late gets nothing of it.
            clock.now = Self.day("2031-03-01", "23:59")
            #expect(try await room(f, ledger) == 0)
            clock.now = Self.day("2031-03-04")
            #expect(try await room(f, ledger) == 160)
            clock.now = Self.day("2031-03-02", "23:59")
            #expect(try await room(f, ledger) == 70)
            // No roll-over any more: periods that open from now on have the plain limit.
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(100), rollover: BudgetRollover.none))
            clock.now = Self.day("2031-03-05")
            #expect(try await room(f, ledger) == 100)
            #expect(try await f.violations() == 0)
        }
    }

    enum Change: CaseIterable, Sendable { case limit, limitAlone, rollover, overridden, takenBack }

    @Test("idle periods pass on what they had, however the budget changes after them", arguments: Change.allCases)
    func idle(_ change: Change) async throws {
        try await LedgerFixture.with(limit: nil) { f in
            var draft = BudgetDraft(tenant: "acme", limit: NanoUSD(100), rollover: .upTo(NanoUSD(1000)))
            let id = try await f.admin.setBudget(draft).id
            // A month has gone by without a call, and this one has had none yet.
            try await f.run("update budgets set created_at = date_trunc('month', now()) - interval '10 days'")
            var (limit, carried): (Int64, Int64) = (1100, 100)
            switch change {
            case .limit:
                draft.limit = NanoUSD(1000)
                _ = try await f.admin.setBudget(draft)
            case .limitAlone: try await f.run("select gboost_set_limit(\(id), 1000)")
            case .rollover:
                draft.rollover = .upTo(NanoUSD(30))
                _ = try await f.admin.setBudget(draft)
                limit = 200
            case .overridden, .takenBack:
                draft.limit = NanoUSD(1000)
                _ = try await f.admin.overrideBudget(draft, from: "2020-01-01", until: "2120-01-01")
            }
            if change == .takenBack {
                // As if the override had been there all the time: the idle month had it, this one has it no more.
                try await f.run("delete from budget_periods")
                let list = try await f.admin.overrides(of: draft)
                let last = try #require(list.last)
                _ = try await f.admin.removeOverride(last.id, of: draft)
                carried = 1000
            }
            #expect(try await f.number("select carried from budget_periods") == carried)
            let ledger = try await f.ledger()
            #expect(try await room(f, ledger) == limit)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("of many gateways that open a period at once, one carries over, and nothing gets lost on the way")
    func rolloverRace() async throws {
        try await LedgerFixture.with(limit: 1_000_000, poolSize: 12) { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(100), rollover: .upTo(NanoUSD(60))))
            try await f.run("update budgets set created_at = '2031-03-01T00:00:00Z' where cycle = 'day'")
            let clock = SettableClock(Self.day("2031-03-01"))
            var ledgers: [PostgresLedger] = []
            for _ in 0..<4 { ledgers.append(try await f.ledger(now: { clock.now })) }
            for (index, ledger) in ledgers.enumerated() where index == 0 { try await spend(f, ledger, 10) }
            clock.now = Self.day("2031-03-02")
            let all = ledgers
            let granted = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<40 {
                    group.addTask { try await all[index % all.count].reserve(f.reservation(10)).isGranted ? 1 : 0 }
                }
                return try await group.reduce(0, +)
            }
            #expect(granted == 16)
            let moved = "from budget_periods p join budgets b on b.id = p.id / 100000000 where b.cycle = 'day'"
            #expect(try await f.number("select sum(p.passed_on) \(moved)") == 60)
            #expect(try await f.number("select sum(p.carried) \(moved)") == 60)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a budget that is cut anew by another zone counts what was spent or held since its new period began")
    func recut() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let budget = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(100), timeZone: "UTC"))
            let clock = SettableClock(Self.day("2031-03-10", "22:30"))
            let ledger = try await f.ledger(now: { clock.now })
            try await spend(f, ledger, 10)
            clock.now = Self.day("2031-03-10", "23:30")
            try await spend(f, ledger, 40)
            #expect(try await ledger.reserve(f.reservation(20)).isGranted)
            #expect(try await room(f, ledger) == 30)
            // In Berlin it is half past midnight: a new day, with 60 used in it.
            let recut = "select gboost_recut(\(budget.id), '%', 1::smallint, '2031-03-10T23:30:00Z')"
            try await f.run(recut.replacing("%", with: "Europe/Berlin"))
            #expect(try await room(f, ledger) == 40)
            try await spend(f, ledger, 40)
            try await f.run(recut.replacing("%", with: "UTC"))
            #expect(try await room(f, ledger) == 0)
            try await f.run(recut.replacing("%", with: "Europe/Berlin"))
            #expect(try await room(f, ledger) == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a tenant that moves takes along all its budgets but those with a zone of their own")
    func move() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            for scope in [BudgetScope.tenant, .team("research"), .key(f.key.info.id)] {
                _ = try await f.admin.setBudget(
                    BudgetDraft(
                        tenant: "acme", scope: scope, window: .day, limit: NanoUSD(100),
                        timeZone: scope == .tenant ? nil : scope == .team("research") ? nil : "UTC"))
            }
            let clock = SettableClock(Self.day("2031-03-10", "23:30"))
            let ledger = try await f.ledger(now: { clock.now })
            try await spend(f, ledger, 60)
            try await f.run("select gboost_move_tenant(\(f.tenant.id), 'Europe/Berlin', '2031-03-10T23:30:00Z')")
            #expect(try await room(f, ledger) == 40)
            let carried = "select -sum(elsewhere) from budget_periods where id % 100000000 = 20310311"
            #expect(try await f.number(carried) == -120)
            #expect(try await f.number("select count(*) from budget_periods where id % 100000000 = 20310310") == 3)
            #expect(try await f.admin.setTenantTimeZone("Asia/Tokyo", tenant: "acme").timeZone == "Asia/Tokyo")
            await #expect(throws: LedgerError.self) { try await f.admin.setTenantTimeZone("Mars", tenant: "acme") }
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a call that was under way when its tenant moved counts as what it cost, once it has ended")
    func movedUnderWay() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(100)))
            let clock = SettableClock(Self.day("2031-03-10", "23:30"))
            let ledger = try await f.ledger(now: { clock.now })
            let calls = [f.reservation(60), f.reservation(10)]
            for call in calls { #expect(try await ledger.reserve(call).isGranted) }
            try await f.run("select gboost_move_tenant(\(f.tenant.id), 'Europe/Berlin', '2031-03-10T23:30:00Z')")
            #expect(try await room(f, ledger) == 30)
            let count = "select gboost_count_moved('2031-03-10T23:31:00Z')::int"
            #expect(try await f.number(count) == 0)
            // Not as each of them ends, but once, when all have: it takes the rows that calls need.
            await ledger.settle(.of(calls[0].id, 5))
            #expect(try await f.number(count) == 0)
            #expect(try await room(f, ledger) == 30)
            await ledger.settle(.of(calls[1].id, 10))
            // One at a time, of all gateways.
            try await f.pool.transaction { transaction in
                _ = try await transaction.query("select pg_advisory_xact_lock(7161021, 10)")
                #expect(try await f.number(count) == 0)
            }
            #expect(try await f.number(count) == 1)
            #expect(try await f.number(count) == 0)
            #expect(try await room(f, ledger) == 85)
            #expect(try await f.number("select count(*) from moved_periods") == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a budget that is cut anew twice while a call is under way: the period in between is counted no more")
    func movedTwice() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(100)))
            let clock = SettableClock(Self.day("2031-03-10", "23:30"))
            let ledger = try await f.ledger(now: { clock.now })
            let call = f.reservation(60)
            #expect(try await ledger.reserve(call).isGranted)
            for zone in ["Europe/Berlin", "Pacific/Honolulu"] {
                try await f.run("select gboost_move_tenant(\(f.tenant.id), '\(zone)', '2031-03-10T23:30:00Z')")
            }
            // In Honolulu it is the tenth still: the call's own period counts it, and no other does.
            #expect(try await room(f, ledger) == 40)
            await ledger.settle(.of(call.id, 5))
            let count = "select gboost_count_moved('2031-03-10T23:31:00Z')::int"
            #expect(try await f.number(count) == 1)
            #expect(try await f.number(count) == 0)
            #expect(try await room(f, ledger) == 95)
            #expect(try await f.number("select count(*) from moved_periods") == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("budgets of a tenant that moved are counted in one go; one that cannot be counted keeps no other waiting")
    func movedTogether() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            var budgets: [Int64] = []
            for scope in [BudgetScope.tenant, .team("research"), .key(f.key.info.id)] {
                let draft = BudgetDraft(tenant: "acme", scope: scope, window: .day, limit: NanoUSD(100))
                budgets.append(try await f.admin.setBudget(draft).id)
            }
            let clock = SettableClock(Self.day("2031-03-10", "23:30"))
            let ledger = try await f.ledger(now: { clock.now })
            let call = f.reservation(60)
            #expect(try await ledger.reserve(call).isGranted)
            try await f.run("select gboost_move_tenant(\(f.tenant.id), 'Europe/Berlin', '2031-03-10T23:30:00Z')")
            let moved = "select count(*) from moved_periods"
            #expect(try await f.number(moved) == 3)
            await ledger.settle(.of(call.id, 5))
            try await f.run(
                "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$")
            try await f.run(
                """
                create trigger refuse before update on budget_periods for each row
                  when (new.id / 100000000 = \(budgets[0])) execute function refuse()
                """)
            let count = "select gboost_count_moved('2031-03-10T23:31:00Z')::int"
            #expect(try await f.number(count) == 1)
            #expect(try await f.number(moved) == 1)
            #expect(try await f.number(count) == 0)
            try await f.run("drop trigger refuse on budget_periods")
            #expect(try await f.number(count) == 1)
            #expect(try await f.number(moved) == 0)
            #expect(try await room(f, ledger) == 95)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("weeks that begin on another day pass on what is left of them, once")
    func weekStart() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let budget = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: .week, limit: NanoUSD(100), rollover: .upTo(NanoUSD(100))))
            try await f.run("update budgets set created_at = '2031-03-03T00:00:00Z' where cycle = 'week'")
            let clock = SettableClock(Self.day("2031-03-06"))
            let ledger = try await f.ledger(now: { clock.now })
            try await spend(f, ledger, 80)
            try await f.run("select gboost_recut(\(budget.id), null, 7::smallint, '2031-03-06T12:00:00Z')")
            #expect(try await room(f, ledger) == 20)
            try await spend(f, ledger, 15)
            clock.now = Self.day("2031-03-09")
            #expect(try await room(f, ledger) == 105)
            clock.now = Self.day("2031-03-16")
            #expect(try await room(f, ledger) == 200)
            #expect(try await f.violations() == 0)
        }
    }
}
