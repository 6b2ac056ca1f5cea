import GatewayCore
import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: lists that grow with use come page by page")
struct ListPageTests {
    /// Three or more of each kind, in an order that is not that of their numbers.
    private static func fill(_ store: AdminStore) async throws {
        for team in ["red", "blue", "green"] { _ = try await store.createTeam(name: team, tenant: "acme") }
        _ = try await store.createTeam(name: "red", tenant: "other")
        var keys: [Int64] = []
        for name in ["a", "b", "c"] {
            keys.append(try await store.createKey(KeyDraft(tenant: "acme", name: name)).info.id)
        }
        _ = try await store.createKey(KeyDraft(tenant: "other"))
        let scopes: [BudgetScope] = [.team("red"), .key(keys[1]), .tenant, .key(keys[0]), .team("blue")]
        for scope in scopes { _ = try await store.setBudget(BudgetDraft(tenant: "acme", scope: scope, limit: .zero)) }
        _ = try await store.setBudget(BudgetDraft(tenant: "acme", window: .week, limit: .zero))
        _ = try await store.setLimit(LimitDraft(tenant: "acme", unit: .requests, limit: 1))
        for name in ["zeta", "beta", "beta", "alpha"] {
            _ = try await store.createTenant(name: name)
            _ = try await store.deleteTenant(name)
        }
        for name in ["gamma", "abel"] { _ = try await store.createTenant(name: name) }
    }

    /// The numbers of a list, so many at a time.
    private static func numbers(
        _ fixture: AdminFixture, _ name: String, _ query: String, limit: Int
    ) async throws -> [String] {
        var (numbers, after) = ([String](), "0")
        for _ in 0..<20 {
            let page = try await fixture.send(.get, "/\(name)?\(query)&limit=\(limit)&after=\(after)")
            let found = page.each(name, "id")
            #expect(page.status == 200 && found.count <= limit, "\(page.text)")
            numbers += found
            guard let next = page.json("next_after") else { return numbers }
            #expect(next == found.last)
            after = next
        }
        Issue.record("\(name) has no end")
        return numbers
    }

    @Test(
        "by pages of any length there is what there is in one, in its order, and the last page says that it is",
        arguments: [1, 2, 3, 100])
    func pages(limit: Int) async throws {
        try await AdminFixture.with { fixture in
            try await Self.fill(fixture.store)
            for (name, query, count) in [
                ("keys", "tenant=acme", 3), ("teams", "tenant=acme", 3), ("budgets", "tenant=acme", 6),
                ("tenants", "deleted=false", 4), ("tenants", "deleted=true", 4),
            ] {
                let whole = try await fixture.send(.get, "/\(name)?\(query)")
                #expect(whole.each(name, "id").count == count && whole.json("next_after") == nil, "\(whole.text)")
                let numbers = try await Self.numbers(fixture, name, query, limit: limit)
                #expect(numbers == whole.each(name, "id"), "\(name) \(query)")
            }
            let teams = try await fixture.send(.get, "/teams?tenant=acme")
            #expect(teams.each("teams", "name") == ["blue", "green", "red"])
            #expect(
                try await fixture.send(.get, "/tenants?deleted=true").each("tenants", "name")
                    == ["alpha", "beta", "beta", "zeta"])
            #expect(
                try await fixture.send(.get, "/budgets?tenant=acme").each("budgets", "scope").map { $0.prefix(4) }
                    == ["tena", "tena", "key:", "key:", "team", "team"])
        }
    }

    @Test("a page goes on behind what was taken away since the one before")
    func gone() async throws {
        try await AdminFixture.with { fixture in
            try await Self.fill(fixture.store)
            let budgets = try await fixture.send(.get, "/budgets?tenant=acme").each("budgets", "id")
            _ = try await fixture.store.removeBudget(BudgetDraft(tenant: "acme", limit: .zero))
            let later = try await fixture.send(.get, "/budgets?tenant=acme&after=\(budgets[0])")
            #expect(later.each("budgets", "id") == Array(budgets.dropFirst()), "\(later.text)")
            let tenants = try await fixture.send(.get, "/tenants").each("tenants", "id")
            _ = try await fixture.store.deleteTenant("acme")
            let rest = try await fixture.send(.get, "/tenants?after=\(tenants[1])")
            #expect(rest.each("tenants", "name") == ["gamma", "other"], "\(rest.text)")
        }
    }

    @Test("a page that begins behind nothing of its list is refused: it would be taken for the end")
    func wrong() async throws {
        try await AdminFixture.with { fixture in
            try await Self.fill(fixture.store)
            let foreign = try await fixture.send(.get, "/teams?tenant=other").each("teams", "id")[0]
            for (path, field) in [
                ("/teams?tenant=acme&after=\(foreign)", "after"), ("/budgets?tenant=acme&after=9999", "after"),
                ("/budgets?tenant=other&after=1", "after"), ("/tenants?after=9999", "after"),
                ("/keys?tenant=acme&after=-1", "after"), ("/keys?tenant=acme&after=x", "after"),
                ("/keys?tenant=acme&limit=0", "limit"), ("/teams?tenant=acme&limit=10001", "limit"),
                ("/tenants?before=1", "before"),
            ] {
                let answer = try await fixture.send(.get, path)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(path): \(answer.text)")
            }
            // Whoever sees one tenant does not learn by it which others there are.
            let acme = try await fixture.store.tenant(named: "acme").id
            for number in [acme, 9999] {
                let asked = try await fixture.send(
                    .get, "/tenants?after=\(number)", by: .role(.auditor, tenant: "other"))
                #expect(asked.status == 400 && asked.json("error", "param") == "after")
            }
        }
    }
}
