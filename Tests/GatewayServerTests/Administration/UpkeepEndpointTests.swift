import GatewayCore
import HTTPTypes
import Ledger
import Postgres
import Synchronization
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: holds, retention, declared states, and who may ask for what")
struct UpkeepEndpointTests {
    @Test("open holds and those whose charge is not known are listed, to each tenant its own")
    func holds() async throws {
        try await AdminFixture.with { fixture in
            _ = try await fixture.store.setPrice(
                try PriceDraft(
                    model: ModelReference(provider: "sim", model: "m"), inputUSDPerMtok: "1", outputUSDPerMtok: "1"))
            for (tenant, amount, state, actual) in [
                ("acme", 250, "d", "null"), ("acme", 300, "s", "300"), ("other", 7, "r", "null"),
            ] {
                _ = try await fixture.pool.query(
                    PostgresStatement(
                        trusted: """
                            insert into holds (request_id, step, attempt, state, unreconciled, tenant_id, key_id,
                              price_id, amount, actual, periods, gateway, taken_at)
                            select gen_random_uuid(), 0, 0, '\(state)', '\(state)' = 's', t.id, 1,
                              (select min(id) from prices), \(amount), \(actual), '{}', gen_random_uuid(), now()
                            from tenants t where t.name = '\(tenant)'
                            """))
            }
            let open = try await fixture.send(.get, "/holds?tenant=acme")
            #expect(open.status == 200 && open.json("holds", "1") == nil, "\(open.text)")
            #expect(open.json("holds", "0", "amount_nano_usd") == "250")
            #expect(open.json("holds", "0", "state") == "dispatched" && open.json("holds", "0", "model") == "sim/m")
            let lost = try await fixture.send(.get, "/holds?filter=unreconciled")
            #expect(lost.json("holds", "0", "actual_nano_usd") == "300" && lost.json("holds", "1") == nil)
            #expect(try await fixture.send(.get, "/holds", by: .role(.billing)).json("holds", "1") != nil)
            #expect(try await fixture.send(.get, "/holds?limit=1").json("holds", "1") == nil)
            for role in AdminRole.allCases where role != .operator {
                let own = try await fixture.send(.get, "/holds", by: .role(role, tenant: "other"))
                #expect(own.json("holds", "0", "tenant") == "other" && own.json("holds", "1") == nil)
            }
            for (query, field) in [("filter=all", "filter"), ("limit=0", "limit"), ("limit=-1", "limit")] {
                let answer = try await fixture.send(.get, "/holds?\(query)")
                #expect(answer.status == 400 && answer.json("error", "param") == field)
            }
        }
    }

    @Test("how long records are kept is set by saying so, for ever too")
    func retention() async throws {
        try await AdminFixture.with { fixture in
            let events = try await fixture.number("select count(*) from events")
            for (path, body, field) in [
                ("requests", "{}", "months"), ("requests", #"{"months": 0}"#, "months"),
                ("requests", #"{"months": 1201}"#, "months"), ("prices", #"{"months": 3}"#, "relation"),
                ("requests", #"{"months": 3, "tenant": "acme"}"#, "tenant"),
            ] {
                let answer = try await fixture.send(.put, "/retention/\(path)", body)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(body): \(answer.text)")
            }
            #expect(try await fixture.number("select count(*) from events") == events)
            let set = try await fixture.send(.put, "/retention/requests", #"{"months": 13}"#)
            #expect(set.status == 200 && set.json("months") == "13" && set.json("relation") == "requests")
            let shown = try await fixture.send(.get, "/retention", by: .role(.auditor))
            #expect(shown.json("retention", "0", "months") == "13")
            #expect(shown.json("retention", "1", "relation") == "escalations")
            let forever = try await fixture.send(.put, "/retention/requests", #"{"months": null}"#)
            #expect(forever.status == 200 && forever.json("months") == nil)
            #expect(try await fixture.number("select count(*) from retention where relation = 'requests'") == 0)
            let event = try #require(try await fixture.events(1).first)
            #expect(event.action == "retention.set" && event.actor == "admin-key")
        }
    }

    @Test("a declared state is handed on whole, as a plan or not, by whom its events are; without what does it, 404")
    func apply() async throws {
        try await AdminFixture.with { plain in
            #expect(try await plain.send(.post, "/apply", "tenants: []").status == 404)
            let seen = Mutex<[String]>([])
            var wired = plain
            wired.services.administration?.apply = { text, way, store in
                seen.withLock { $0.append("\(way.isPlan) \(way.prunes) \(String(decoding: text, as: UTF8.self))") }
                _ = try await store.createTenant(name: "made\(text.count)")
                return try .json(["plan": way.isPlan])
            }
            let fixture = wired
            let plan = try await fixture.send(.post, "/apply?plan=true", "tenants: []")
            #expect(plan.status == 200 && plan.text == #"{"plan":true}"#)
            #expect(try await fixture.send(.post, "/apply", "{}").text == #"{"plan":false}"#)
            #expect(try await fixture.events(1).first?.actor == "admin-key")
            #expect(try await fixture.send(.post, "/apply?plan=1", "{}").json("error", "param") == "plan")
            #expect(try await fixture.send(.post, "/apply?prune=true&plan=true", " {}").text == #"{"plan":true}"#)
            #expect(try await fixture.send(.post, "/apply?prune=", "{}").json("error", "param") == "prune")
            #expect(try await fixture.send(.post, "/apply", "{}", by: .role(.operator, tenant: "acme")).status == 403)
            let large = String(repeating: " ", count: AdminBody.maxBytes + 1)
            #expect(try await fixture.send(.post, "/apply", large).status == 413)
            #expect(seen.withLock { $0 } == ["true false tenants: []", "false false {}", "true true  {}"])
        }
    }

    private struct Row {
        var method: HTTPRequest.Method
        var path: String
        var roles: Set<AdminRole>
        /// Whether it is of one tenant, which the request names.
        var isTenants: Bool
        init(_ method: HTTPRequest.Method, _ path: String, _ roles: Set<AdminRole>, isTenants: Bool = true) {
            (self.method, self.path, self.roles, self.isTenants) = (method, path, roles, isTenants)
        }
    }

    private static let all = Set(AdminRole.allCases)
    private static let readers: Set<AdminRole> = [.operator, .tenantAdmin, .billing, .auditor]
    private static let rows = [
        Row(.get, "/prices", all, isTenants: false), Row(.post, "/prices", [.operator], isTenants: false),
        Row(.post, "/prices/import", [.operator], isTenants: false), Row(.get, "/routes", all),
        Row(.get, "/routes/r", all), Row(.get, "/routes/r/advice", all),
        Row(.put, "/routes/r", [.operator, .tenantAdmin]), Row(.delete, "/routes/r", [.operator, .tenantAdmin]),
        Row(.post, "/models", [.operator]), Row(.delete, "/models/m", [.operator]),
        Row(.get, "/destinations", readers), Row(.put, "/destinations/d", [.operator]),
        Row(.delete, "/destinations/d", [.operator]), Row(.post, "/destinations/d/pause", [.operator]),
        Row(.post, "/destinations/d/resume", [.operator]), Row(.post, "/destinations/d/test", [.operator]),
        Row(.get, "/outbox/pending", readers),
        Row(.get, "/outbox/dead", readers), Row(.post, "/outbox/retry", [.operator]), Row(.get, "/holds", all),
        Row(.get, "/retention", [.operator, .auditor], isTenants: false),
        Row(.put, "/retention/requests", [.operator], isTenants: false),
        Row(.post, "/apply", [.operator], isTenants: false),
    ]

    @Test("each role may do what the table says and nothing else; what is another tenant's is out of its reach")
    func roles() async throws {
        try await AdminFixture.with { fixture in
            let before = try await fixture.number("select count(*) from events")
            for row in Self.rows {
                let path = row.path + (row.isTenants ? "?tenant=acme" : "")
                // No request is whole: whoever is let in is told what is wrong with it, or that there is no such thing.
                let body = row.method == .get ? nil : ""
                #expect(try await fixture.send(row.method, path, body, by: .nobody).status == 401, "\(row.path)")
                for role in Self.all {
                    // Who is of one tenant: for all but the operator.
                    let tenant = role == .operator || !row.isTenants ? nil : "acme"
                    let answer = try await fixture.send(row.method, path, body, by: .role(role, tenant: tenant))
                    let isLetIn = answer.status != 403 && answer.status != 401 && answer.status < 500
                    #expect(isLetIn == row.roles.contains(role), "\(row.method) \(row.path) \(role): \(answer.text)")
                    if !row.roles.contains(role) { #expect(answer.json("error", "code") == "role_not_allowed") }
                    guard row.isTenants, row.roles.contains(role), role != .operator else { continue }
                    let foreign = try await fixture.send(row.method, path, body, by: .role(role, tenant: "other"))
                    #expect(foreign.json("error", "code") == "tenant_not_allowed", "\(row.path) \(role)")
                }
            }
            // What is everybody's is not for who may see one tenant, but for the price list.
            for (method, path) in [(HTTPRequest.Method.get, "/retention"), (.put, "/retention/requests")] {
                for role in [AdminRole.auditor, .operator] {
                    let bound = AdminFixture.Asking.role(role, tenant: "acme")
                    #expect(try await fixture.send(method, path, by: bound).status == 403)
                }
            }
            let bound = AdminFixture.Asking.role(.operator, tenant: "acme")
            for path in ["/prices", "/prices/import", "/apply"] {
                #expect(try await fixture.send(.post, path, "", by: bound).status == 403)
            }
            #expect(try await fixture.number("select count(*) from events") == before)
        }
    }
}
