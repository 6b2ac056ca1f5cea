import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: prices")
struct PriceEndpointTests {
    @Test("a price is set exactly, with its tiers, once for a moment; everybody may read it")
    func set() async throws {
        try await AdminFixture.with { fixture in
            let made = try await fixture.send(
                .post, "/prices",
                #"""
                {"model": "openai/gpt-x", "input_usd_per_mtok": 2.5, "output_usd_per_mtok": "10.000001",
                 "cached_input_usd_per_mtok": 0.25, "cache_write_5m_usd_per_mtok": 3, "reasoning_usd_per_mtok": null,
                 "per_call_usd": "0.000000001", "batch_percent": 50, "effective_at": "2020-01-01",
                 "tiers": [{"above_input_tokens": 200000, "input_usd_per_mtok": 5, "output_usd_per_mtok": 15},
                           {"above_input_tokens": 1000, "input_usd_per_mtok": 4, "output_usd_per_mtok": 14,
                            "cache_write_1h_usd_per_mtok": 0.5}]}
                """#)
            #expect(made.status == 201, "\(made.text)")
            #expect(made.json("model") == "openai/gpt-x" && made.json("effective_at") == "2020-01-01T00:00:00Z")
            #expect(made.json("input_usd_per_mtok") == "2.5" && made.json("output_usd_per_mtok") == "10.000001")
            #expect(made.json("cached_input_usd_per_mtok") == "0.25")
            #expect(made.json("cache_write_5m_usd_per_mtok") == "3" && made.json("reasoning_usd_per_mtok") == nil)
            #expect(made.json("per_call_usd") == "0.000000001" && made.json("batch_percent") == "50")
            #expect(made.json("tiers", "0", "above_input_tokens") == "1000" && made.json("tiers", "2") == nil)
            #expect(made.json("tiers", "0", "cache_write_1h_usd_per_mtok") == "0.5")
            #expect(made.json("tiers", "1", "output_usd_per_mtok") == "15")
            let event = try #require(try await fixture.events(1).first)
            #expect(event.action == "price.set" && event.actor == "admin-key" && event.subject == "openai/gpt-x")

            let again = try await fixture.send(
                .post, "/prices",
                #"{"model": "openai/gpt-x", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1, "#
                    + #""effective_at": "2020-01-01"}"#)
            #expect(again.status == 409 && again.json("error", "param") == "effective_at")
            let other = #"{"model": "openai/gpt-y", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1}"#
            #expect(try await fixture.send(.post, "/prices", other).status == 201)
            let reader = AdminFixture.Asking.role(.auditor, tenant: "other")
            #expect(try await fixture.send(.get, "/prices", by: reader).json("prices", "1", "model") == "openai/gpt-y")
            let one = try await fixture.send(.get, "/prices?model=openai/gpt-x", by: reader)
            #expect(one.json("prices", "0", "in_force") == "1" && one.json("prices", "1") == nil)
            #expect(one.json("prices", "0", "tiers", "1", "input_usd_per_mtok") == "5")
            #expect(try await fixture.send(.get, "/prices?model=gpt-x").json("error", "param") == "model")
        }
    }

    @Test("a price that is wrong is refused by the field, and none comes about")
    func wrong() async throws {
        try await AdminFixture.with { fixture in
            let events = try await fixture.number("select count(*) from events")
            let rates = #""input_usd_per_mtok": 1, "output_usd_per_mtok": 2"#
            let cases: [(body: String, field: String)] = [
                ("{\(rates)}", "model"), (#"{"model": "gpt", \#(rates)}"#, "model"),
                (#"{"model": "openai/*", \#(rates)}"#, "model"),
                (#"{"model": "a/b", "input_usd_per_mtok": 1}"#, "output_usd_per_mtok"),
                (#"{"model": "a/b", "input_usd_per_mtok": 1.0000001, "output_usd_per_mtok": 2}"#, "input_usd_per_mtok"),
                (#"{"model": "a/b", "input_usd_per_mtok": 1e3, "output_usd_per_mtok": 2}"#, "input_usd_per_mtok"),
                (#"{"model": "a/b", "input_usd_per_mtok": true, "output_usd_per_mtok": 2}"#, "input_usd_per_mtok"),
                (#"{"model": "a/b", "input_usd_per_mtok": 1, "output_usd_per_mtok": -2}"#, "output_usd_per_mtok"),
                (#"{"model": "a/b", \#(rates), "cache_write_5m_usd_per_mtok": "x"}"#, "cache_write_5m_usd_per_mtok"),
                (#"{"model": "a/b", \#(rates), "per_call_usd": "0.0000000001"}"#, "per_call_usd"),
                (#"{"model": "a/b", \#(rates), "batch_percent": 101}"#, "batch_percent"),
                (#"{"model": "a/b", \#(rates), "effective_at": "tomorrow"}"#, "effective_at"),
                (#"{"model": "a/b", \#(rates), "effective_at": "2026-02-30"}"#, "effective_at"),
                (#"{"model": "a/b", \#(rates), "tiers": {}}"#, "tiers"),
                (#"{"model": "a/b", \#(rates), "tiers": [{\#(rates)}]}"#, "above_input_tokens"),
                (#"{"model": "a/b", \#(rates), "tiers": [{"above_input_tokens": 5, \#(rates), "x": 1}]}"#, "x"),
                (
                    #"{"model": "a/b", \#(rates), "tiers": [{"above_input_tokens": 5, \#(rates)}, "#
                        + #"{"above_input_tokens": 5, \#(rates)}]}"#, "tiers"
                ), (#"{"model": "a/b", \#(rates), "colour": 1}"#, "colour"),
            ]
            for (body, field) in cases {
                let answer = try await fixture.send(.post, "/prices", body)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(body): \(answer.text)")
            }
            #expect(try await fixture.number("select count(*) from prices") == 0)
            #expect(try await fixture.number("select count(*) from events") == events)
        }
    }

    @Test("a file of prices is tried, added, and found unchanged; what it says nothing of is not touched")
    func importing() async throws {
        try await AdminFixture.with { fixture in
            let file = #"""
                {"gpt-y": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.000003,
                           "output_cost_per_token": 0.000004},
                 "gem": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 0.000003,
                         "output_cost_per_token": 0.000004},
                 "half": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.000003}}
                """#
            let path = "/prices/import?provider=openai&as=oai&source=prices.json"
            let tried = try await fixture.send(.post, path + "&dry_run=true", file)
            #expect(tried.status == 200 && tried.json("dry_run") == "1", "\(tried.text)")
            #expect(tried.json("imported", "0", "model") == "oai/gpt-y" && tried.json("imported", "0", "id") == nil)
            #expect(tried.json("other_models") == "1" && tried.json("skipped", "0", "model") == "half")
            #expect(try await fixture.number("select count(*) from prices") == 0)
            let done = try await fixture.send(.post, path, file)
            #expect(done.json("imported", "0", "input_usd_per_mtok") == "3" && done.json("imported", "1") == nil)
            #expect(done.json("imported", "0", "id") != nil && done.json("dry_run") == "0")
            let listed = try await fixture.send(.get, "/prices")
            #expect(listed.json("prices", "0", "source") == "prices.json" && listed.json("prices", "1") == nil)
            let event = try #require(try await fixture.events(1).first)
            #expect(event.action == "price.import" && event.actor == "admin-key" && event.subject == "oai/gpt-y")
            let again = try await fixture.send(.post, path, file)
            #expect(again.json("unchanged", "0") == "oai/gpt-y" && again.json("imported", "0") == nil)

            for (query, field) in [
                ("as=oai", "as"), ("provider=openai&as=a/b", "as"), ("dry_run=perhaps", "dry_run"),
                ("source=%07", "source"), ("model=gpt-y", "model"),
            ] {
                let answer = try await fixture.send(.post, "/prices/import?\(query)", file)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(query): \(answer.text)")
            }
            #expect(try await fixture.send(.post, "/prices/import", "[]").status == 400)
            #expect(try await fixture.number("select count(*) from prices") == 1)
        }
    }
}
