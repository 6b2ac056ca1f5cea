import GatewayCore
import Ledger
import Logging
import Postgres
import Testing

@testable import GatewayServer
@testable import gboost

@Suite("LiteLLM's limit fields, on what has a budget already: what is not named stays")
struct LiteLLMBudgetTests {
    typealias Shell = AdministrationTests.Shell

    private func with(_ body: (_ store: AdminStore, _ key: Int64) async throws -> Void) async throws {
        try await withPool { store, key, _ in try await body(store, key) }
    }

    private func withPool(
        _ body: (_ store: AdminStore, _ key: Int64, _ pool: PostgresPool) async throws -> Void
    ) async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 2, maxWaiting: 8,
                logger: Logger(label: "test"))
            let hasher = try KeyHasher(pepper: Array(String(repeating: "p", count: 40).utf8))
            let store = AdminStore(pool: pool, hasher: hasher, actor: "test")
            _ = try await store.createTenant(name: "acme", timeZone: "UTC")
            _ = try await store.createTeam(name: "research", tenant: "acme")
            let key = try await store.createKey(KeyDraft(tenant: "acme", name: "app"))
            try await body(store, key.info.id, pool)
            await pool.close()
        }
    }

    private static func limits(_ fields: [String: FieldValue]) throws -> LiteLLMLimits {
        var record = LiteLLMRecord(fields)
        return try LiteLLMLimits(changing: &record)
    }

    @Test(
        "a cap without a duration changes the budget that is there, with what was spent and alerted of it",
        arguments: ["tenant", "team", "key"])
    func keepsWindow(owner: String) async throws {
        try await with { store, key in
            let scopes: [String: BudgetScope] = ["tenant": .tenant, "team": .team("research"), "key": .key(key)]
            let scope = try #require(scopes[owner])
            let target = LiteLLMScope(tenant: "acme", scope: scope)
            let before = try await store.setBudget(
                BudgetDraft(
                    tenant: "acme", scope: scope, window: .month, limit: NanoUSD(10_000_000_000), alertAt: [50, 80]))
            try await target.set(try Self.limits(["max_budget": .number("25")]), by: store)
            let budgets = try await store.budgets(tenant: "acme")
            #expect(budgets.map(\.id) == [before.id] && budgets.first?.window == .month)
            #expect(budgets.first?.limit == NanoUSD(25_000_000_000) && budgets.first?.alertAt == [50, 80])
            try await target.set(
                try Self.limits(["max_budget": .number("20"), "soft_budget": .number("5")]), by: store)
            let after = try await target.read(store)
            #expect(after.budget?.id == before.id && after.budget?.alertAt == [25])
            #expect(after.limits.maxBudget == NanoUSD(20_000_000_000) && after.limits.window == .month)
        }
    }

    @Test("a cap without a duration is for all time only where there is no budget yet")
    func firstBudget() async throws {
        try await with { store, key in
            try await LiteLLMScope(tenant: "acme", scope: .key(key)).set(
                try Self.limits(["max_budget": .number("1")]), by: store)
            #expect(try await store.budgets(tenant: "acme").map(\.window) == [.total])
        }
    }

    @Test("of several budgets a cap without a duration takes none away")
    func severalBudgets() async throws {
        try await with { store, _ in
            for window in [BudgetWindow.month, .day] {
                _ = try await store.setBudget(BudgetDraft(tenant: "acme", window: window, limit: NanoUSD(9)))
            }
            try await LiteLLMScope(tenant: "acme", scope: .tenant).set(
                try Self.limits(["max_budget": .number("1")]), by: store)
            let budgets = try await store.budgets(tenant: "acme")
            #expect(budgets.map(\.window) == [.month, .day])
            #expect(budgets.map(\.limit) == [NanoUSD(1_000_000_000), NanoUSD(9)])
        }
    }

    @Test("who changes several limits has locked all of the tenant's budgets first; who changes one has not")
    func locked() async throws {
        try await withPool { store, key, pool in
            // Neither change is of this one.
            _ = try await store.setBudget(BudgetDraft(tenant: "acme", window: .month, limit: NanoUSD(9)))
            let target = LiteLLMScope(tenant: "acme", scope: .key(key))
            let changes: [(fields: [String: FieldValue], free: Int)] = [
                (["max_budget": .number("1")], 1), (["max_budget": .number("2"), "rpm_limit": .number("5")], 0),
            ]
            for change in changes {
                let limits = try Self.limits(change.fields)
                let free = try await store.inOneTransaction { store in
                    try await target.set(limits, by: store)
                    return try await pool.query(
                        "select id from budgets where key_id is null for no key update skip locked"
                    ).rows.count
                }
                #expect(free == change.free)
            }
        }
    }

    @Test("another duration keeps alerts, time zone and what is passed on, but for what is named")
    func changesWindow() async throws {
        try await with { store, key in
            let target = LiteLLMScope(tenant: "acme", scope: .key(key))
            _ = try await store.setBudget(
                BudgetDraft(
                    tenant: "acme", scope: .key(key), window: .month, limit: NanoUSD(9), alertAt: [50, 80],
                    timeZone: "Europe/Berlin", weekStart: 7, rollover: .upTo(NanoUSD(3))))
            try await target.set(
                try Self.limits(["max_budget": .number("1"), "budget_duration": .text("7d")]), by: store)
            var budgets = try await store.budgets(tenant: "acme")
            var budget = try #require(budgets.first)
            #expect(budgets.count == 1 && budget.window == .week && budget.alertAt == [50, 80])
            #expect(budget.timeZone == "Europe/Berlin" && budget.weekStart == 7 && budget.rolloverUpTo == NanoUSD(3))
            try await target.set(
                try Self.limits([
                    "max_budget": .number("2"), "budget_duration": .text("1000d"), "soft_budget": .number("1"),
                ]), by: store)
            budgets = try await store.budgets(tenant: "acme")
            budget = try #require(budgets.first)
            #expect(budgets.count == 1 && budget.window == .total && budget.alertAt == [50])
            #expect(budget.rolloverUpTo == nil)
        }
    }

    @Test("calls that no budget of the tenant's own covers are named, whatever its teams and keys have")
    func gap() async throws {
        try await with { store, key in
            func gap() async throws -> BudgetGap? { BudgetGap(try await store.budgets(tenant: "acme"), of: "acme") }
            _ = try await store.setBudget(BudgetDraft(tenant: "acme", scope: .key(key), limit: NanoUSD(9)))
            _ = try await store.setBudget(BudgetDraft(tenant: "acme", window: .request, limit: NanoUSD(9)))
            let none = try await gap()
            #expect(none?.text.hasPrefix("has no budget of its own: no paid call until gboost budget set") == true)
            _ = try await store.setBudget(BudgetDraft(tenant: "acme", model: "openai/*", limit: NanoUSD(9)))
            #expect(try await gap()?.reason == "has budgets of its own for openai/* only: no other paid call")
            _ = try await store.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(9)))
            #expect(try await gap() == nil)
        }
    }

    @Test("so few tokens a minute that no call fits are named", arguments: [(0, true), (999, true), (1_000, false)])
    func fewTokens(limit: Int, isNamed: Bool) throws {
        let limits = try Self.limits(["tpm_limit": .number(String(limit))])
        #expect(limits.remarks.map(\.field) == (isNamed ? ["tpm_limit"] : []))
    }

    @Test(
        "null for a limit that may be there is named in the answer, and is as good as nothing for what is made",
        arguments: [
            "max_budget", "soft_budget", "budget_duration", "rpm_limit", "tpm_limit", "max_parallel_requests", "models",
        ])
    func null(field: String) throws {
        #expect(try Self.limits([field: .null]).remarks.map(\.field) == [field])
        var record = LiteLLMRecord([field: .null])
        let made = try LiteLLMLimits(&record)
        #expect(made == LiteLLMLimits())
    }
}
