import Foundation
import Postgres
import Testing

/// A general LLM that the gateway serves itself, paid for like any other.
extension RealProcessTests {
    @Test("a model that is served at home is held for, settled by its own counts, recorded and refused at the cap")
    func homeModel() async throws {
        try await Self.withHomeModel { world, gateway, key in

            let whole = try await gateway.ask("Say hello.", model: "home/demo", key: key, maxTokens: 12)
            #expect(whole.status == 200 && whole.headers("x-gboost-served-by") == "llm", "\(whole.body)")
            #expect(whole.content?.isEmpty == false)
            let usage = try #require(Self.usage(whole.body))
            #expect(usage.output > 0 && usage.output <= 12 && usage.input > 0)
            #expect(try await Self.settled(world) == usage.input * 2000 + usage.output * 4000)

            let stream = try await gateway.ask(
                "Say hello.", model: "home/demo", key: key, maxTokens: 12, stream: true)
            #expect(stream.status == 200 && stream.body.hasSuffix("data: [DONE]\n\n"), "\(stream.body)")
            #expect(Self.text(ofStream: stream.body) == whole.content)

            // A step of the SLM's that is doubted goes to it like to any LLM.
            try await world.gboost(
                "route", "add", "homely", "--tenant", "acme", "--slm", "slm", "--prm", "unsure", "--llm", "home/demo",
                "--set", "value_usd=0.5", "--set", "max_resamples=0", "--set", "max_step_tokens=16", "--set",
                "max_answer_tokens=32")
            try await Self.eventually("the route is known") {
                try await gateway.ask("Say hello.", model: "homely", key: key, maxTokens: 16)
                    .headers("x-gboost-escalations").flatMap { Int($0) } ?? 0 > 0
            }

            let two = try gateway.body("Say hello.", model: "home/demo", maxTokens: 12, extra: ["n": 2])
            let refused = try await gateway.ask(two, key: key)
            #expect(refused.status == 400 && refused.body.contains("several_choices"), "\(refused.body)")
            let missing = try await gateway.ask("Say hello.", model: "home/other", key: key, maxTokens: 12)
            #expect(missing.status == 404 || missing.status == 400, "\(missing.body)")

            let rows = try await world.query(
                """
                select count(*) as n, count(*) filter (where e.amount = l.amount) as same,
                  sum(l.amount)::bigint as posted, (select sum(settled)::bigint from budget_periods) as settled
                from escalations e join ledger_entries l on l.id = e.entry_id
                """
            ).rows[0]
            let (count, same): (Int64, Int64) = (try rows.get("n"), try rows.get("same"))
            #expect(count >= 4 && count == same)
            #expect(try rows.get("posted", as: Int64.self) == (try rows.get("settled", as: Int64.self)))

            try await world.gboost("budget", "set", "--tenant", "acme", "--limit-usd", "0")
            try await Self.eventually("the cap holds") {
                try await gateway.ask("Say hello.", model: "home/demo", key: key, maxTokens: 12).status == 429
            }
        }
    }

    @Test("steps that SLM and LLM write together are held for, settled and recorded like any, and are both models' own")
    func fusion() async throws {
        try await Self.withHomeModel { world, gateway, key in
            // Steps, never the rest, and every one of them.
            let settings = [
                "value_usd=0.5", "max_resamples=0", "max_step_tokens=12", "max_llm_step_tokens=12",
                "max_answer_tokens=30", "step_gain_share=1", "expected_step_tokens=4", "expected_rest_tokens=4000",
                "llm_rest_seconds=1000", "llm_step_seconds=0", "latency_usd_per_second=0.01",
            ]
            for (name, more) in [("fused", "fusion_weight=1"), ("alone", "escalation_forbidden=true")] {
                let models = ["--slm", "slm", "--prm", "unsure", "--llm", "home/demo"]
                _ = try await Program.run(
                    ["route", "add", name, "--tenant", "acme"] + models
                        + (settings + [more]).flatMap { ["--set", $0] } + ["--config", world.configuration],
                    in: world.directory)
            }
            var fused: Gateway.Answer?
            try await Self.eventually("the routes are known") {
                fused = try await gateway.ask("Count from one to nine.", model: "fused", key: key, maxTokens: 30)
                return fused?.status == 200
            }
            let alone = try await gateway.ask("Count from one to nine.", model: "alone", key: key, maxTokens: 30)
            // The same model twice: together it says what it says alone, where asked in words it would not.
            #expect(fused?.content?.isEmpty == false && fused?.content == alone.content, "\(alone.body)")
            #expect(fused?.headers("x-gboost-served-by") == "llm")

            let rows = try await world.query(
                """
                select e.kind, l.amount, l.input_tokens as input, l.cached_input_tokens as cached,
                  l.output_tokens as output, l.provider_request_id as written
                from escalations e join ledger_entries l on l.id = e.entry_id order by e.step
                """
            ).rows
            #expect(rows.count > 1)
            for row in rows {
                #expect(try row.get("kind", as: String.self) == "step")
                #expect(try row.get("written", as: String.self).hasPrefix("fusion-"))
                let (input, output): (Int64, Int64) = (try row.get("input"), try row.get("output"))
                #expect(input > 0 && output > 0 && output <= 12 + 8)
                #expect(try row.get("amount", as: Int64.self) == input * 2000 + output * 4000)
            }
        }
    }

    /// A gateway with the priced model `home/demo`, and the key of a tenant with a dollar.
    private static func withHomeModel(
        _ body: @Sendable (World, Gateway, String) async throws -> Void
    ) async throws {
        try await with { world in
            try await world.serveAtHome()
            try await world.gboost(
                "price", "set", "home/demo", "--input-usd-per-mtok", "2", "--output-usd-per-mtok", "4")
            let key = try await world.tenant("acme", limitUSD: "1")
            let gateway = try await world.gateway()
            try await body(world, gateway, key)
            #expect(await gateway.stop() == 0)
        }
    }

    private static func settled(_ world: World) async throws -> Int64 {
        try await world.query("select sum(settled)::bigint as n from budget_periods").rows[0].get("n")
    }

    private static func usage(_ body: String) -> (input: Int64, output: Int64)? {
        let json = try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
        guard let usage = json?["usage"] as? [String: Any], let input = usage["prompt_tokens"] as? Int64,
            let output = usage["completion_tokens"] as? Int64
        else { return nil }
        return (input, output)
    }

    private static func text(ofStream body: String) -> String {
        body.split(separator: "\n").filter { $0.hasPrefix("data: {") }.map { line in
            let json = try? JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any]
            let choice = (json?["choices"] as? [[String: Any]])?.first
            return (choice?["delta"] as? [String: Any])?["content"] as? String ?? ""
        }.joined()
    }
}
