import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Logging
import Outbox
import Router
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: it is as it is described")
struct DescriptionTests {
    @Test("each operation is for the roles that the description names, and for no others")
    func roles() async throws {
        let operations = try DescribedShape().administration
        #expect(operations.count > 60)
        try await AdminFixture.with { fixture in
            for (name, operation) in operations {
                let parts = name.split(separator: " ").map(String.init)
                let method = try #require(HTTPRequest.Method(parts[0].uppercased()))
                // Something that is well formed, of a team where that makes a difference, and never whole: nothing is
                // done of it.
                let path = parts[1].dropFirst(AdminRoutes.root.count).replacing("{month}", with: "2025-03")
                    .replacing(/\{(id|seq)\}/, with: "1").replacing(/\{[a-z]+\}/, with: "acme")
                let named = (operation["x-roles"].list ?? []).compactMap(\.text)
                #expect(named.first == AdminRole.operator.rawValue, "\(name)")
                for role in AdminRole.allCases {
                    let asking = AdminFixture.Asking.role(role, tenant: role == .tenantAdmin ? "acme" : nil)
                    let answer = try await fixture.send(method, "\(path)?team=x&nonsense=1", by: asking)
                    let isLetIn = named.contains(role.rawValue)
                    #expect(answer.status == (isLetIn ? 400 : 403), "\(role) \(name): \(answer.text)")
                    #expect(isLetIn || answer.json("error", "code") == "role_not_allowed", "\(role) \(name)")
                    #expect(operation["responses"].fields?["\(answer.status)"] != nil, "\(role) \(name)")
                }
            }
            let large = String(repeating: " ", count: AdminBody.maxBytes + 1)
            #expect(try await fixture.send(.post, "/teams", large).status == 413)
        }
    }

    /// A request, with the values of its path's parts in place: "/teams/{name=red}".
    private struct Ask {
        var method: HTTPRequest.Method
        var path: String
        var body: String?
        var status: Int
        private static var part: Regex<(Substring, Substring, Substring)> { /\{([a-z]+)=([^}]*)\}/ }

        init(_ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, status: Int = 200) {
            (self.method, self.path, self.body, self.status) = (method, path, body, status)
        }

        /// What asks.
        var target: String { path.replacing(Self.part) { $0.2 } }
        /// As it is described.
        var name: String {
            let template = path.prefix { $0 != "?" }.replacing(Self.part) { "{\($0.1)}" }
            return "\(method.rawValue.lowercased()) \(AdminRoutes.root)\(template)"
        }
    }

    /// What there is to be asked for.
    private struct World {
        let fixture: AdminFixture
        let key: Int64
        let span: Int64
        let hold: HoldID

        /// Something of each kind, with all that it can have.
        init(_ given: AdminFixture) async throws {
            let (payer, store) = (try await ConsoleWorld(given).payer, given.store)
            key = try await store.createKey(KeyDraft(tenant: "acme", team: "red", name: "spare")).info.id
            let budget = BudgetDraft(tenant: "acme", scope: .team("red"), limit: NanoUSD(5_000_000_000))
            _ = try await store.setBudget(budget)
            _ = try await store.overrideBudget(budget, from: "2026-01-01", until: "2026-01-02")
            span = try #require(try await store.overrides(of: budget).first?.id)
            hold = try await payer.pay([5])[0]
            _ = try await payer.ledger.reserve(
                Reservation(
                    id: HoldID(request: UUID(), step: 0, attempt: 0), caller: payer.caller, route: nil,
                    model: AdminFixture.model, priceID: payer.priceID, amount: NanoUSD(1000)))
            _ = try await store.setCapture(days: 3, tenant: "acme")
            let keys = try TextKeyring(String(repeating: "0a", count: 32))
            let texts = TextStore(
                pool: given.pool, keys: keys, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            texts.keep(
                CapturedText(
                    call: hold, tenantID: payer.caller.tenant.id, prompt: Array("p".utf8), answer: Array("a".utf8)))
            await texts.drain()
            var wired = given.having(AdminRecords(textKeys: keys))
            wired.services.administration?.sender = KeptSender(.delivered)
            fixture = wired
            #expect(try await fixture.send(.put, "/destinations/hook", DescriptionTests.hook).status == 201)
            let state = RouterState.initial(settings: RouteSettings(), meanAnswer: 0.001, budget: 1)
            let learned = String(decoding: try JSONEncoder().encode(["router": state]), as: UTF8.self)
            for sql in [
                "select gboost_tell(\(payer.caller.tenant.id), 'escalation.refused', '{\"n\": 1}')",
                "select gboost_tell(\(payer.caller.tenant.id), 'escalation.refused', '{\"n\": 2}')",
                """
                update deliveries set dead_at = now(), tried_at = now(), attempts = 5, last_error = 'HTTP 400'
                where id = (select min(id) from deliveries)
                """,
                """
                insert into router_states (tenant_id, route, state)
                values (\(payer.caller.tenant.id), 'plain', '\(learned)')
                """,
                "insert into audit_checkpoints (log, tenant_id, size, note) values ('events', 0, 1, 'a note')",
            ] { try await fixture.run(sql) }
            _ = try await store.audit.seal()
        }
    }

    private static let hook =
        #"{"tenant": "acme", "kind": "webhook", "target": "https://example.com/", "secrets": ["env:A"]}"#
    private static let week =
        #"{"tenant": "acme", "team": "red", "model": "sim/*", "tag": "t", "window": "week", "limit_usd": 3, "#
        + #""alert_at": [50], "time_zone": "Europe/Berlin", "week_start": "sun", "rollover_usd": 1}"#
    private static let price =
        #"{"model": "a/b", "input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "cached_input_usd_per_mtok": 0.5, "#
        + #""tiers": [{"above_input_tokens": 9, "input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "#
        + #""reasoning_usd_per_mtok": 3}]}"#
    private static let file = #"""
        {"m": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.000003,
               "output_cost_per_token": 0.000004}, "half": {"litellm_provider": "openai", "mode": "chat"}}
        """#

    private static func things(_ world: World) -> [Ask] {
        let (dev, whole) = ("tenant=acme&team=red", "tenant=acme")
        let key = "/keys/{id=\(world.key)}"
        return [
            Ask(.post, "/tenants", #"{"name": "new"}"#, status: 201), Ask(.get, "/tenants"),
            Ask(.patch, "/tenants/{name=new}", #"{"suspended": true, "capture_days": 3, "cache_seconds": 5}"#),
            Ask(.get, "/tenants/{name=new}"), Ask(.delete, "/tenants/{name=new}"), Ask(.get, "/tenants?deleted=true"),
            Ask(.post, "/teams", #"{"tenant": "acme", "name": "blue", "models": ["a"]}"#, status: 201),
            Ask(.patch, "/teams/{name=blue}?\(whole)", #"{"suspended": true}"#),
            Ask(.get, "/teams/{name=blue}?\(whole)"), Ask(.get, "/teams?\(whole)"),
            Ask(.post, "/keys?\(dev)", #"{"name": "k", "expires": "2126-12-01", "models": ["a"]}"#, status: 201),
            Ask(.patch, key, #"{"suspended": true, "expires": "2126-12-01", "models": []}"#),
            Ask(.post, "\(key)/rotate"), Ask(.delete, key), Ask(.get, key), Ask(.get, "/keys?\(whole)"),
            Ask(.put, "/budgets", week), Ask(.post, "/budgets/top-up?\(dev)", #"{"amount_usd": 1}"#),
            Ask(
                .post, "/budgets/overrides?\(dev)", #"{"limit_usd": 9, "from": "2026-02-01", "until": "2026-03-01"}"#,
                status: 201),
            Ask(.get, "/budgets/overrides?\(dev)"), Ask(.get, "/budgets?\(whole)"),
            Ask(.delete, "/budgets/overrides/{id=\(world.span)}?\(dev)"), Ask(.delete, "/budgets?\(dev)"),
            Ask(.put, "/limits?\(dev)", #"{"requests_per_minute": 5, "tokens_per_minute": 9, "parallel": 3}"#),
            Ask(.put, "/limits?\(whole)", #"{"for": "local", "requests_per_minute": 5}"#),
            Ask(.get, "/limits?\(whole)"), Ask(.delete, "/limits?\(dev)&parallel=true"),
            Ask(.get, "/holds?\(whole)"), Ask(.put, "/retention/{relation=requests}", #"{"months": 13}"#),
            Ask(.get, "/retention"),
        ]
    }

    private static func services() -> [Ask] {
        let (whole, slm) = ("tenant=acme", "/models/{name=slm}")
        let route = #"{"tenant": "acme", "llm": "sim/m", "strategy": "direct", "settings": {"boundary": "newline"}}"#
        let pattern = route.replacing(#""newline""#, with: #"{"pattern": "x"}"#)
        let mail =
            #"{"kind": "email", "target": "smtp://mail:25", "settings": {"from": "a@example.com", "#
            + #""to": ["b@example.com"], "tls": "none"}}"#
        let far = #"{"tenant": "acme", "name": "far", "kind": "slm", "file": "http://127.0.0.1:9/v1#m"}"#
        return [
            Ask(.post, "/models", far, status: 201), Ask(.get, "/models?\(whole)"), Ask(.get, "\(slm)?\(whole)"),
            Ask(.post, "\(slm)/load?\(whole)"), Ask(.post, "\(slm)/unload?\(whole)"),
            Ask(.post, "\(slm)/pin?\(whole)"), Ask(.post, "\(slm)/unpin?\(whole)"),
            Ask(.delete, "/models/{name=far}?\(whole)"),
            Ask(.post, "/prices", price, status: 201), Ask(.post, "/prices/import?provider=openai", file),
            Ask(.get, "/prices"), Ask(.put, "/routes/{name=new}", route, status: 201),
            Ask(.put, "/routes/{name=new}", pattern), Ask(.get, "/routes/{name=new}?\(whole)"),
            Ask(.get, "/routes?\(whole)"), Ask(.get, "/routes/{name=plain}/advice?\(whole)"),
            Ask(.delete, "/routes/{name=new}?\(whole)"),
            Ask(.put, "/destinations/{name=mail}", mail, status: 201), Ask(.put, "/destinations/{name=hook}", hook),
            Ask(.post, "/destinations/{name=hook}/pause?\(whole)"), Ask(.get, "/destinations"),
            Ask(.post, "/destinations/{name=hook}/resume?\(whole)"),
            Ask(.post, "/destinations/{name=hook}/test?\(whole)"), Ask(.get, "/outbox/pending"),
            Ask(.get, "/outbox/dead"), Ask(.post, "/outbox/retry?\(whole)", #"{"destination": "hook"}"#),
            Ask(.delete, "/destinations/{name=mail}"),
        ]
    }

    private static func records(_ world: World) -> [Ask] {
        let (whole, month) = ("tenant=acme", ConsoleZone.utc.month(Date()))
        let credit = #"{"tenant": "other", "kind": "credit", "amount_usd": 1, "reason": "r", "month": "2025-03"}"#
        return [
            Ask(.get, "/spend?\(whole)&by=team"), Ask(.get, "/spend?\(whole)&format=focus"),
            Ask(.post, "/corrections", credit, status: 201),
            Ask(.get, "/statements/{month=\(month)}?\(whole)"),
            Ask(.get, "/statements/{month=\(month)}?\(whole)&format=csv"),
            Ask(.get, "/statements/{month=\(month)}?\(whole)&format=html"),
            Ask(.post, "/statements/{month=2025-03}/close", #"{"tenant": "other"}"#),
            Ask(.get, "/statements?tenant=other"),
            Ask(.get, "/escalations?\(whole)&limit=1"), Ask(.get, "/escalations/export?\(whole)"),
            Ask(.get, "/escalations/export?\(whole)&format=csv"), Ask(.get, "/escalations/{seq=1}?\(whole)"),
            Ask(.get, "/escalations/{seq=2}/text?\(whole)"), Ask(.get, "/refusals?\(whole)"),
            Ask(.get, "/events?\(whole)"), Ask(.get, "/audit/checkpoint"), Ask(.get, "/audit/export"),
            Ask(.get, "/audit/proof?\(whole)&hold=\(world.hold)&from=1"), Ask(.post, "/audit/verification"),
        ]
    }

    @Test("each answer is the document that is described: no member is missing, of another kind, or not named")
    func documents() async throws {
        let shape = try DescribedShape()
        let described = shape.administration
        try await AdminFixture.with { given in
            let world = try await World(given)
            let asks = Self.things(world) + Self.services() + Self.records(world)
            for ask in asks {
                let answer = try await world.fixture.send(ask.method, ask.target, ask.body)
                #expect(answer.status == ask.status, "\(ask.name): \(answer.text)")
                // A list that is empty shows nothing of what is in it.
                let isEmpty = answer.text.hasSuffix("\":[]}") || answer.text.contains("\":[],\"next_after\"")
                #expect(ask.method != .get || !isEmpty, "\(ask.name): \(answer.text)")
                let operation = try #require(described[ask.name], "\(ask.name)")
                let problems = try shape.problems(of: answer, to: operation)
                #expect(problems.isEmpty, "\(ask.name): \(problems) of \(answer.text)")
            }
            // What it answers with is the command's, which is tested there.
            #expect(Set(asks.map(\.name)).union(["post \(AdminRoutes.root)/apply"]) == Set(described.keys))
            let wrong = try await world.fixture.send(.get, "/teams")
            #expect(try shape.problems(of: wrong, to: try #require(described["get /admin/v1/teams"])).isEmpty)
        }
    }
}
