import Foundation
import GatewayTesting
import Testing

@testable import gboost

@Suite("Applying a declaration to a database")
struct ApplyTests {
    typealias Shell = AdministrationTests.Shell

    static let state = """
        prices:
          - { model: sim/m, input_usd_per_mtok: 2.5, output_usd_per_mtok: 10 }
        tenants:
          - name: acme
            time_zone: Europe/Berlin
            capture_days: 30
            teams: [research, { name: ops, suspended: true }]
            keys:
              - { name: app, team: research }
              - { name: night, expires: 2100-01-01 }
            budgets:
              - { limit_usd: 100, alert_at: [50, 80] }
              - { limit_usd: 5, key: app, window: week, week_start: sun, rollover_usd: 2 }
              - { limit_usd: 1, model: "sim/*", tag: batch, window: request }
            limits:
              - { key: night, requests_per_minute: 60, tokens_per_minute: 1000 }
              - { team: research, parallel: 2, for: local }
            routes:
              - { name: math, slm: slm, prm: prm, llm: sim/m, settings: { shadow_price: 2.5 } }
        """

    private func prepare(_ shell: Shell) async throws -> String {
        await shell.run("migrate")
        await shell.run("tenant create acme")
        let path = shell.directory.path()
        try await shell.writeModel()
        await shell.run("model add slm --tenant acme --kind slm --file \(path)/slm.gguf")
        await shell.run("model add prm --tenant acme --kind prm --base slm --file \(path)/head.json")
        return "\(path)/state.yaml"
    }

    private func write(_ text: String, _ file: String) throws { try Data(text.utf8).write(to: URL(filePath: file)) }

    @Test("a plan changes nothing; applying does what it said; a second run has nothing to change")
    func apply() async throws {
        try await Shell.with { shell in
            let file = try await prepare(shell)
            try write(Self.state, file)
            let plan = await shell.run("apply \(file) --plan --json")
            #expect(plan.status == .done, "\(plan.errors)")
            #expect(plan.json("applied") == "0" && plan.json("keys", "0") == nil)
            #expect(await shell.run("key list --tenant acme --json").output == "{\"keys\":[]}\n")
            let done = await shell.run("apply \(file) --json")
            #expect(done.status == .done, "\(done.errors)")
            #expect(done.json("applied") == "1")
            #expect(done.json("keys", "0", "name") == "app" && done.json("keys", "0", "key")?.hasPrefix("gb-") == true)
            #expect(done.json("keys", "1", "name") == "night" && done.json("keys", "2") == nil)
            #expect(await shell.run("tenant show acme --json").json("time_zone") == "Europe/Berlin")
            #expect(await shell.run("tenant show acme --json").json("capture_days") == "30")
            #expect(await shell.run("team list --tenant acme --json").json("teams", "0", "suspended_at") != nil)
            let again = await shell.run("apply \(file)")
            #expect(again.output == "nothing to change\n", "\(again.output)\(again.errors)")
            #expect(await shell.run("apply \(file) --prune").output == "nothing to change\n")
            try write(Self.state.replacing("capture_days: 30", with: "capture_days: none"), file)
            let less = await shell.run("apply \(file)")
            #expect(less.output.contains("~ tenant acme  capture_days 30 → none\n"), "\(less.output)\(less.errors)")
            #expect(await shell.run("tenant show acme --json").json("capture_days") == nil)
        }
    }

    @Test("changes show before and after, and only pruning takes away, only within the declared tenants")
    func change() async throws {
        try await Shell.with { shell in
            let file = try await prepare(shell)
            try write(Self.state, file)
            await shell.run("apply \(file)")
            await shell.run("tenant create other")
            await shell.run("budget set --tenant other --limit-usd 1")
            await shell.run("budget set --tenant acme --limit-usd 3 --window day")
            var text = Self.state.replacing("limit_usd: 100", with: "limit_usd: 150")
            text = text.replacing("shadow_price: 2.5", with: "shadow_price: 3").replacing(
                "output_usd_per_mtok: 10", with: "output_usd_per_mtok: 12")
            text = text.replacing("name: night, expires", with: "name: night, team: ops, expires")
            text = text.replacing("      - { team: research, parallel: 2, for: local }\n", with: "")
            try write(text, file)
            let first = await shell.run("apply \(file)")
            for line in [
                "~ budget acme tenant month  limit_usd 100.000000000 → 150.000000000",
                "~ key acme night  team none → ops",
                "~ route acme math  settings.shadow_price 2.5 → 3",
                "~ price sim/m  rates.output 10000000 → 12000000",
                "0 to create, 4 to change, 0 to remove",
            ] { #expect(first.output.contains(line + "\n"), "\(line)\n\(first.output)\(first.errors)") }
            let pruned = await shell.run("apply \(file) --prune")
            #expect(
                pruned.output.hasPrefix(
                    "- limit acme team research parallel for local\n- budget acme tenant day\n0 to create"),
                "\(pruned.output)\(pruned.errors)")
            #expect(await shell.run("budget show --tenant other --json").json("budgets", "0", "id") != nil)
            #expect(await shell.run("apply \(file) --prune").output == "nothing to change\n")
        }
    }

    @Test("a file that leaves out a price's tiers and discount, and a key's team and end, takes none of them away")
    func leavesOut() async throws {
        try await Shell.with { shell in
            let file = try await prepare(shell)
            await shell.run("team create research --tenant acme")
            await shell.run("team create ops --tenant acme")
            await shell.run("key create --tenant acme --team research --name app --expires 2100-01-01")
            let set = await shell.run(
                "price set sim/m --input-usd-per-mtok 2.5 --output-usd-per-mtok 10 --cached-input-usd-per-mtok 1 "
                    + "--per-call-usd 0.5 --batch-percent 50 --tier 200000:input=5,output=20")
            #expect(set.status == .done, "\(set.errors)")
            let state = """
                prices: [{ model: sim/m, input_usd_per_mtok: 2.5, output_usd_per_mtok: 10 }]
                tenants: [{ name: acme, keys: [{ name: app }] }]
                """
            try write(state, file)
            let first = await shell.run("apply \(file)")
            #expect(first.output == "nothing to change\n", "\(first.output)\(first.errors)")
            try write(
                state.replacing("mtok: 10", with: "mtok: 12").replacing("name: app", with: "name: app, team: ops"), file
            )
            let second = await shell.run("apply \(file)")
            #expect(second.output.contains("~ price sim/m  rates.output 10000000 → 12000000\n"), "\(second.output)")
            #expect(second.output.contains("~ key acme app  team research → ops\n"), "\(second.output)")
            let price = await shell.run("price list sim/m --json")
            #expect(price.json("prices", "0", "output_usd_per_mtok") == "12")
            #expect(price.json("prices", "0", "cached_input_usd_per_mtok") == "1")
            #expect(price.json("prices", "0", "batch_percent") == "50")
            #expect(price.json("prices", "0", "per_call_usd") == "0.500000000")
            #expect(price.json("prices", "0", "tiers", "0", "above_input_tokens") == "200000")
            #expect(price.json("prices", "0", "tiers", "0", "output_usd_per_mtok") == "20")
            let moved = await shell.run("key list --tenant acme --json")
            #expect(moved.json("keys", "0", "team") == "ops")
            #expect(moved.json("keys", "0", "expires_at") == "2100-01-01T00:00:00Z", "\(moved.output)")
            try write(state.replacing("name: app", with: "name: app, expires: none"), file)
            #expect(await shell.run("apply \(file)").status == .done)
            let freed = await shell.run("key list --tenant acme --json")
            #expect(freed.json("keys", "0", "team") == "ops" && freed.json("keys", "0", "expires_at") == nil)
        }
    }

    @Test("an error in the last line changes nothing of the first, and names its place")
    func allOrNothing() async throws {
        try await Shell.with { shell in
            let file = try await prepare(shell)
            let cases = [
                (
                    "slm: slm, prm: prm", "slm: none, prm: prm",
                    "state.yaml:19: tenants[0].routes[0].slm: acme has no model none"
                ),
                (
                    "key: app, window", "key: nobody, window",
                    "state.yaml:13: tenants[0].budgets[1].key: acme has no key named"
                ),
                ("team: research, parallel", "team: nobody, parallel", "tenants[0].limits[1].team: acme has no team"),
                ("model: \"sim/*\"", "model: \"sim *\"", "state.yaml:14: tenants[0].budgets[2].model: "),
            ]
            for (old, new, message) in cases {
                try write(Self.state.replacing(old, with: new), file)
                for mode in ["", " --plan"] {
                    let outcome = await shell.run("apply \(file)\(mode)")
                    #expect(outcome.status == .usage && outcome.output.isEmpty, "\(new)")
                    #expect(outcome.errors.contains(message), "\(outcome.errors)")
                }
            }
            #expect(await shell.run("tenant show acme --json").json("time_zone") == "UTC")
            #expect(await shell.run("price list --json").output == "{\"prices\":[]}\n")
            #expect(await shell.run("apply /nowhere.yaml").status == .usage)
        }
    }
}
