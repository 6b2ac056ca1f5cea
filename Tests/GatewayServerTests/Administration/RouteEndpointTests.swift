import Foundation
import GatewayCore
import GatewayTesting
import HTTPTypes
import Ledger
import Postgres
import Router
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: models and routes")
struct RouteEndpointTests {
    /// Leaves a small model's file; it is gone afterwards.
    private func withModel(_ body: (URL) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-admin-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let file = directory.appending(path: "slm.gguf")
        try TinyModel().file.write(to: file)
        do { try await body(file) } catch {
            try? FileManager.default.removeItem(at: directory)
            throw error
        }
        try? FileManager.default.removeItem(at: directory)
    }

    private func add(_ name: String, _ kind: String, _ file: URL, _ fixture: AdminFixture) async throws {
        let made = try await fixture.send(
            .post, "/models",
            #"{"tenant": "acme", "name": "\#(name)", "kind": "\#(kind)", "file": "\#(file.path)", "pin": true}"#)
        #expect(made.status == 201 && made.json("name") == name && made.json("kind") == kind, "\(made.text)")
        #expect(made.json("file") == file.path && made.json("sha256")?.utf8.count == 64)
        #expect(made.json("id") != nil && made.json("pinned") == "1" && made.json("place", "state") == "elsewhere")
    }

    @Test("models and a route over them are made, replaced and removed, each as an event of who asked")
    func life() async throws {
        try await AdminFixture.with { fixture in
            try await withModel { file in
                try await add("slm", "slm", file, fixture)
                try Data(#"{"good": "Right"}"#.utf8).write(to: URL(filePath: file.path + ".prm.json"))
                try await add("prm", "prm", file, fixture)
                let listed = try await fixture.send(.get, "/models?tenant=acme")
                #expect(listed.json("models", "0", "reward_kind") == "tokens")
                #expect(listed.json("models", "0", "settings_sha256")?.utf8.count == 64, "\(listed.text)")
                #expect(listed.text.contains(#""settings_sha256":null"#), "\(listed.text)")
                #expect(listed.json("models", "1", "name") == "slm" && listed.json("models", "2") == nil)
                let twice = try await fixture.send(
                    .post, "/models",
                    #"{"tenant": "acme", "name": "slm", "kind": "slm", "file": "\#(file.path)"}"#)
                #expect(twice.status == 409 && twice.json("error", "param") == "name")
            }
            let owner = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            let made = try await fixture.send(
                .put, "/routes/math",
                #"""
                {"slm": "slm", "prm": "prm", "llm": "sim/m", "strategy": "cascade",
                 "settings": {"shadow_price": 2.5, "max_steps": 7, "boundary": {"pattern": "\\n+"}}}
                """#, by: owner)
            #expect(made.status == 201 && made.json("llm") == "sim/m" && made.json("prm") == "prm", "\(made.text)")
            #expect(made.json("settings", "max_steps") == "7" && made.json("settings", "strategy") == "cascade")
            #expect(made.json("settings", "target") == "price")
            #expect(made.json("settings", "boundary", "pattern") == "\\n+")
            #expect(try await fixture.events(1).first?.action == "route.add")
            #expect(try await fixture.events(1).first?.actor == "jwt:tenant-admin")
            let needed = try await fixture.send(.delete, "/models/slm?tenant=acme")
            #expect(needed.status == 409 && needed.json("error", "param") == "model")

            let replaced = try await fixture.send(
                .put, "/routes/math",
                #"{"tenant": "acme", "llm": "sim/n", "strategy": "direct", "settings": {"strategy": "direct"}}"#)
            #expect(replaced.status == 200 && replaced.json("llm") == "sim/n" && replaced.json("prm") == nil)
            #expect(replaced.json("settings", "max_steps") == "\(RouteSettings().maxSteps)")
            #expect(replaced.json("id") == made.json("id"))
            let shown = try await fixture.send(.get, "/routes/math?tenant=acme")
            #expect(shown.text == replaced.text)
            #expect(
                try await fixture.send(.get, "/routes?tenant=acme").json("routes", "0", "settings", "strategy")
                    == "direct")
            #expect(try await fixture.send(.delete, "/models/slm?tenant=acme").json("removed") == "slm")
            #expect(try await fixture.send(.delete, "/models/slm?tenant=acme").status == 404)
            #expect(try await fixture.send(.delete, "/routes/math", by: owner).json("removed") == "math")
            #expect(try await fixture.send(.get, "/routes/math", by: owner).status == 404)
            let actions = try await fixture.events().map(\.action)
            #expect(
                Array(actions.prefix(6))
                    == ["route.remove", "model.remove", "route.change", "route.add", "model.add", "model.add"])
        }
    }

    @Test("what a route or a model cannot be is refused by the field, and nothing comes about")
    func wrong() async throws {
        try await AdminFixture.with { fixture in
            let events = try await fixture.number("select count(*) from events")
            let routes: [(body: String, status: Int, field: String)] = [
                (#"{"strategy": "direct"}"#, 400, "llm"), (#"{"llm": "m", "strategy": "direct"}"#, 400, "llm"),
                (#"{"llm": "sim/m", "strategy": "magic"}"#, 400, "strategy"),
                (#"{"llm": "sim/m", "strategy": "direct", "settings": {"strategy": "tree"}}"#, 400, "strategy"),
                (#"{"llm": "sim/m", "prm": "prm"}"#, 400, "slm"), (#"{"llm": "sim/m", "slm": "s"}"#, 400, "prm"),
                (#"{"llm": "sim/m", "slm": "s", "prm": "p"}"#, 404, "slm"),
                (#"{"llm": "sim/m", "strategy": "direct", "settings": 1}"#, 400, "settings"),
                (#"{"llm": "sim/m", "strategy": "direct", "settings": {"colour": 1}}"#, 400, "settings.colour"),
                (#"{"llm": "sim/m", "strategy": "direct", "settings": {"max_steps": 0}}"#, 400, "settings.max_steps"),
                (#"{"llm": "sim/m", "strategy": "direct", "name": "x"}"#, 400, "name"),
                (
                    #"{"llm": "sim/m", "strategy": "direct", "settings": {"boundary": {"pattern": "(?'n'a)"}}}"#, 400,
                    "settings.boundary"
                ),
                (
                    #"{"llm": "sim/m", "strategy": "direct", "settings": {"target": "floor", "shadow_price": 2}}"#, 400,
                    "settings.shadow_price"
                ),
            ]
            for (body, status, field) in routes {
                let answer = try await fixture.send(.put, "/routes/r?tenant=acme", body)
                #expect(answer.status == status && answer.json("error", "param") == field, "\(body): \(answer.text)")
            }
            try await withModel { file in
                let models: [(fields: String, field: String)] = [
                    (#""kind": "slm", "file": "slm.gguf""#, "file"), (#""kind": "slm", "file": "/nowhere""#, "file"),
                    (#""kind": "slm", "file": "/dev/zero""#, "file"),
                    (#""kind": "prm", "base": "s", "file": "/dev/zero""#, "file"),
                    (#""kind": "slm", "file": "http:/x""#, "file"), (#""file": "\#(file.path)""#, "kind"),
                    (#""kind": "big", "file": "\#(file.path)""#, "kind"),
                    (#""kind": "adapter", "file": "\#(file.path)""#, "file"),
                    (#""kind": "slm", "reward_kind": "tokens", "file": "\#(file.path)""#, "reward_kind"),
                    (#""kind": "slm", "file": "\#(file.path)", "pin": 1"#, "pin"),
                    (#""kind": "slm", "base": "slm", "file": "\#(file.path)""#, "base"),
                    (#""kind": "prm", "reward_kind": "tokens", "base": "slm", "file": "\#(file.path)""#, "base"),
                ]
                for (fields, field) in models {
                    let answer = try await fixture.send(
                        .post, "/models", #"{"tenant": "acme", "name": "m", \#(fields)}"#)
                    #expect(
                        answer.status == 400 && answer.json("error", "param") == field, "\(fields): \(answer.text)")
                }
            }
            #expect(try await fixture.number("select count(*) from events") == events)
        }
    }

    @Test("advice says what more money would buy, as soon as the route has learned anything")
    func advice() async throws {
        try await AdminFixture.with { fixture in
            let route = #"{"tenant": "acme", "llm": "sim/m", "strategy": "direct"}"#
            #expect(try await fixture.send(.put, "/routes/math", route).status == 201)
            let none = try await fixture.send(.get, "/routes/math/advice?tenant=acme")
            #expect(none.status == 404 && none.json("error", "param") == "route")
            #expect(try await fixture.send(.get, "/routes/other/advice?tenant=acme").status == 404)
            let state = RouterState.initial(settings: RouteSettings(), meanAnswer: 0.001, budget: 1)
            let text = String(decoding: try JSONEncoder().encode(["router": state]), as: UTF8.self)
            _ = try await fixture.pool.query(
                PostgresStatement(
                    trusted: """
                        insert into router_states (tenant_id, route, state)
                        select id, 'math', '\(text)' from tenants where name = 'acme'
                        """))
            let advice = try await fixture.send(
                .get, "/routes/math/advice", by: .role(.billing, tenant: "acme"))
            #expect(advice.status == 200 && advice.json("seen") == "0", "\(advice.text)")
            #expect(advice.json("points", "0", "share") == "0" && advice.json("now", "budget_usd") != nil)
            let foreign = try await fixture.send(
                .get, "/routes/math/advice?tenant=acme", by: .role(.billing, tenant: "other"))
            #expect(foreign.status == 403)
        }
    }
}
