import Foundation
import Testing

@testable import gboost

@Suite struct PriceCommandTests {
    private typealias Shell = AdministrationTests.Shell

    @Test("a price is set with all its parts, and listed with them as a table and as JSON")
    func set() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let set = await shell.run(
                """
                price set claude/large --input-usd-per-mtok 3 --output-usd-per-mtok 15 --cached-input-usd-per-mtok 0.3 \
                --cache-write-5m-usd-per-mtok 3.75 --cache-write-1h-usd-per-mtok 6 --reasoning-usd-per-mtok 16 \
                --per-call-usd 0.001 --per-image-usd 0.04 --batch-percent 50 \
                --tier 200000:input=6,output=22.5,cached-input=0.6 --tier 400000:input=7,output=23 --json
                """)
            #expect(set.status == .done, "\(set.errors)")
            #expect(set.json("cache_write_5m_usd_per_mtok") == "3.75")
            #expect(set.json("cache_write_1h_usd_per_mtok") == "6")
            #expect(set.json("per_image_usd") == "0.040000000" && set.json("batch_percent") == "50")
            let list = await shell.run("price list claude/large --json")
            #expect(list.json("prices", "0", "reasoning_usd_per_mtok") == "16")
            #expect(list.json("prices", "0", "tiers", "0", "above_input_tokens") == "200000")
            #expect(list.json("prices", "0", "tiers", "0", "cached_input_usd_per_mtok") == "0.6")
            #expect(list.json("prices", "0", "tiers", "1", "output_usd_per_mtok") == "23")
            #expect(list.json("prices", "0", "in_force") == "1")
            let table = await shell.run("price list").output.split(separator: "\n")
            #expect(table.count == 4 && table[1].contains("50 %") && table[2].contains("above 200000 input"))
            let wrong = await shell.run(
                "price set a/b --input-usd-per-mtok 3 --output-usd-per-mtok 15 --tier 200000:input=6")
            #expect(wrong.status == .usage && wrong.errors.contains("tier"))
        }
    }

    @Test("a price file is imported: what is new, what is unchanged, what is skipped and why")
    func imports() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let file = shell.directory.appending(path: "prices.json")
            let json = """
                {"sample_spec": {"litellm_provider": "openai", "input_cost_per_token": 0.0},
                 "gpt-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07,
                   "output_cost_per_token": 6e-07, "input_cost_per_token_above_200k_tokens": 3e-07,
                   "input_cost_per_token_priority": 3e-07},
                 "openai/gpt-y": {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
                 "other": {"litellm_provider": "azure", "input_cost_per_token": 1, "output_cost_per_token": 1}}
                """
            try Data(json.utf8).write(to: file)
            let line = "price import \(file.path()) --provider openai --as sim --json"
            let dry = await shell.run(line + " --dry-run")
            #expect(dry.json("dry_run") == "1" && dry.json("imported", "0", "model") == "sim/gpt-x", "\(dry.errors)")
            #expect(dry.json("imported", "0", "id") == nil)
            #expect(await shell.run("price list --json").output == "{\"prices\":[]}\n")
            let done = await shell.run(line)
            #expect(done.status == .done && done.json("imported", "0", "input_usd_per_mtok") == "0.15")
            #expect(done.json("imported", "0", "tiers", "0", "input_usd_per_mtok") == "0.3")
            #expect(done.json("imported", "0", "remarks", "0") == "not used: input_cost_per_token_priority")
            #expect(done.json("skipped", "0", "model") == "openai/gpt-y")
            #expect(done.json("skipped", "0", "reason") == "has no output_cost_per_token")
            #expect(done.json("other_models") == "1")
            let again = await shell.run("price import \(file.path()) --provider openai --as sim")
            #expect(again.output.contains("0 imported, 1 unchanged, 1 skipped; 1 of other providers"))
            let later = await shell.run("price import \(file.path()) --provider openai --effective-at 2099-01-01")
            #expect(later.output.contains("1 imported"))
            let list = await shell.run("price list openai/gpt-x --json")
            #expect(list.json("prices", "0", "in_force") == "0")
            #expect(list.json("prices", "0", "effective_at") == "2099-01-01T00:00:00Z")
            #expect(list.json("prices", "0", "source") == "prices.json")
        }
    }

    @Test("a pattern in a price file is skipped with its reason, and the rest of the file is imported")
    func pattern() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let file = shell.directory.appending(path: "prices.json")
            let rates = #""input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06"#
            let json = """
                {"azure/*/old": {"litellm_provider": "azure", \(rates)},
                 "gpt-x": {"litellm_provider": "azure", \(rates)}}
                """
            try Data(json.utf8).write(to: file)
            let done = await shell.run("price import \(file.path()) --json")
            #expect(done.status == .done && done.json("imported", "0", "model") == "azure/gpt-x", "\(done.errors)")
            #expect(done.json("skipped", "0", "model") == "azure/*/old" && done.json("skipped", "1") == nil)
            #expect(done.json("skipped", "0", "reason")?.contains("is no model: a price is of one") == true)
            let again = await shell.run("price import \(file.path())")
            #expect(again.output.contains("0 imported, 1 unchanged, 1 skipped"), "\(again.output)")
        }
    }

    @Test("a file that is missing or no price file, and --as without --provider, are refused")
    func refused() async throws {
        try await Shell.with { shell in
            let file = shell.directory.appending(path: "prices.json")
            #expect(await shell.run("price import \(file.path())").status == .failed)
            try Data("[]".utf8).write(to: file)
            let wrong = await shell.run("price import \(file.path())")
            #expect(wrong.status == .failed && wrong.errors.contains("not a JSON object"))
            #expect(await shell.run("price import \(file.path()) --as sim").status == .usage)
            #expect(await shell.run("price import \(file.path()) --provider a --as b/c").status == .usage)
        }
    }
}
