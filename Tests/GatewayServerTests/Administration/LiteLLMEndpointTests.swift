import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("LiteLLM's management paths")
struct LiteLLMEndpointTests {
    private static let five = #""max_budget":5.000000000"#

    private static func post(
        _ fixture: AdminFixture, _ path: String, _ body: String
    ) async throws -> AdminFixture.Answer {
        try await fixture.sendAnywhere(.post, path, body)
    }

    @Test("what is wrong is named as the client spelled it, and not as the commands do")
    func fields() async throws {
        try await AdminFixture.with { fixture in
            _ = try await fixture.store.createTeam(name: "night", tenant: "acme")
            _ = try await fixture.store.createKey(KeyDraft(tenant: "acme", name: "ann"))
            let cases: [(path: String, body: String, status: Int, field: String)] = [
                ("/team/new", #"{"team_alias": "night"}"#, 409, "team_alias"),
                ("/team/new", #"{"team_id": "night"}"#, 409, "team_id"),
                ("/team/new", #"{"team_alias": "a\u0007b"}"#, 400, "team_alias"),
                ("/team/new", #"{"team_alias": "x", "organization_id": "none"}"#, 404, "organization_id"),
                ("/team/update", #"{"team_id": "none", "max_budget": 1}"#, 404, "team_id"),
                ("/team/block", #"{"team_id": "none"}"#, 404, "team_id"), ("/team/block", "{}", 400, "team_id"),
                ("/key/generate", #"{"team_id": "none"}"#, 404, "team_id"),
                ("/key/generate", #"{"key_alias": "a\u0007b"}"#, 400, "key_alias"),
                ("/key/update", #"{"key_alias": "none", "max_budget": 1}"#, 404, "key_alias"),
                ("/key/block", #"{"key": "key:999"}"#, 404, "key"),
                ("/key/delete", #"{"keys": ["key:999"]}"#, 404, "keys"),
                ("/key/delete", #"{"key_aliases": ["none"]}"#, 404, "key_aliases"),
                ("/key/regenerate", #"{"key": "ann", "new_key": "sk-of-my-own-0000000"}"#, 400, "new_key"),
                ("/user/new", #"{"user_id": "ann"}"#, 409, "user_id"),
                ("/user/new", #"{"user_alias": "ann"}"#, 409, "user_alias"),
                ("/user/new", #"{"key_alias": "a\u0007b"}"#, 400, "key_alias"),
                ("/budget/new", #"{"budget_id": "team:none", "max_budget": 1}"#, 404, "budget_id"),
                ("/budget/info", #"{"budgets": ["team:none"]}"#, 404, "budgets"),
            ]
            for (path, body, status, field) in cases {
                let answer = try await Self.post(fixture, path, body)
                #expect(answer.status == status, "\(path) \(body): \(answer.text)")
                #expect(answer.json("error", "param") == field, "\(path) \(body): \(answer.text)")
            }
            let unknown = try await fixture.sendAnywhere(.get, "/model/info?organization_id=none")
            #expect(unknown.status == 404 && unknown.json("error", "param") == "organization_id")
        }
    }

    @Test("a budget of another duration says what it does not count, once; one of the same counts all")
    func duration() async throws {
        try await AdminFixture.with { fixture in
            let payer = try await fixture.payers().acme
            let key = "key:\(payer.caller.keyID)"
            func update(
                _ duration: String, path: String = "/key/update", named: String = "key"
            ) async throws -> String {
                let answer = try await Self.post(
                    fixture, path, #"{"\#(named)": "\#(key)", "max_budget": 1, "budget_duration": "\#(duration)"}"#)
                #expect(answer.status == 200, "\(answer.text)")
                return answer.json("gboost", "remarks") ?? ""
            }
            #expect(try await update("30d") == "[]")
            _ = try await payer.pay([700])
            #expect(try await update("30d") == "[]")
            let moved = try await update("7d")
            #expect(moved.contains("budget_duration: the week budget"), "\(moved)")
            #expect(moved.contains(": 0.000000700 USD"), "\(moved)")
            #expect(try await update("1mo", path: "/budget/new", named: "budget_id") == "[]")
        }
    }

    @Test("a key gets a new secret, and all else of it stays")
    func regenerate() async throws {
        try await AdminFixture.with { fixture in
            let made = try await Self.post(
                fixture, "/key/generate", #"{"key_alias": "app", "models": ["math"], "max_budget": 5, "rpm_limit": 9}"#)
            let (secret, token) = (try #require(made.json("key")), try #require(made.json("token")))
            let again = try await Self.post(fixture, "/key/regenerate", #"{"key": "\#(secret)", "metadata": {"a": 1}}"#)
            let other = try #require(again.json("key"))
            #expect(again.status == 200 && other.hasPrefix("gb-") && other != secret && again.json("token") == token)
            #expect(again.json("models") == #"["math"]"# && again.json("rpm_limit") == "9")
            #expect(again.text.contains(Self.five) && again.json("gboost", "not_kept") == #"["metadata"]"#)
            #expect(try await fixture.events(1).map(\.action) == ["key.rotate"])
            #expect(try await fixture.store.key(named: other).info.name == "app")
            #expect(try await Self.post(fixture, "/key/regenerate", #"{"key": "\#(secret)"}"#).status == 404)
        }
    }

    @Test("keys are listed page by page, the latest first, without those that are deleted")
    func keys() async throws {
        try await AdminFixture.with { fixture in
            _ = try await fixture.store.createTeam(name: "night", tenant: "acme")
            var tokens: [String] = []
            for body in [
                #"{"key_alias": "a", "team_id": "night", "max_budget": 5}"#, #"{"key_alias": "b"}"#,
                #"{"key_alias": "c"}"#,
            ] {
                tokens.append(try #require(try await Self.post(fixture, "/key/generate", body).json("token")))
            }
            _ = try await Self.post(fixture, "/key/generate", #"{"organization_id": "other"}"#)
            _ = try await Self.post(fixture, "/key/delete", #"{"key_aliases": ["b"]}"#)
            func list(_ query: String) async throws -> AdminFixture.Answer {
                try await fixture.sendAnywhere(.get, "/key/list\(query)")
            }
            let all = try await list("")
            #expect(all.json("keys") == #"["\#(tokens[2])","\#(tokens[0])"]"#, "\(all.text)")
            #expect(all.json("total_count") == "2" && all.json("total_pages") == "1")
            let second = try await list("?page=2&size=1")
            #expect(second.json("keys") == #"["\#(tokens[0])"]"# && second.json("total_pages") == "2")
            #expect(second.json("current_page") == "2")
            #expect(try await list("?page=9223372036854775807&size=100").json("keys") == "[]")
            #expect(try await list("?key_alias=c").json("keys") == #"["\#(tokens[2])"]"#)
            let whole = try await list("?team_id=night&return_full_object=True")
            #expect(whole.json("keys", "0", "token") == tokens[0] && whole.json("keys", "1") == nil)
            #expect(whole.text.contains(Self.five) && whole.text.contains(#""spend":0.000000000"#))
            for (query, field) in [
                ("?size=101", "size"), ("?page=0", "page"), ("?return_full_object=maybe", "return_full_object"),
                ("?user_id=ann", "user_id"),
            ] {
                let refused = try await list(query)
                #expect(refused.status == 400 && refused.json("error", "param") == field, "\(refused.text)")
            }
        }
    }

    @Test("teams are listed with their limits and keys, and one is blocked and let in again")
    func teams() async throws {
        try await AdminFixture.with { fixture in
            _ = try await Self.post(
                fixture, "/team/new",
                #"{"team_alias": "night", "max_budget": 5, "budget_duration": "30d", "tpm_limit": 2000}"#)
            _ = try await Self.post(fixture, "/team/new", #"{"team_alias": "day"}"#)
            let key = try await Self.post(fixture, "/key/generate", #"{"team_id": "night", "key_alias": "app"}"#)
            let blocked = try await Self.post(fixture, "/team/block", #"{"team_id": "night"}"#)
            #expect(blocked.status == 200 && blocked.json("team_id") == "night" && blocked.json("blocked") == "1")
            let listed = try await fixture.sendAnywhere(.get, "/team/list")
            #expect(listed.status == 200 && listed.json("0", "team_id") == "day" && listed.json("2") == nil)
            #expect(listed.json("0", "keys") == "[]" && listed.json("0", "max_budget") == nil)
            #expect(listed.text.contains(Self.five) && listed.json("1", "tpm_limit") == "2000")
            #expect(listed.json("1", "keys", "0", "token") == key.json("token") && listed.json("1", "blocked") == "1")
            let free = try await Self.post(fixture, "/team/unblock", #"{"team_id": "night"}"#)
            #expect(free.status == 200 && free.json("blocked") == "0" && free.text.contains(Self.five))
            #expect(try await fixture.events(2).map(\.action) == ["team.resume", "team.suspend"])
            #expect(try await fixture.sendAnywhere(.get, "/team/list?organization_id=other").json() == "[]")
            let refused = try await fixture.sendAnywhere(.get, "/team/list?user_id=ann")
            #expect(refused.status == 400 && refused.json("error", "param") == "user_id")
        }
    }

    @Test("of more teams and keys than are read at once none is left out, or the answer says that it is")
    func many() async throws {
        try await AdminFixture.with { fixture in
            _ = try await fixture.store.createTeam(name: "zz", tenant: "acme")
            try await fixture.run(
                """
                insert into teams (tenant_id, name) select id, 'team-' || lpad(n::text, 3, '0')
                from tenants, generate_series(1, 100) n where name = 'acme'
                """)
            try await fixture.run(
                """
                insert into api_keys (tenant_id, team_id, name, prefix, hash)
                select m.tenant_id, m.id, 'k' || n, 'gb-…', sha256(n::text::bytea)
                from teams m, generate_series(1, 1001) n where m.name = 'zz'
                """)
            _ = try await Self.post(fixture, "/team/update", #"{"team_id": "zz", "max_budget": 5}"#)
            let teams = try await fixture.sendAnywhere(.get, "/team/list")
            #expect(teams.status == 200 && teams.json("101") == nil)
            #expect(teams.json("99", "team_id") == "team-100" && teams.json("99", "keys") == "[]")
            #expect(teams.json("99", "gboost") == nil && teams.json("99", "max_budget") == nil)
            #expect(teams.json("100", "team_id") == "zz" && teams.text.contains(Self.five))
            let info = try await fixture.sendAnywhere(.get, "/team/info?team_id=zz")
            let remark = "keys: the latest 1000 of 1001; /key/list has all of them, page by page"
            for (keys, remarks) in [
                (teams.json("100", "keys"), teams.json("100", "gboost", "remarks")),
                (info.json("keys"), info.json("gboost", "remarks")),
            ] {
                #expect(keys?.contains(#""key_alias":"k2""#) == true && keys?.contains(#""key_alias":"k1""#) == false)
                #expect(remarks?.replacing(#"\/"#, with: "/") == #"["\#(remark)"]"#, "\(remarks ?? "")")
            }
            let first = try await fixture.sendAnywhere(.get, "/key/list?team_id=zz&size=100")
            #expect(first.json("total_count") == "1001" && first.json("total_pages") == "11")
            let last = try await fixture.sendAnywhere(
                .get, "/key/list?team_id=zz&size=100&page=11&return_full_object=true")
            #expect(last.json("keys", "0", "key_alias") == "k1" && last.json("keys", "1") == nil)
            #expect(last.json("current_page") == "11" && last.json("total_count") == "1001")
        }
    }

    @Test("what keys and teams have spent is said of each by itself, with a budget and without")
    func spent() async throws {
        try await AdminFixture.with { fixture in
            let payer = try await fixture.payers().acme
            let other = try await fixture.store.createKey(KeyDraft(tenant: "acme", name: "other")).info.id
            _ = try await payer.pay([700])
            func spend(_ path: String) async throws -> [String] {
                let text = try await fixture.sendAnywhere(.get, path).text
                return text.matches(of: /"spend":([0-9.]+)/).map { String($0.1) }
            }
            let mine = payer.caller.keyID
            #expect(try await spend("/key/info?key=key:\(mine)") == ["0.000000700"])
            #expect(try await spend("/key/info?key=key:\(other)") == ["0.000000000"])
            #expect(try await spend("/key/list?return_full_object=true") == ["0.000000000", "0.000000700"])
            _ = try await Self.post(fixture, "/key/update", #"{"key": "key:\#(mine)", "max_budget": 5}"#)
            _ = try await payer.pay([20])
            let budget = try #require(try await fixture.store.budgets(tenant: "acme", of: [.key(mine)]).first)
            #expect(budget.state.settled >= NanoUSD(20))
            let listed = try await spend("/key/list?return_full_object=true")
            #expect(listed == ["0.000000000", budget.state.settled.usdString])
        }
    }
}
