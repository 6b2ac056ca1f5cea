import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

/// A budget that changes while calls are on their way: what waited for the change goes by what it changed.
@Suite("A change of budgets and the calls that wait for it")
struct PlanChangeTests {
    /// Makes changes and keeps them to itself for a while; goes on when they are made and not committed.
    private static func slowly(
        _ f: LedgerFixture, _ change: @escaping @Sendable (AdminStore) async throws -> Void
    ) async -> Task<Void, any Error> {
        let made = AsyncStream<Void>.makeStream()
        let task = Task {
            defer { made.continuation.finish() }
            try await f.admin.inOneTransaction { store in
                try await change(store)
                made.continuation.finish()
                try await Task.sleep(for: .milliseconds(700))
            }
        }
        for await _ in made.stream {}
        return task
    }

    /// A lower limit for the tenant, and one of 10 a day for its key.
    private static func narrowing(_ f: LedgerFixture) async -> Task<Void, any Error> {
        let key = f.key.info.id
        return await slowly(f) { store in
            _ = try await store.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(90)))
            _ = try await store.setBudget(
                BudgetDraft(tenant: "acme", scope: .key(key), window: .day, limit: NanoUSD(10)))
        }
    }

    @Test("a call that waited while the week was cut anew counts in the new week, not beside it")
    func recut() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            // Wednesday and Sunday: no day is the first of both weeks, and one of them is not today.
            let budget = BudgetDraft(tenant: "acme", window: .week, limit: NanoUSD(100), weekStart: 3)
            _ = try await f.admin.setBudget(budget)
            let ledger = try await f.ledger()
            let first = f.reservation(1)
            #expect(try await ledger.reserve(first).isGranted)
            await ledger.settle(.of(first.id, 0))

            let change = await Self.slowly(f) { store in
                var draft = budget
                draft.weekStart = 7
                _ = try await store.setBudget(draft)
            }
            #expect(try await ledger.reserve(f.reservation(80)).isGranted)
            try await change.value
            #expect(try await ledger.reserve(f.reservation(30)).refusedBy != nil)
            let newest = "(select held from budget_periods where held > 0 order by id desc limit 1)"
            #expect(try await f.number(newest) == 80)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a call that waited while a key got a budget of its own is bound by it")
    func newBudget() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let ledger = try await f.ledger()
            let first = f.reservation(1)
            #expect(try await ledger.reserve(first).isGranted)
            await ledger.settle(.of(first.id, 0))
            let change = await Self.narrowing(f)
            #expect(try await ledger.reserve(f.reservation(80)).refusedBy != nil)
            try await change.value
            #expect(try await f.number("select count(*) from holds where state = 'd'") == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("the same for a batch that is tried call by call")
    func oneByOne() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let ledger = try await f.ledger()
            // A ceiling of its requests: a call of such a key is always tried by itself.
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", window: .request, limit: NanoUSD(1000)))
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            let change = await Self.narrowing(f)
            #expect(try await ledger.reserve(f.reservation(80)).refusedBy != nil)
            try await change.value
            #expect(try await f.number("select count(*) from holds where state = 'd'") == 1)
        }
    }

    @Test("several budgets that change in one transaction, in any order, never deadlock with calls")
    func ordered() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            let key = f.key.info.id
            let ofKey = BudgetDraft(tenant: "acme", scope: .key(key), window: .day, limit: NanoUSD(1000))
            _ = try await f.admin.setBudget(ofKey)
            let ledger = try await f.ledger()
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            let change = Task {
                try await f.admin.inOneTransaction { store in
                    try await store.lockBudgets(of: ["acme"])
                    var draft = ofKey
                    draft.limit = NanoUSD(900)
                    _ = try await store.setBudget(draft)
                    try await Task.sleep(for: .milliseconds(600))
                    _ = try await store.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(800)))
                }
            }
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            try await change.value
            #expect(
                try await f.number("select deadlocks from pg_stat_database where datname = current_database()") == 0)
        }
    }

    @Test("limits that are set together, in any order, never deadlock with calls")
    func limitsTogether() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            // In the order of their numbers, in which calls lock them.
            let drafts = [
                LimitDraft(tenant: "acme", scope: .key(f.key.info.id), unit: .parallel, limit: 9),
                LimitDraft(tenant: "acme", unit: .parallel, limit: 9),
            ]
            for draft in drafts { _ = try await f.admin.setLimit(draft) }
            let ledger = try await f.ledger()
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            // The last one's period is somebody else's, until both have taken what they can get before it.
            let taken = AsyncStream<Void>.makeStream()
            let other = Task {
                defer { taken.continuation.finish() }
                try await f.pool.transaction { transaction in
                    _ = try await transaction.query(
                        "select id from budget_periods order by id desc limit 1 for no key update")
                    taken.continuation.finish()
                    try await Task.sleep(for: .milliseconds(900))
                }
            }
            for await _ in taken.stream {}
            let change = Task { try await f.admin.setLimits(drafts.reversed()) }
            try await Task.sleep(for: .milliseconds(300))
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            try await other.value
            #expect(try await change.value.map(\.scope) == ["tenant:acme", "key:\(f.key.info.id)"])
            #expect(
                try await f.number("select deadlocks from pg_stat_database where datname = current_database()") == 0)
        }
    }

    @Test("weeks cut anew and back again carry nothing over that was spent in between")
    func carriedOnce() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            let clock = SettableClock(moment("2026-08-31T12:00:00Z"))
            func set(_ day: Int) async throws {
                let draft = BudgetDraft(
                    tenant: "acme", window: .week, limit: NanoUSD(100), weekStart: day,
                    rollover: .upTo(NanoUSD(100)))
                _ = try await f.admin.setBudget(draft)
            }
            try await set(1)
            try await f.run("update budgets set created_at = '2026-08-31 00:00+00'")
            let ledger = try await f.ledger(now: { clock.now })
            func spendAll() async throws {
                let call = f.reservation(100)
                #expect(try await ledger.reserve(call).isGranted, "\(clock.now)")
                await ledger.settle(.of(call.id, 100))
            }
            try await spendAll()
            try await f.run("select gboost_recut(id, null, 7::smallint, '2026-09-02 12:00+00') from budgets")
            try await f.run("update tenants set version = version + 1")
            for week in 0..<8 {
                clock.now = moment("2026-09-06T12:00:00Z") + Double(week) * 7 * 86_400
                try await spendAll()
            }
            clock.now = moment("2026-10-28T12:00:00Z")
            try await f.run("select gboost_recut(id, null, 1::smallint, '2026-10-28 12:00+00') from budgets")
            try await f.run("update tenants set version = version + 1")
            #expect(try await ledger.reserve(f.reservation(101)).refusedBy != nil)
            #expect(try await ledger.reserve(f.reservation(100)).isGranted)
            #expect(try await f.number("select sum(carried) from budget_periods") == 0)
        }
    }
}
