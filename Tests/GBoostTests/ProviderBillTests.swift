import Foundation
import Ledger
import Testing

@testable import gboost

@Suite("Providers' bills are read in their own forms")
struct ProviderBillTests {
    private static func read(_ text: String) throws -> ProviderBill { try ProviderBill(Data(text.utf8)) }

    @Test("the simulated provider's lines, each a call by the name that its answer had")
    func simulated() throws {
        let bill = try Self.read(
            """
            {"request_id":"r","call":17,"model":"m","input_tokens":3,"output_tokens":2,"nano_usd":5,"finished":true}
            {"request_id":"s","call":18,"model":"m","input_tokens":3,"output_tokens":2,"nano_usd":6,"finished":false}

            """)
        #expect(bill.calls.map(\.providerRequest) == ["sim-17", "sim-18"] && bill.calls.map(\.nanoUSD) == [5, 6])
        #expect(bill.buckets.isEmpty)
    }

    @Test("OpenAI's usage and costs: a bucket for each span and model, dollars to the nano-dollar")
    func openAI() throws {
        let usage = try Self.read(
            """
            {"object":"page","data":[{"object":"bucket","start_time":1730419200,"end_time":1730505600,"results":[
            {"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":500,
            "input_cached_tokens":800,"num_model_requests":5,"model":"gpt-x","project_id":"a"},
            {"object":"organization.usage.completions.result","input_tokens":1,"output_tokens":2,
            "num_model_requests":1,"model":"gpt-x","project_id":"b"}]}],"has_more":false,"next_page":null}
            """)
        let bucket = try #require(usage.buckets.first)
        #expect(usage.buckets.count == 1 && bucket.model == "gpt-x" && bucket.inputTokens == 1001)
        #expect(bucket.outputTokens == 502 && bucket.calls == 6 && bucket.nanoUSD == nil)
        #expect(bucket.span.lowerBound == Date(timeIntervalSince1970: 1_730_419_200))
        let costs = try Self.read(
            """
            {"object":"page","data":[{"object":"bucket","start_time":1730419200,"end_time":1730505600,"results":[
            {"object":"organization.costs.result","amount":{"value":0.06,"currency":"usd"},"line_item":null},
            {"object":"organization.costs.result","amount":{"value":0.000000001,"currency":"usd"}}]}]}
            """)
        #expect(costs.buckets.map(\.nanoUSD) == [60_000_001] && costs.buckets.first?.model == nil)
    }

    @Test("Anthropic's usage counts what was cached, its costs are cents in text")
    func anthropic() throws {
        let usage = try Self.read(
            """
            {"data":[{"starting_at":"2026-08-01T00:00:00Z","ending_at":"2026-08-02T00:00:00Z","results":[
            {"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000,
            "ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,"output_tokens":500,"model":"claude-x"}]}],
            "has_more":false}
            """)
        #expect(usage.buckets.map(\.inputTokens) == [3200] && usage.buckets.map(\.outputTokens) == [500])
        let costs = try Self.read(
            """
            {"data":[{"starting_at":"2026-08-01T00:00:00Z","ending_at":"2026-08-02T00:00:00Z","results":[
            {"currency":"USD","amount":"123.78912","model":"claude-x"}]}]}
            """)
        #expect(costs.buckets.map(\.nanoUSD) == [1_237_891_200])
    }

    @Test("anything else is no bill")
    func others() {
        for text in ["{}", "[]", "hello", "{\"data\":[{}]}"] {
            #expect(throws: CommandFailure.self) { try Self.read(text) }
        }
    }

    @Test("an empty bill is a bill, beside an empty ledger it is even; a missing file is named")
    func command() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            let path = shell.directory.path()
            try Data().write(to: shell.directory.appending(path: "bill"))
            let even = await shell.run("reconcile \(path)/bill --provider sim --json")
            #expect(even.status == .done && even.json("matched", "count") == "0", "\(even.errors)")
            let line = """
                {"request_id":"r","call":1,"model":"m","input_tokens":3,"output_tokens":2,"nano_usd":5,"finished":true}
                """
            try Data(line.utf8).write(to: shell.directory.appending(path: "bill"))
            let missing = await shell.run("reconcile \(path)/bill --provider sim")
            #expect(missing.status == .failed && missing.output.contains("sim-1"), "\(missing.errors)")
            #expect(await shell.run("reconcile \(path)/none --provider sim").status == .usage)
        }
    }
}
