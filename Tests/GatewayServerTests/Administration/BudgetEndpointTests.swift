import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: budgets and limits")
struct BudgetEndpointTests {
    @Test("a budget is set, and set again: what is not named stays, what is taken away goes")
    func setting() async throws {
        try await AdminFixture.with { fixture in
            let billing = AdminFixture.Asking.role(.billing, tenant: "acme")
            let set = try await fixture.send(
                .put, "/budgets",
                #"""
                {"limit_usd": 20.5, "alert_at": [50, 80], "time_zone": "Europe/Berlin", "week_start": "sun",
                 "rollover_usd": "7.5", "window": "week"}
                """#, by: billing)
            #expect(set.status == 200 && set.json("scope") == "tenant:acme" && set.json("window") == "week")
            #expect(set.json("set_nano_usd") == "20500000000" && set.json("alert_at") == "[50,80]")
            #expect(set.json("time_zone") == "Europe/Berlin" && set.json("week_start") == "sun")
            #expect(set.json("rollover_nano_usd") == "7500000000" && set.json("remaining_nano_usd") == "20500000000")
            let again = try await fixture.send(
                .put, "/budgets", #"{"tenant": "acme", "window": "week", "limit_usd": 1, "time_zone": null}"#)
            #expect(again.json("id") == set.json("id") && again.json("set_nano_usd") == "1000000000")
            #expect(again.json("alert_at") == "[50,80]" && again.json("week_start") == "sun")
            #expect(again.json("rollover_nano_usd") == "7500000000" && again.json("time_zone") == "Europe/Berlin")
            let less = try await fixture.send(
                .put, "/budgets?alert_at=90,95",
                #"{"tenant": "acme", "window": "week", "limit_usd": 1, "rollover_usd": "none"}"#)
            #expect(less.json("alert_at") == "[90,95]" && less.json("rollover_nano_usd") == nil)
            let none = try await fixture.send(
                .put, "/budgets", #"{"tenant": "acme", "window": "week", "limit_usd": 1, "alert_at": []}"#)
            #expect(none.json("alert_at") == "[]")

            let removed = try await fixture.send(.delete, "/budgets?tenant=acme&window=week", by: billing)
            #expect(removed.status == 200 && removed.json("id") == set.json("id"))
            #expect(try await fixture.send(.delete, "/budgets?tenant=acme&window=week", by: billing).status == 404)
            let events = try await fixture.events(2).map { "\($0.actor) \($0.action) \($0.subject)" }
            #expect(events == ["jwt:billing budget.remove tenant:acme", "admin-key budget.set tenant:acme"])
        }
    }

    @Test("a budget is added to and overridden by its whole name: the same of other calls is another budget")
    func changing() async throws {
        try await AdminFixture.with { fixture in
            _ = try await fixture.store.createTeam(name: "dev", tenant: "acme")
            let whole = try await fixture.store.setBudget(BudgetDraft(tenant: "acme", window: .week, limit: .zero))
            // The month is the window that need not be named.
            let team = try await fixture.send(
                .put, "/budgets", #"{"tenant": "acme", "team": "dev", "model": "a/*", "tag": "t", "limit_usd": 3}"#)
            #expect(team.status == 200 && team.json("scope")?.hasPrefix("team:dev") == true)
            #expect(team.json("window") == "month" && team.json("model") == "a/*" && team.json("tag") == "t")
            let query = "tenant=acme&team=dev&model=a%2F%2A&tag=t"
            let added = try await fixture.send(
                .post, "/budgets/top-up?\(query)", #"{"amount_usd": "0.000000001"}"#)
            #expect(added.status == 200 && added.json("top_up_nano_usd") == "1")
            #expect(added.json("limit_nano_usd") == "3000000001" && added.json("set_nano_usd") == "3000000000")

            let other = try await fixture.send(
                .post, "/budgets/overrides?\(query)",
                #"{"limit_usd": 9, "from": "2020-01-01", "until": "2120-01-01"}"#)
            #expect(other.status == 201 && other.json("limit_nano_usd") == "9000000001")
            #expect(other.json("set_nano_usd") == "3000000000")
            let list = try await fixture.send(.get, "/budgets/overrides?\(query)", by: .role(.auditor))
            #expect(list.json("overrides", "0", "limit_nano_usd") == "9000000000" && list.json("overrides", "1") == nil)
            #expect(list.json("overrides", "0", "from") == "2020-01-01")
            #expect(list.json("overrides", "0", "until") == "2120-01-01")
            let id = try #require(list.json("overrides", "0", "id"))
            #expect(other.json("override_id") == id && added.json("override_id") == nil)
            // An override is of one budget: by another's name there is none.
            let wrong = try await fixture.send(.delete, "/budgets/overrides/\(id)?tenant=acme&window=week")
            #expect(wrong.status == 404 && wrong.json("error", "param") == "override")
            let back = try await fixture.send(.delete, "/budgets/overrides/\(id)?\(query)")
            #expect(back.status == 200 && back.json("limit_nano_usd") == "3000000001")

            let all = try await fixture.send(.get, "/budgets", by: .role(.billing, tenant: "acme"))
            #expect(
                all.json("budgets", "0", "id") == "\(whole.id)" && all.json("budgets", "0", "top_up_nano_usd") == "0")
            #expect(all.json("budgets", "1", "id") == team.json("id") && all.json("budgets", "2") == nil)
            #expect(try await fixture.send(.get, "/budgets?tenant=other").text == #"{"budgets":[],"next_after":null}"#)
            let actions = try await fixture.events(4).map(\.action)
            #expect(actions == ["budget.override.remove", "budget.override", "budget.top-up", "budget.set"])
        }
    }

    @Test("dollars are exact to the nano-dollar however they are written, and what is not exact is refused")
    func exact() async throws {
        try await AdminFixture.with { fixture in
            for (written, nano) in [
                ("0.000000001", "1"), (#""0.000000001""#, "1"), (#""12.5""#, "12500000000"), ("12.5", "12500000000"),
                ("0.1", "100000000"), ("1234567.123456789", "1234567123456789"), ("0", "0"), ("20", "20000000000"),
            ] {
                let body = #"{"tenant": "acme", "limit_usd": \#(written)}"#
                let answer = try await fixture.send(.put, "/budgets", body)
                #expect(answer.status == 200 && answer.json("set_nano_usd") == nano, "\(written): \(answer.text)")
                #expect(try await fixture.number("select limit_n from budgets") == Int64(nano))
            }
            let before = try await fixture.number("select count(*) from events")
            for written in [
                "0.0000000001", #""0.1234567891""#, "1e3", #""1e3""#, "-1", #""-0.000000001""#, "\"\"", "true", "[]",
                #""1,5""#, #""$5""#, #"".5""#, #""5.""#, "9223372036.854775808", "null", #""NaN""#,
            ] {
                for (method, path, field, more) in [
                    (.put, "/budgets", "limit_usd", ""), (.post, "/budgets/top-up", "amount_usd", ""),
                    (.post, "/budgets/overrides", "limit_usd", #", "from": "2026-01-01", "until": "2027-01-01""#),
                ] as [(HTTPRequest.Method, String, String, String)] {
                    let body = #"{"tenant": "acme", "\#(field)": \#(written)\#(more)}"#
                    let answer = try await fixture.send(method, path, body)
                    #expect(
                        answer.status == 400 && answer.json("error", "param") == field,
                        "\(path) \(written): \(answer.text)")
                }
            }
            #expect(try await fixture.number("select count(*) from events") == before)
            #expect(try await fixture.number("select limit_n from budgets") == 20_000_000_000)
        }
    }

    @Test("a budget or a limit that makes no sense is refused by its field, and nothing is changed")
    func refused() async throws {
        try await AdminFixture.with { fixture in
            let foreign = try await fixture.store.createKey(KeyDraft(tenant: "other")).info.id
            let own = try await fixture.store.createKey(KeyDraft(tenant: "acme")).info.id
            _ = try await fixture.store.setBudget(BudgetDraft(tenant: "acme", limit: .zero))
            _ = try await fixture.store.setLimit(LimitDraft(tenant: "acme", unit: .requests, limit: 4))
            let before = try await fixture.number("select count(*) from events")
            let budgets: [(String, Int, String)] = [
                (#""alert_at": [80, 50]"#, 400, "alert_at"), (#""alert_at": [0]"#, 400, "alert_at"),
                (#""alert_at": ["50"]"#, 400, "alert_at"), (#""alert_at": [50.5]"#, 400, "alert_at"),
                (#""alert_at": 50"#, 400, "alert_at"), (#""window": "year""#, 400, "window"),
                (#""week_start": "monday""#, 400, "week_start"), (#""time_zone": "CEST+1""#, 400, "time_zone"),
                (#""rollover_usd": "all""#, 400, "rollover_usd"), (#""rollover_usd": -1"#, 400, "rollover_usd"),
                (#""window": "total", "rollover_usd": 1"#, 400, "rollover_usd"),
                (#""model": "a b""#, 400, "model"), (#""tag": "a b""#, 400, "tag"), (#""team": "none""#, 404, "team"),
                (#""team": "none", "key": 1"#, 400, "key"), (#""key": \#(foreign)"#, 404, "key"),
                (#""key": "key:1""#, 400, "key"), (#""limit": 1"#, 400, "limit"),
            ]
            for (fields, status, field) in budgets {
                let answer = try await fixture.send(
                    .put, "/budgets", #"{"tenant": "acme", "limit_usd": 1, \#(fields)}"#)
                expect(answer, status, field, fields)
            }
            let rest: [(HTTPRequest.Method, String, String?, Int, String?)] = [
                (.get, "/budgets", nil, 400, "tenant"), (.get, "/budgets?tenant=none", nil, 404, "tenant"),
                // What can be no pattern is not even looked up by.
                (.delete, "/budgets?tenant=acme&model=%00", nil, 400, "model"),
                (.delete, "/budgets?tenant=acme&key=\(own)", nil, 404, "budget"),
                (.get, "/budgets/overrides?tenant=acme&tag=%00", nil, 400, "tag"),
                (.post, "/budgets/top-up", #"{"tenant": "acme", "amount_usd": 0}"#, 400, "amount_usd"),
                (
                    .post, "/budgets/top-up", #"{"tenant": "acme", "window": "request", "amount_usd": 1}"#, 400,
                    "window"
                ),
                (.post, "/budgets/overrides", Self.days("2026-02-29", "2026-03-01"), 400, "from"),
                (.post, "/budgets/overrides", Self.days("2026-02-+1", "2026-03-01"), 400, "from"),
                (.post, "/budgets/overrides", Self.days("2026-02-01", "2026-02-01"), 400, "until"),
                (.delete, "/budgets/overrides/7?tenant=acme", nil, 404, "override"),
                (.put, "/limits", #"{"tenant": "acme"}"#, 400, nil),
                (.put, "/limits", #"{"tenant": "acme", "requests_per_minute": 5, "parallel": null}"#, 400, "parallel"),
                (.put, "/limits", #"{"tenant": "acme", "requests_per_minute": -1}"#, 400, "requests_per_minute"),
                (.put, "/limits", #"{"tenant": "acme", "parallel": 1.5}"#, 400, "parallel"),
                (.put, "/limits", #"{"tenant": "acme", "for": "all", "parallel": 5}"#, 400, "for"),
                (.put, "/limits", #"{"tenant": "acme", "for": "local", "tag": "t", "parallel": 5}"#, 400, "tag"),
                (.put, "/limits", #"{"tenant": "acme", "key": \#(foreign), "parallel": 5}"#, 404, "key"),
                (.delete, "/limits?tenant=acme", nil, 400, nil),
                // The first of the two is there.
                (.delete, "/limits?tenant=acme&parallel=true&requests_per_minute=true", nil, 404, "limit"),
                (.delete, "/limits?tenant=acme&parallel=4", nil, 400, "parallel"),
            ]
            for (method, path, body, status, field) in rest {
                expect(try await fixture.send(method, path, body), status, field, "\(method) \(path) \(body ?? "")")
            }
            #expect(try await fixture.number("select count(*) from events") == before)
            #expect(try await fixture.number("select count(*) from budgets where removed_at is null") == 2)
        }
    }

    @Test("limits are set together, hold for their traffic, and are taken away by name")
    func limits() async throws {
        try await AdminFixture.with { fixture in
            let key = try await fixture.store.createKey(KeyDraft(tenant: "acme")).info.id
            let admin = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            let set = try await fixture.send(
                .put, "/limits",
                #"{"key": \#(key), "requests_per_minute": 60, "tokens_per_minute": "9000", "parallel": 0}"#, by: admin)
            #expect(set.status == 200)
            let units = (0...2).map { set.json("limits", "\($0)", "unit") ?? "" }
            #expect(units == ["requests", "tokens", "parallel"], "\(set.text)")
            let numbers = (0...2).map { set.json("limits", "\($0)", "limit") ?? "" }
            #expect(numbers == ["60", "9000", "0"], "\(set.text)")
            #expect(set.json("limits", "0", "scope") == "key:\(key)" && set.json("limits", "0", "traffic") == "paid")
            #expect(try await fixture.events(3).map(\.action) == ["limit.set", "limit.set", "limit.set"])
            let more = try await fixture.send(
                .put, "/limits", #"{"key": \#(key), "for": "local", "requests_per_minute": 600}"#, by: admin)
            #expect(more.json("limits", "0", "traffic") == "local" && more.json("limits", "0", "limit") == "600")
            _ = try await fixture.send(.put, "/limits", #"{"tenant": "acme", "model": "a/*", "parallel": 7}"#)

            let removed = try await fixture.send(
                .delete, "/limits?key=\(key)&requests_per_minute=true&parallel=true&tokens_per_minute=false", by: admin)
            #expect(removed.status == 200 && removed.json("removed", "0", "unit") == "requests")
            #expect(removed.json("removed", "1", "unit") == "parallel" && removed.json("removed", "2") == nil)
            let left = try await fixture.send(.get, "/limits", by: .role(.billing, tenant: "acme"))
            let kept = (0...3).map { left.json("limits", "\($0)", "limit") ?? "" }
            #expect(kept == ["7", "9000", "600", ""], "\(left.text)")
            #expect(left.json("limits", "0", "model") == "a/*" && left.json("limits", "0", "key_id") == nil)
            #expect(left.json("limits", "1", "key_id") == "\(key)")
        }
    }

    private static func days(_ from: String, _ until: String) -> String {
        #"{"tenant": "acme", "limit_usd": 1, "from": "\#(from)", "until": "\#(until)"}"#
    }

    private func expect(
        _ answer: AdminFixture.Answer, _ status: Int, _ field: String?, _ what: String,
        at location: SourceLocation = #_sourceLocation
    ) {
        #expect(
            answer.status == status && answer.json("error", "param") == field, "\(what): \(answer.text)",
            sourceLocation: location)
    }
}
