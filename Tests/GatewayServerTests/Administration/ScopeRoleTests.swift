import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: who may see and change teams, keys, budgets and limits")
struct ScopeRoleTests {
    private static let all = Set(AdminRole.allCases)
    private static let own: Set<AdminRole> = [.operator, .tenantAdmin]
    private static let money: Set<AdminRole> = [.operator, .tenantAdmin, .billing]
    /// Of the tenant as a whole: who pays for it says what it may spend.
    private static let tenantMoney: Set<AdminRole> = [.operator, .billing]
    private static let limits: Set<AdminRole> = [.operator, .tenantAdmin]
    private static let tenantLimits: Set<AdminRole> = [.operator]

    private struct Ask {
        var method: HTTPRequest.Method
        var path: String
        var body: String?
        var roles: Set<AdminRole>
        var status = 200

        init(_ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, for roles: Set<AdminRole>) {
            (self.method, self.path, self.body, self.roles) = (method, path, body, roles)
        }

        func making() -> Ask {
            var ask = self
            ask.status = 201
            return ask
        }
    }

    /// What there is of a tenant.
    private struct Things {
        let tenant: String
        var key: Int64
        var spare: Int64
        var teamOverride: Int64
        var tenantOverride: Int64

        init(of tenant: String, _ store: AdminStore) async throws {
            self.tenant = tenant
            _ = try await store.createTeam(name: "dev", tenant: tenant)
            key = try await store.createKey(KeyDraft(tenant: tenant, name: "app")).info.id
            spare = try await store.createKey(KeyDraft(tenant: tenant, name: "spare")).info.id
            let team = BudgetDraft(tenant: tenant, scope: .team("dev"), limit: NanoUSD(5))
            let whole = BudgetDraft(tenant: tenant, limit: NanoUSD(5))
            for draft in [team, whole] {
                _ = try await store.setBudget(draft)
                _ = try await store.overrideBudget(draft, from: "2026-01-01", until: "2026-01-02")
            }
            teamOverride = try await store.overrides(of: team).first?.id ?? 0
            tenantOverride = try await store.overrides(of: whole).first?.id ?? 0
            _ = try await store.setLimits([
                LimitDraft(tenant: tenant, scope: .team("dev"), unit: .parallel, limit: 5),
                LimitDraft(tenant: tenant, unit: .parallel, limit: 5),
            ])
        }
    }

    private static func reads(_ things: Things) -> [Ask] {
        let whole = "tenant=\(things.tenant)"
        return [
            Ask(.get, "/teams?\(whole)", for: all), Ask(.get, "/teams/dev?\(whole)", for: all),
            Ask(.get, "/keys?\(whole)", for: all), Ask(.get, "/keys/\(things.key)", for: all),
            Ask(.get, "/budgets?\(whole)", for: all), Ask(.get, "/budgets/overrides?\(whole)", for: all),
            Ask(.get, "/limits?\(whole)", for: all),
        ]
    }

    /// In an order in which each is possible, whichever of the others were.
    private static func changes(_ things: Things) -> [Ask] {
        let (dev, whole) = ("tenant=\(things.tenant)&team=dev", "tenant=\(things.tenant)")
        let days = #"{"limit_usd": 3, "from": "2026-02-01", "until": "2026-03-01"}"#
        return [
            Ask(.post, "/teams", #"{"tenant": "\#(things.tenant)", "name": "new"}"#, for: own).making(),
            Ask(.patch, "/teams/dev?\(whole)", #"{"suspended": true}"#, for: own),
            Ask(.post, "/keys", #"{"tenant": "\#(things.tenant)", "team": "dev"}"#, for: own).making(),
            Ask(.patch, "/keys/\(things.key)", #"{"models": ["a"]}"#, for: own),
            Ask(.post, "/keys/\(things.key)/rotate", for: own), Ask(.delete, "/keys/\(things.spare)", for: own),

            Ask(.put, "/budgets?\(dev)", #"{"limit_usd": 1}"#, for: money),
            Ask(.put, "/budgets?\(whole)&key=\(things.key)", #"{"limit_usd": 1, "window": "request"}"#, for: money),
            Ask(.put, "/budgets?\(whole)", #"{"limit_usd": 1000}"#, for: tenantMoney),
            Ask(.put, "/budgets?\(whole)", #"{"limit_usd": 1000, "window": "request"}"#, for: tenantMoney),
            Ask(.put, "/budgets?\(whole)", #"{"limit_usd": 1000, "model": "a/*"}"#, for: tenantMoney),
            Ask(.put, "/budgets?\(whole)", #"{"limit_usd": 1000, "tag": "t", "team": null}"#, for: tenantMoney),
            Ask(.post, "/budgets/top-up?\(dev)", #"{"amount_usd": 1}"#, for: money),
            Ask(.post, "/budgets/top-up?\(whole)", #"{"amount_usd": 1}"#, for: tenantMoney),
            Ask(.post, "/budgets/overrides?\(dev)", days, for: money).making(),
            Ask(.post, "/budgets/overrides?\(whole)", days, for: tenantMoney).making(),
            Ask(.delete, "/budgets/overrides/\(things.teamOverride)?\(dev)", for: money),
            Ask(.delete, "/budgets/overrides/\(things.tenantOverride)?\(whole)", for: tenantMoney),
            Ask(.delete, "/budgets?\(dev)", for: money), Ask(.delete, "/budgets?\(whole)", for: tenantMoney),

            Ask(.put, "/limits?\(dev)", #"{"requests_per_minute": 1}"#, for: limits),
            Ask(.put, "/limits?\(whole)", #"{"requests_per_minute": 1}"#, for: tenantLimits),
            Ask(.put, "/limits?\(whole)", #"{"tokens_per_minute": 1, "tag": "t"}"#, for: tenantLimits),
            Ask(.delete, "/limits?\(dev)&parallel=true", for: limits),
            Ask(.delete, "/limits?\(whole)&parallel=true", for: tenantLimits),
        ]
    }

    @Test("each role does what it may, as itself, and nothing else")
    func roles() async throws {
        try await AdminFixture.with { fixture in
            for role in AdminRole.allCases {
                // In a tenant of its own, where nobody has changed anything before it.
                let tenant = "acme-\(role.rawValue)"
                _ = try await fixture.store.createTenant(name: tenant)
                let things = try await Things(of: tenant, fixture.store)
                let asking = AdminFixture.Asking.role(role, tenant: role == .operator ? nil : tenant)
                for ask in Self.reads(things) + Self.changes(things) {
                    try await Self.check(ask, by: asking, role, fixture)
                }
            }
        }
    }

    private static func check(
        _ ask: Ask, by asking: AdminFixture.Asking, _ role: AdminRole, _ fixture: AdminFixture
    ) async throws {
        let before = try await fixture.number("select count(*) from events")
        let answer = try await fixture.send(ask.method, ask.path, ask.body, by: asking)
        let what = "\(role.rawValue) \(ask.method) \(ask.path) \(ask.body ?? ""): \(answer.text)"
        let isDone = ask.roles.contains(role)
        #expect(answer.status == (isDone ? ask.status : 403), "\(what)")
        #expect(isDone || answer.json("error", "code") == "role_not_allowed", "\(what)")
        let after = try await fixture.number("select count(*) from events")
        #expect((after != before) == (isDone && ask.method != .get), "\(what)")
        guard after != before else { return }
        #expect(try await fixture.events(1).first?.actor == "jwt:\(role.rawValue)", "\(what)")
    }

    @Test("to those of another tenant all of it is out of reach, and so it is to tenants' keys and to nobody")
    func others() async throws {
        try await AdminFixture.with { fixture in
            let things = try await Things(of: "acme", fixture.store)
            let secret = try await fixture.store.createKey(KeyDraft(tenant: "acme")).secret
            let before = try await fixture.number("select count(*) from events")
            for ask in Self.reads(things) + Self.changes(things) {
                for role in AdminRole.allCases {
                    let asking = AdminFixture.Asking.role(role, tenant: "other")
                    let answer = try await fixture.send(ask.method, ask.path, ask.body, by: asking)
                    let what = "\(role.rawValue) \(ask.method) \(ask.path): \(answer.text)"
                    // A key is named by its number, of which they learn nothing: to them there is none.
                    let isMissing = ask.path.hasPrefix("/keys/") && ask.roles.contains(role)
                    #expect(answer.status == (isMissing ? 404 : 403), "\(what)")
                    #expect(!isMissing || answer.json("error", "code") == "not_found", "\(what)")
                    #expect(!answer.text.contains("dev") && !answer.text.contains("app"), "\(what)")
                }
                for asking in [AdminFixture.Asking.nobody, .init(credential: secret)] {
                    let status = try await fixture.send(ask.method, ask.path, ask.body, by: asking).status
                    #expect(status == 401, "\(ask.method) \(ask.path)")
                }
            }
            // By its own tenant's name, or without one, nobody gets at another's teams and keys either.
            let admin = AdminFixture.Asking.role(.tenantAdmin, tenant: "other")
            for scope in [#""team": "dev""#, #""key": \#(things.key)"#] {
                for (path, rest) in [("/budgets", #""limit_usd": 1"#), ("/limits", #""parallel": 1"#)] {
                    let answer = try await fixture.send(.put, path, "{\(scope), \(rest)}", by: admin)
                    #expect(answer.status == 404, "\(path) \(scope): \(answer.text)")
                }
            }
            #expect(try await fixture.send(.get, "/keys", by: admin).text == #"{"keys":[],"next_after":null}"#)
            #expect(try await fixture.number("select count(*) from events") == before)
        }
    }
}
