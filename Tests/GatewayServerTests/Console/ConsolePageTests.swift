import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Router
import Testing

@testable import GatewayServer

@Suite("The console's pages")
struct ConsolePageTests {
    private static let acme = "/console/tenants/acme"
    private static var month: String { ConsoleZone.utc.month(Date()) }
    private static var pages: [String] {
        [
            "/console", acme, "\(acme)?month=2026-02", "\(acme)/escalations", "\(acme)/refusals",
            "\(acme)/statements/\(month)", "/console/events", "/console/events?tenant=acme", "/console/prices",
            "/console/prices?provider=sim",
        ]
    }
    private static let policy = """
        default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
        frame-ancestors 'none'
        """

    @Test("every page is made of an empty database and of a full one, whole and guarded")
    func whole() async throws {
        try await AdminFixture.with { fixture in
            for isFull in [false, true] {
                if isFull { _ = try await ConsoleWorld(fixture) }
                for path in Self.pages + (isFull ? ["\(Self.acme)/escalations/1"] : []) {
                    let answer = try await fixture.sendAnywhere(.get, path)
                    #expect(answer.status == 200, "\(path): \(answer.text)")
                    #expect(!answer.text.contains("{{") && answer.text.contains("</html>"), "\(path)")
                    #expect(!answer.text.hasBytes("<script"), "\(path)")
                    let isDocument = path.contains("/statements/")
                    #expect(isDocument || !answer.text.contains("style=\""), "\(path)")
                    let policy =
                        isDocument
                        ? Self.policy.replacing("style-src 'self'", with: "style-src 'self' 'unsafe-inline'")
                        : Self.policy
                    #expect(answer.headers[.contentSecurityPolicy] == policy, "\(path)")
                    #expect(answer.headers[.xContentTypeOptions] == "nosniff")
                    #expect(answer.headers[.referrerPolicy] == "same-origin")
                    #expect(answer.headers[.cacheControl] == "no-store")
                    #expect(answer.headers[.contentType] == "text/html; charset=utf-8")
                }
            }
            for (path, status) in [
                ("/console/tenants/nobody", 404), ("\(Self.acme)/escalations/99", 404),
                ("\(Self.acme)/escalations/x", 404),
                ("\(Self.acme)?month=2026-13", 400), ("\(Self.acme)?colour=red", 400),
                ("\(Self.acme)/escalations?before=0", 400), ("\(Self.acme)/escalations?before=2&after=1", 400),
                ("\(Self.acme)/statements/soon", 400), ("/console/events?limit=1001", 400),
                ("/console/events?tenant=nobody", 404),
            ] {
                let answer = try await fixture.sendAnywhere(.get, path)
                #expect(answer.status == status && answer.text.contains("<h1>"), "\(path): \(answer.status)")
                #expect(answer.headers[.contentSecurityPolicy] == Self.policy)
            }
        }
    }

    @Test("an address that was cut short leads on, and one that there is not to a page that says so")
    func elsewhere() async throws {
        try await AdminFixture.with { fixture in
            for (path, place) in [
                ("/console/sign-in", "/console"), ("/console/sign-out", "/console"), ("/console/tenants", "/console"),
                ("\(Self.acme)/statements", Self.acme),
            ] {
                let answer = try await fixture.sendAnywhere(.get, path)
                #expect(answer.status == 303 && answer.headers[.location] == place, "\(path): \(answer.status)")
            }
            let none = ["nothing", "a/b/c", "tenants/acme/nothing", "tenants/acme/escalations/1/text"]
            for path in none.map({ "/console/\($0)" }) {
                let answer = try await fixture.sendAnywhere(.get, path)
                #expect(answer.status == 404 && answer.text.contains("<h1>Not found</h1>"), "\(path): \(answer.text)")
                #expect(try await fixture.sendAnywhere(.get, path, by: .nobody).status == 401, "\(path)")
            }
            let bound = AdminFixture.Asking.role(.auditor, tenant: "other")
            #expect(try await fixture.sendAnywhere(.get, "\(Self.acme)/statements", by: bound).status == 404)
        }
    }

    @Test("what the ledger has is on the pages, escaped wherever it comes from")
    func content() async throws {
        try await AdminFixture.with { fixture in
            _ = try await ConsoleWorld(fixture)
            _ = try await fixture.store.createTenant(name: "bare")
            let overview = try await fixture.sendAnywhere(.get, "/console").text
            // Of ten dollars; 0.001234567 is settled.
            #expect(overview.contains("title=\"10.000000000 USD\">10.00<small>00</small>"))
            #expect(overview.contains("title=\"0.001234567 USD\">0.00<small>12</small>"))
            #expect(overview.contains("no monthly budget") && overview.contains("sim"))
            let tenant = try await fixture.sendAnywhere(.get, Self.acme).text
            #expect(tenant.contains("&lt;script&gt;alert(1)&lt;/script&gt;a&quot;b") && tenant.contains("team:red"))
            #expect(tenant.contains("each request") && tenant.contains("1,200") && tenant.contains("decides nothing"))
            #expect(tenant.contains("0.001234567 USD</title>"), "the day's bar")
            let before = TenantPage.month(Self.month, adding: -1)
            #expect(tenant.contains("href=\"\(Self.acme)/statements/\(before)\""))
            #expect(tenant.contains("title=\"-1.000000000 USD\">−1.00<small>00</small>"))

            let list = try await fixture.sendAnywhere(.get, "\(Self.acme)/escalations").text
            let one = try await fixture.sendAnywhere(.get, "\(Self.acme)/escalations/1").text
            for text in [list, one] {
                #expect(text.hasBytes("weak &quot;&amp; &lt;b&gt;&#39;&quot;\u{301} onmouseover"))
                #expect(!text.hasBytes("\"\u{301}") && text.contains("0.375") && text.contains("1.5"))
            }
            #expect(list.contains("href=\"\(Self.acme)/escalations/1\""))
            #expect(one.contains("class=\"chosen\"><td>paid model writes the step") && one.contains("0.3125"))
            #expect(one.contains("not possible: over_budget") && one.contains(String(repeating: "ab", count: 32)))
            #expect(one.contains("7.000000000 USD") && one.contains("0.009000000 USD"))
            #expect(one.contains("sim/general") && one.contains("gboost audit prove"))
            let refusals = try await fixture.sendAnywhere(.get, "\(Self.acme)/refusals").text
            #expect(refusals.contains("a budget") && refusals.contains("title=\"0.000000900 USD\">&lt;0.0001<"))
            let events = try await fixture.sendAnywhere(.get, "/console/events?tenant=acme").text
            #expect(events.contains("team.create") && events.contains("&quot;limit&quot;: "))
            #expect(!events.contains(">tenant:other<"))
            let prices = try await fixture.sendAnywhere(.get, "/console/prices").text
            #expect(prices.contains("sim/general") && prices.contains("<td class=\"n\">2</td>"))
        }
    }

    @Test("lists are leafed through from the latest, each record once")
    func paging() async throws {
        try await AdminFixture.with { fixture in
            let payers = try await fixture.payers()
            try await fixture.record(120, by: payers.acme)
            try await fixture.record(3, by: payers.other)
            func numbers(_ path: String) async throws -> (seen: [Int], older: String?, newer: String?) {
                let text = try await fixture.sendAnywhere(.get, path).text
                let seen = text.matches(of: /escalations\/(\d+)">\d+</).compactMap { Int($0.1) }
                let older = text.firstMatch(of: /href="([^"]+)">older/).map { String($0.1) }
                let newer = text.firstMatch(of: /href="([^"]+)">‹ newer/).map { String($0.1) }
                return (seen, older, newer)
            }
            let first = try await numbers("\(Self.acme)/escalations")
            #expect(first.seen == Array((71...120).reversed()) && first.newer == nil)
            let second = try await numbers(try #require(first.older))
            #expect(second.seen == Array((21...70).reversed()))
            let third = try await numbers(try #require(second.older))
            #expect(third.seen == Array((1...20).reversed()) && third.older == nil)
            let back = try await numbers(try #require(third.newer))
            #expect(back.seen == second.seen)
            let top = try await numbers(try #require(back.newer))
            #expect(top.seen == first.seen && top.newer == nil)
            let last = try await fixture.sendAnywhere(.get, "\(Self.acme)/escalations/120").text
            #expect(last.contains("/escalations/119\"") && !last.contains("/escalations/121\""))
        }
    }

    @Test("each role sees what it may, and an identity bound to one tenant nothing of another")
    func roles() async throws {
        try await AdminFixture.with { fixture in
            _ = try await ConsoleWorld(fixture)
            let ofTenant = [
                Self.acme, "\(Self.acme)/escalations", "\(Self.acme)/escalations/1", "\(Self.acme)/refusals",
                "\(Self.acme)/statements/\(Self.month)",
            ]
            for role in AdminRole.allCases {
                func status(_ path: String, _ tenant: String?) async throws -> Int {
                    try await fixture.sendAnywhere(.get, path, by: .role(role, tenant: tenant)).status
                }
                let readsEvents = role == .operator || role == .auditor
                for path in ofTenant {
                    #expect(try await status(path, nil) == 200, "\(role) \(path)")
                    #expect(try await status(path, "acme") == 200, "\(role) \(path)")
                    #expect(try await status(path, "other") == 404, "\(role) \(path)")
                }
                #expect(try await status("/console/prices", "other") == 200)
                #expect(try await status("/console", nil) == 200)
                let start = try await fixture.sendAnywhere(.get, "/console", by: .role(role, tenant: "other"))
                #expect(start.status == 303 && start.headers[.location] == "/console/tenants/other")
                #expect(try await status("/console/events", nil) == (readsEvents ? 200 : 403), "\(role)")
                #expect(try await status("/console/events?tenant=acme", "other") == (readsEvents ? 404 : 403))
                let own = try await fixture.sendAnywhere(.get, "/console/events", by: .role(role, tenant: "other"))
                #expect(own.status == (readsEvents ? 200 : 403) && !own.text.contains("acme"))
            }
            // A tenant that there is not looks like one that is another's.
            let bound = AdminFixture.Asking.role(.auditor, tenant: "other")
            let foreign = try await fixture.sendAnywhere(.get, Self.acme, by: bound).text
            let nobody = try await fixture.sendAnywhere(.get, "/console/tenants/nobody", by: bound).text
            #expect(foreign == nobody && !foreign.contains("acme"))
        }
    }

    @Test("a deleted tenant is read by its number, and its links are not those of whoever has its name now")
    func deleted() async throws {
        try await AdminFixture.with { fixture in
            let old = try await fixture.store.deleteTenant("acme")
            _ = try await fixture.store.createTenant(name: "acme")
            let page = try await fixture.sendAnywhere(.get, "/console/tenants/%23\(old.id)")
            #expect(page.status == 200 && page.text.contains("deleted"))
            #expect(page.text.contains("href=\"/console/tenants/%23\(old.id)/escalations\""))
            #expect(!page.text.contains("/console/tenants/acme"))
        }
    }

    @Test("every name that a template asks for is one that a page has, and none is put in unescaped")
    func names() async throws {
        _ = try ConsoleTemplates.library.get()
        try await AdminFixture.with { fixture in
            _ = try await ConsoleWorld(fixture)
            let store = fixture.store
            let tenant = try await store.tenant(named: "acme")
            let spend = try await store.spendBreakdown(tenant: "acme")
            let models = try await store.models(tenant: "acme").map { (record: $0, place: ModelPlace(phase: .failed)) }
            let months = try await store.tenantMonths(limit: 5)
            let records = TenantRecords(
                tenant: tenant, current: months.first, spend: spend, budgets: try await store.budgets(tenant: "acme"),
                limits: try await store.limits(tenant: "acme"), keys: try await store.keys(tenant: "acme"),
                keyNames: [:], routes: try await store.routes(tenant: "acme"), routerStates: [:], models: models,
                statements: try await store.statements(tenant: "acme"))
            let condition = GatewayCondition(
                missing: ["x"], isDraining: true, running: 1, providers: ["sim": nil],
                models: models.map { (record: $0.record, tenant: "acme", place: $0.place) })
            let json = #"{"name": "slm", "nano_usd": 1, "requests": 1, "input_tokens": 1, "output_tokens": 1}"#
            let line = try JSONDecoder().decode(ChargebackLine.self, from: Data(json.utf8))
            var charged = spend
            charged.chargeback = [.model: [line]]
            let escalation = try #require(try await store.latestEscalations(tenant: "acme", limit: 1).first)
            let identity = AdminIdentity(actor: "a", role: .auditor, tenant: "acme")
            let shown: [Any] = [
                OverviewPage(months, deleted: months, gateway: condition, now: Date()),
                TenantPage(records, showsEvents: true, now: Date()), SpendSection(charged, keyNames: [:]),
                EscalationsPage([escalation], tenant: tenant),
                EscalationPage(
                    escalation, tenant: tenant, price: try await store.prices().first,
                    beside: EscalationPage.Beside(older: 1, newer: 3)),
                RefusalsPage(
                    try await store.latestRefusals(tenant: "acme", limit: 5), tenant: tenant, isFirst: true),
                EventsPage(try await store.events(limit: 5), limit: 5, tenant: tenant),
                PricesPage(try await store.prices(), provider: nil), SignInPage(problem: nil),
                ErrorPage(.noConsolePage), ConsoleVisitor(identity, canSignOut: true, section: "events"),
                ConsolePage.Crumb(text: "", href: ""),
            ]
            var known: Set = ["title", "template", "crumbs", "hasCrumbs", "page", "visitor"]
            for page in shown { Self.collect(page, &known) }
            for (name, text) in ConsoleTemplates.all {
                #expect(!text.contains("{{{") && !text.contains("{{&"), "\(name)")
                for match in text.matches(of: /\{\{([#^\/>]?)\.?\*?([A-Za-z0-9-]*)/) where !match.2.isEmpty {
                    let isPartial = match.1 == ">"
                    let asked = String(match.2)
                    let isThere = known.contains(asked) || isPartial && ConsoleTemplates.all[asked] != nil
                    #expect(isThere, "\(name): \(asked)")
                }
            }
        }
    }

    /// The names of everything within.
    private static func collect(_ value: Any, _ names: inout Set<String>) {
        for child in Mirror(reflecting: value).children {
            if let label = child.label { names.insert(label) }
            collect(child.value, &names)
        }
    }

    @Test("λ is what the route's router has learned, where it learned it of this LLM and strategy")
    func lambda() throws {
        var route = RouteRecord(
            id: 1, tenantID: 1, name: "math", slm: "slm", prm: "prm", llm: AdminFixture.model,
            settings: RouteSettings())
        let router = RouterState.initial(settings: route.settings, meanAnswer: 0.001, budget: 1)
        let stored = RouterLearning.Stored(llm: "sim/general", strategy: .stepwise, router: router)
        let text = String(decoding: try JSONEncoder().encode(stored), as: UTF8.self)
        let learned = RouteRow(route, state: text)
        #expect(learned.lambda == ConsoleText.number(router.shadowPrice(settings: route.settings)))
        #expect(learned.learned == "learned from 0")
        #expect(RouteRow(route, state: nil).learned == "nothing learned yet")
        #expect(RouteRow(route, state: "{}").lambda == ConsoleText.none)
        route.llm = ModelReference(provider: "sim", model: "other")
        #expect(RouteRow(route, state: text).learned == "nothing learned yet")
        route.settings.target = .price
        route.settings.shadowPrice = 2.5
        let fixed = RouteRow(route, state: text)
        #expect(fixed.lambda == "2.5" && fixed.learned == "fixed")
    }
}
