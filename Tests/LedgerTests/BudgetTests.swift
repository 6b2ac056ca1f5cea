import Foundation
import GatewayCore
import Ledger
import Testing

@Suite("What budgets apply to")
struct BudgetTests {
    struct Window: Sendable, CustomTestStringConvertible {
        var window: BudgetWindow
        var weekStart: Int?
        /// What the period's row ends in.
        var suffix: Int64
        var period: String
        var resetsAt: String?
        var testDescription: String { "\(window) from day \(weekStart ?? 1)" }
    }

    static let windows = [
        Window(window: .day, suffix: 20_261_128, period: "day:2026-11-28", resetsAt: "2026-11-29T00:00:00Z"),
        Window(window: .week, suffix: 20_261_123, period: "week:2026-W48", resetsAt: "2026-11-30T00:00:00Z"),
        Window(
            window: .week, weekStart: 7, suffix: 20_261_122, period: "week:2026-11-22",
            resetsAt: "2026-11-29T00:00:00Z"),
        Window(
            window: .week, weekStart: 6, suffix: 20_261_128, period: "week:2026-11-28",
            resetsAt: "2026-12-05T00:00:00Z"),
        Window(window: .month, suffix: 20_261_100, period: "month:2026-11", resetsAt: "2026-12-01T00:00:00Z"),
        Window(window: .quarter, suffix: 20_261_001, period: "quarter:2026-Q4", resetsAt: "2027-01-01T00:00:00Z"),
        Window(window: .total, suffix: 0, period: "total", resetsAt: nil),
    ]

    @Test("every window has its period, and opens anew when that is over", arguments: windows)
    func window(_ test: Window) async throws {
        try await LedgerFixture.with(limit: nil) { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: test.window, limit: NanoUSD(100), weekStart: test.weekStart))
            let clock = SettableClock(moment("2026-11-28T12:00:00Z"))
            let ledger = try await f.ledger(now: { clock.now })
            #expect(try await ledger.reserve(f.reservation(100)).isGranted)
            let refusal = try await ledger.reserve(f.reservation(1)).refusedBy
            #expect(refusal?.period == test.period)
            #expect(refusal?.resetsAt == test.resetsAt.map { moment($0) })
            #expect(try await f.number("select id % 100000000 from budget_periods") == test.suffix)
            clock.now = test.resetsAt.map { moment($0) } ?? moment("2036-01-01T00:00:00Z")
            #expect(try await ledger.reserve(f.reservation(1)).isGranted == (test.resetsAt != nil))
            #expect(try await f.violations() == 0)
        }
    }

    @Test("several budgets at once must all fit; what one refuses burdens none, and the refusal names the tightest")
    func several() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            for (scope, window, limit) in [
                (BudgetScope.team("research"), BudgetWindow.day, Int64(500)), (.key(f.key.info.id), .week, 300),
                (.tenant, .total, 700), (.tenant, .quarter, 900),
            ] {
                _ = try await f.admin.setBudget(
                    BudgetDraft(tenant: "acme", scope: scope, window: window, limit: NanoUSD(limit)))
            }
            let ledger = try await f.ledger()
            #expect(try await ledger.reserve(f.reservation(301)).refusedBy?.scope == "key:\(f.key.info.id)")
            #expect(try await f.number("select sum(held) from budget_periods") == 0)
            let call = f.reservation(300)
            guard case .granted(let tightest) = try await ledger.reserve(call) else {
                Issue.record("300 fit all")
                return
            }
            #expect(tightest.scope == "key:\(f.key.info.id)" && tightest.remaining == .zero)
            #expect(try await f.number("select sum(held) from budget_periods") == 1500)
            await ledger.settle(.of(call.id, 120))
            #expect(try await f.number("select sum(settled) from budget_periods") == 600)
            #expect(try await ledger.reserve(f.reservation(180)).isGranted)
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", scope: .key(f.key.info.id), window: .week, limit: NanoUSD(10_000)))
            #expect(try await ledger.reserve(f.reservation(201)).refusedBy?.scope == "team:research")
            #expect(try await f.violations() == 0)
        }
    }

    @Test("after an overrun the limit is still the one that was set, and beside it stands how far it is exceeded")
    func overrun() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            let ledger = try await f.ledger()
            let call = f.reservation(600)
            #expect(try await ledger.reserve(call).isGranted)
            await ledger.settle(.of(call.id, 1100))
            let over = try #require(try await f.admin.budgets(tenant: "acme").first)
            #expect(over.limit == NanoUSD(1000) && over.periodLimit == NanoUSD(1000))
            #expect(over.overBy == NanoUSD(100) && over.state.limit == NanoUSD(1100))
            let lowered = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(500)))
            #expect(lowered.periodLimit == NanoUSD(500) && lowered.overBy == NanoUSD(600))
            let topped = try await f.admin.topUpBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(700)))
            #expect(topped.periodLimit == NanoUSD(1200) && topped.overBy == .zero)
            #expect(topped.state.limit == NanoUSD(1200))
        }
    }

    @Test("a budget of a model pattern or a tag counts only the calls that match")
    func matching() async throws {
        try await LedgerFixture.with(limit: 1000) { f in
            let other = ModelReference(provider: "sim", model: "other")
            let price = try await f.admin.setPrice(
                PriceDraft(
                    model: other, inputUSDPerMtok: "1", outputUSDPerMtok: "1",
                    effectiveAt: moment("2020-01-01T00:00:00Z")))
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", model: "sim/gen*", window: .total, limit: NanoUSD(50)))
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", tag: "batch", window: .total, limit: NanoUSD(30)))
            let ledger = try await f.ledger()
            func call(_ amount: Int64, _ tags: [String] = [], isOther: Bool = false) -> Reservation {
                var call = f.reservation(amount)
                call.tags = tags
                if isOther { (call.model, call.priceID) = (other, price.price.id) }
                return call
            }
            #expect(try await ledger.reserve(call(51)).refusedBy?.scope == "tenant:acme model:sim/gen*")
            #expect(try await ledger.reserve(call(51, isOther: true)).isGranted)
            let refusal = try await ledger.reserve(call(31, ["night", "batch"], isOther: true)).refusedBy
            #expect(refusal?.scope == "tenant:acme tag:batch")
            #expect(try await ledger.reserve(call(31, ["batches"], isOther: true)).isGranted)
            #expect(try await ledger.reserve(call(30, ["batch"])).isGranted)
            #expect(try await ledger.reserve(call(21)).refusedBy?.remaining == NanoUSD(20))
            #expect(try await f.violations() == 0)
        }
    }

    @Test(
        "the ceiling of a request counts all its steps and attempts, what they cost or may cost, and no other request")
    func ceiling() async throws {
        try await LedgerFixture.with(limit: 100_000) { f in
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", window: .request, limit: NanoUSD(300)))
            let ledger = try await f.ledger()
            let request = UUID()
            func call(_ amount: Int64, _ step: Int16, _ attempt: Int16 = 0) -> Reservation {
                f.reservation(amount, id: HoldID(request: request, step: step, attempt: attempt))
            }
            #expect(try await ledger.reserve(call(100, 0)).isGranted)
            await ledger.settle(.of(call(0, 0).id, 80))
            #expect(try await ledger.reserve(call(100, 1)).isGranted)
            await ledger.settle(.of(call(0, 1).id, .failed, 0))
            #expect(try await ledger.reserve(call(200, 1, 1)).isGranted)
            let refusal = try await ledger.reserve(call(21, 2)).refusedBy
            #expect(refusal?.period == "request" && refusal?.limit == NanoUSD(300))
            #expect(refusal?.remaining == NanoUSD(20))
            #expect(try await ledger.reserve(call(20, 3)).isGranted)
            #expect(try await ledger.reserve(f.reservation(300)).isGranted)
            #expect(try await ledger.reserve(f.reservation(301)).refusedBy?.period == "request")
            let crowd = UUID()
            let granted = try await withThrowingTaskGroup(of: Bool.self) { group in
                for step in 0..<10 {
                    let call = f.reservation(100, id: HoldID(request: crowd, step: Int16(step), attempt: 0))
                    group.addTask { try await ledger.reserve(call).isGranted }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(granted == 3)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a ceiling alone is no budget, and neither is one for some models only: nothing may be spent")
    func noBudget() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", window: .request, limit: NanoUSD(300)))
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", model: "other/*", limit: NanoUSD(300)))
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", scope: .key(f.key.info.id), limit: NanoUSD(300)))
            let ledger = try await f.ledger()
            #expect(try await ledger.reserve(f.reservation(1)) == .noBudget)
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(300)))
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            let removed = try await f.admin.removeBudget(BudgetDraft(tenant: "acme", limit: .zero))
            #expect(removed.state.held == NanoUSD(1))
            #expect(try await ledger.reserve(f.reservation(1)) == .noBudget)
            #expect(try await f.admin.budgets(tenant: "acme").count == 3)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a suspended tenant, team or key is turned away at once, by the ledger and by the catalogue, until resumed")
    func suspension() async throws {
        try await LedgerFixture.with { f in
            let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
            let catalog = CatalogStore(pool: f.pool, hasher: hasher, logger: .quiet)
            let ledger = try await f.ledger()
            func expect(_ failure: AuthenticationFailure?, _ name: Comment) async throws {
                let outcome = try await ledger.reserve(f.reservation(1))
                #expect(failure == nil ? outcome.isGranted : outcome == .callerRejected, name)
                try await catalog.refresh()
                do {
                    _ = try await catalog.authenticate(f.key.secret)
                    #expect(failure == nil, name)
                } catch { #expect(error == failure, name) }
            }
            try await expect(nil, "before")
            for isSuspended in [true, false] {
                try await f.admin.setTenantSuspended(isSuspended, tenant: "acme")
                try await expect(isSuspended ? .tenantSuspended : nil, "tenant")
            }
            for isSuspended in [true, false] {
                try await f.admin.setTeamSuspended(isSuspended, team: "research", tenant: "acme")
                try await expect(isSuspended ? .suspended : nil, "team")
            }
            for isSuspended in [true, false] {
                let info = try await f.admin.setKeySuspended(isSuspended, key: f.key.info.id)
                #expect((info.suspendedAt != nil) == isSuspended)
                try await expect(isSuspended ? .suspended : nil, "key")
            }
        }
    }
}
