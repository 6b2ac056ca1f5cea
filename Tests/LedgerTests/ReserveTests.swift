import Foundation
import GatewayCore
import Ledger
import Postgres
import Synchronization
import Testing

@Suite("Taking holds")
struct ReserveTests {
    @Test("a call that fits is granted, one that does not is refused with the budget that has least left")
    func fits() async throws {
        try await LedgerFixture.with { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", scope: .team("research"), limit: NanoUSD(500)))
            let ledger = try await f.ledger()
            guard case .granted(let tightest) = try await ledger.reserve(f.reservation(300)) else {
                Issue.record("not granted")
                return
            }
            #expect(tightest.scope == "team:research" && tightest.held == NanoUSD(300))
            #expect(tightest.remaining == NanoUSD(200))
            let refusal = try await ledger.reserve(f.reservation(201)).refusedBy
            #expect(refusal?.scope == "team:research" && refusal?.limit == NanoUSD(500))
            #expect(refusal?.held == NanoUSD(300) && refusal?.settled == .zero)
            #expect(refusal?.period.hasPrefix("month:") == true && (refusal?.resetsAt ?? .distantPast) > Date())
            #expect(try await ledger.reserve(f.reservation(200)).isGranted)
            #expect(try await ledger.budgets(f.caller).first?.remaining == .zero)
            #expect(try await f.number("select held from budget_periods where id / 100000000 = 1") == 500)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("the same reservation again is the same hold; with another amount, or once ended, it is an error")
    func idempotent() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let call = f.reservation(400)
            #expect(try await ledger.reserve(call).isGranted)
            #expect(try await ledger.reserve(call).isGranted)
            #expect(try await f.number("select sum(held) from budget_periods") == 400)
            var other = call
            other.amount = NanoUSD(401)
            await #expect(throws: LedgerUnavailable.self) { try await ledger.reserve(other) }
            await ledger.settle(.of(call.id, 10))
            await #expect(throws: LedgerUnavailable.self) { try await ledger.reserve(call) }
            #expect(try await f.number("select count(*) from holds") == 1)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("twenty copies of one reservation at once take one hold")
    func concurrentCopies() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let ledger = try await f.ledger()
            let call = f.reservation(60)
            let granted = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<20 { group.addTask { try await ledger.reserve(call).isGranted } }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(granted == 20)
            #expect(try await f.number("select held from budget_periods") == 60)
        }
    }

    @Test("without a budget of the tenant nothing may be spent, even if the key has one")
    func noBudget() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            let ledger = try await f.ledger()
            #expect(try await ledger.reserve(f.reservation(0)) == .noBudget)
            #expect(try await ledger.budgets(f.caller).isEmpty)
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", scope: .key(f.key.info.id), limit: NanoUSD(9)))
            #expect(try await ledger.reserve(f.reservation(1)) == .noBudget)
        }
    }

    @Test("a key revoked, expired, of a suspended tenant or of another one is refused by the database itself")
    func callers() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let other = try await f.admin.createTenant(name: "other")
            var stranger = f.reservation(1)
            stranger.caller.tenant.id = other.id
            #expect(try await ledger.reserve(stranger) == .callerRejected)
            try await f.admin.setTenantSuspended(true, tenant: "acme")
            #expect(try await ledger.reserve(f.reservation(1)) == .callerRejected)
            try await f.admin.setTenantSuspended(false, tenant: "acme")
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            try await f.run("update api_keys set expires_at = now() - interval '1 s'")
            #expect(try await ledger.reserve(f.reservation(1)) == .callerRejected)
            try await f.run("update api_keys set expires_at = null")
            try await f.admin.revokeKey(f.key.info.id)
            #expect(try await ledger.reserve(f.reservation(1)) == .callerRejected)
        }
    }

    @Test("an unknown, a future and a replaced price are refused")
    func prices() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            var call = f.reservation(1)
            call.priceID = 999
            #expect(try await ledger.reserve(call) == .priceUnknown)
            call = f.reservation(1)
            call.model.model = "other"
            #expect(try await ledger.reserve(call) == .priceUnknown)
            let future = try await f.admin.setPrice(
                PriceDraft(
                    model: LedgerFixture.model, inputUSDPerMtok: "3", outputUSDPerMtok: "3",
                    effectiveAt: Date() + 3600))
            call = f.reservation(1)
            call.priceID = future.price.id
            #expect(try await ledger.reserve(call) == .priceUnknown)
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            _ = try await f.admin.setPrice(
                PriceDraft(
                    model: LedgerFixture.model, inputUSDPerMtok: "2", outputUSDPerMtok: "2",
                    effectiveAt: Date() - 60))
            #expect(try await ledger.reserve(f.reservation(1)) == .priceUnknown)
        }
    }

    @Test("a cancelled reservation leaves no open hold")
    func cancelled() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            // Held up by a lock, so that the cancellation comes while the statement is under way.
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            let call = f.reservation(7)
            let cancelled = try await f.pool.transaction { transaction in
                _ = try await transaction.query("select 1 from budget_periods for update")
                let task = Task { try await ledger.reserve(call) }
                var looks = 0
                while try await f.number("select count(*) from pg_locks where not granted") == 0, looks < 12_000 {
                    looks += 1
                    try await Task.sleep(for: .milliseconds(5))
                }
                #expect(looks < 12_000, "the reservation never waited for the lock")
                task.cancel()
                return task
            }
            await #expect(throws: LedgerUnavailable.self) { try await cancelled.value }
            await ledger.drain()
            #expect(try await f.number("select count(*) from holds where state = 'd'") == 1)
            #expect(try await f.number("select count(*) from ledger_entries where kind = 'release'") == 1)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a reservation without an answer in time is given up, and cannot take a hold later")
    func tooLate() async throws {
        try await LedgerFixture.with { f in
            var configuration = LedgerConfiguration(instance: "impatient")
            configuration.reserveTimeout = .seconds(3)
            configuration.settleTimeout = .seconds(20)
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let ledger = await PostgresLedger.start(
                pools: LedgerPools(f.pool), journal: journal, configuration: configuration, logger: .quiet)
            // Its own: what it may count on is then known, and the next call goes straight to the database.
            #expect(try await ledger.reserve(f.reservation(1)).isGranted)
            let call = f.reservation(7)
            try await f.pool.transaction { transaction in
                _ = try await transaction.query("select 1 from budget_periods for update")
                await #expect(throws: LedgerUnavailable.self) { try await ledger.reserve(call) }
                #expect(ledger.journalDepth.records == 1)
            }
            await ledger.drain()
            let open = "select count(*) from holds where state = 'd' and amount = 7"
            #expect(try await f.number(open) == 0)
            #expect(try await f.number("select sum(held) from budget_periods") == 1)
            #expect(try await f.violations() == 0)
        }
    }

    /// A clock that is in another quarter each time that somebody looks at it.
    private final class HastyClock: Sendable {
        private let looks = Mutex(0.0)
        var now: Date {
            looks.withLock { count in
                count += 1
                return Date(timeIntervalSince1970: 1_780_000_000 + count * 100 * 86_400)
            }
        }
    }

    @Test("a reservation whose plans were all out of date says so, and not that there was no time")
    func alwaysStale() async throws {
        try await LedgerFixture.with { f in
            let clock = HastyClock()
            let ledger = try await f.ledger(now: { clock.now }) { $0.reserveTimeout = .seconds(2) }
            let failure = await #expect(throws: LedgerUnavailable.self) { try await ledger.reserve(f.reservation(1)) }
            #expect(failure?.reason.contains("out of date") == true, "\(failure?.reason ?? "")")
            #expect(try await f.number("select count(*) from holds") == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a lowered limit stops grants at once, never falls below what is used, and ends with the period")
    func lowered() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let call = f.reservation(400)
            #expect(try await ledger.reserve(call).isGranted)
            let info = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(100)))
            #expect(info.limit == NanoUSD(100) && info.state.limit == NanoUSD(400))
            #expect(try await ledger.reserve(f.reservation(1)).refusedBy?.remaining == .zero)
            await ledger.settle(.of(call.id, 50))
            #expect(try await ledger.reserve(f.reservation(51)).refusedBy?.remaining == NanoUSD(50))
            #expect(try await ledger.reserve(f.reservation(50)).isGranted)
            let raised = try await f.admin.topUpBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(30)))
            #expect(raised.topUp == NanoUSD(30) && raised.state.limit == NanoUSD(130))
            #expect(try await ledger.reserve(f.reservation(30)).isGranted)
            #expect(try await f.admin.events(tenant: "acme").filter { $0.action.hasPrefix("budget.") }.count == 3)
            #expect(try await f.violations() == 0)
        }
    }
}
