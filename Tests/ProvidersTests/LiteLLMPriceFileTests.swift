import GatewayCore
import Providers
import Testing
import WireFormat

private let rates = #""input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07"#

@Suite("LiteLLM's price file")
struct LiteLLMPriceFileTests {
    private func read(_ json: String, provider: String? = nil, name: String? = nil) throws -> LiteLLMPriceFile {
        try LiteLLMPriceFile(Array(json.utf8), provider: provider, name: name)
    }

    /// One model "m" of provider "p" with these keys.
    private func one(_ keys: String) throws -> LiteLLMPriceFile {
        try read(#"{"m": {"litellm_provider": "p", \#(keys)}}"#)
    }

    @Test("Rates are read exactly; the provider's name is stripped; the documentation is no model")
    func plain() throws {
        let file = try read(
            #"""
            {"sample_spec": {"litellm_provider": "one of https://…", "input_cost_per_token": 0.0},
             "gpt-x": {"litellm_provider": "openai", "mode": "chat", "max_tokens": 16384,
                "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "supports_vision": true,
                "cache_read_input_token_cost": 7.5e-08, "input_cost_per_token_batches": 7.5e-08,
                "output_cost_per_token_batches": 3e-07, "output_cost_per_reasoning_token": null},
             "or/vendor/x": {"litellm_provider": "or", "input_cost_per_token": 0.000003,
                "output_cost_per_token": 1.5E-5, "cache_creation_input_token_cost": 3.75e-06,
                "cache_creation_input_token_cost_above_1hr": 6e-06, "output_cost_per_reasoning_token": 2e-05,
                "input_cost_per_request": 0.005, "input_cost_per_image": 0.0048, "output_cost_per_image": 0.04}}
            """#)
        #expect(file.skipped.isEmpty && file.priced.allSatisfy { $0.remarks.isEmpty })
        #expect(
            file.priced.map(\.price) == [
                ModelPrice(
                    model: ModelReference(provider: "openai", model: "gpt-x"),
                    rates: TokenRates(input: 150_000, cachedInput: 75_000, output: 600_000), batchPercent: 50),
                ModelPrice(
                    model: ModelReference(provider: "or", model: "vendor/x"),
                    rates: TokenRates(
                        input: 3_000_000, cacheWrite5m: 3_750_000, cacheWrite1h: 6_000_000, output: 15_000_000,
                        reasoning: 20_000_000),
                    perCall: NanoUSD(5_000_000), perImage: NanoUSD(40_000_000)),
            ])
    }

    @Test("Tiers by prompt size; what one does not say is as in the base")
    func tiers() throws {
        let file = try one(
            rates + #"""
                , "cache_read_input_token_cost": 1e-08, "cache_creation_input_token_cost": 2e-07,
                "cache_creation_input_token_cost_above_1hr": 3e-07,
                "input_cost_per_token_above_200k_tokens": 3e-07, "output_cost_per_token_above_200k_tokens": 9e-07,
                "cache_read_input_token_cost_above_200k_tokens": 2e-08,
                "cache_creation_input_token_cost_above_200k_tokens": 4e-07,
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 6e-07,
                "input_cost_per_token_above_128k_tokens": 2e-07,
                "cache_creation_input_token_cost_above_128k_tokens": 5e-07,
                "output_cost_per_token_above_1000_tokens": 5e-07,
                "input_cost_per_character_above_128k_tokens": 1, "input_cost_per_token_above_200k_tokens_priority": 2
                """#)
        let price = try #require(file.priced.first)
        let base = TokenRates(
            input: 150_000, cachedInput: 10_000, cacheWrite5m: 200_000, cacheWrite1h: 300_000, output: 600_000)
        var (low, middle) = (base, base)
        low.output = 500_000
        middle.input = 200_000
        middle.cacheWrite5m = 500_000
        // An hour in the cache is not cheaper than five minutes.
        middle.cacheWrite1h = 500_000
        let high = TokenRates(
            input: 300_000, cachedInput: 20_000, cacheWrite5m: 400_000, cacheWrite1h: 600_000, output: 900_000)
        #expect(price.price.rates == base)
        #expect(
            price.price.tiers == [
                PriceTier(aboveInputTokens: 1000, rates: low), PriceTier(aboveInputTokens: 128_000, rates: middle),
                PriceTier(aboveInputTokens: 200_000, rates: high),
            ])
        #expect(
            price.remarks == [
                "not used: input_cost_per_character_above_128k_tokens, input_cost_per_token_above_200k_tokens_priority"
            ])
    }

    @Test(
        "A price that is missing, nonsense or more than can be held for is skipped with its reason",
        arguments: [
            (#""output_cost_per_token": 1e-6"#, "has no input_cost_per_token"),
            (#""input_cost_per_token": 1e-6"#, "has no output_cost_per_token"),
            (#""input_cost_per_token": 1e-6, "output_cost_per_token": null"#, "has no output_cost_per_token"),
            (#""input_cost_per_token": "1e-6", "output_cost_per_token": 1e-6"#, "input_cost_per_token is not a number"),
            (#""input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6"#, "input_cost_per_token is negative"),
            (
                #""input_cost_per_token": 1e99, "output_cost_per_token": 1e-6"#,
                "input_cost_per_token is negative or too"
            ),
            (#""input_cost_per_token": 0.0, "output_cost_per_token": 0"#, "all its rates are zero"),
            (rates + #", "mode": "audio_transcription""#, "mode audio_transcription is not supported"),
            (rates + #", "output_cost_per_image_token": 3e-05"#, "output_cost_per_image_token is not supported"),
            (rates + #", "tiered_pricing": [{"range": [0, 1]}]"#, "tiered_pricing is not supported"),
            (rates + #", "input_cost_per_token_above_many_tokens": 1e-6"#, "above_many_tokens cannot be read"),
            (rates + #", "input_cost_per_token_above_0k_tokens": 1e-6"#, "above_0k_tokens cannot be read"),
            (rates + ", " + rates, "occurs twice"),
            (
                rates + #", "input_cost_per_token_batches": 1e-6, "output_cost_per_token_batches": 1e-9"#,
                "input costs more in batches"
            ),
        ])
    func skipped(keys: String, reason: String) throws {
        let file = try one(keys)
        #expect(file.priced.isEmpty)
        #expect(file.skipped.map(\.model) == ["m"])
        #expect(file.skipped.first?.reason.contains(reason) == true, "\(file.skipped)")
    }

    @Test("A rate finer than a pico-dollar is rounded up and reported, as is a share of a percent")
    func rounded() throws {
        let file = try one(
            #"""
            "input_cost_per_token": 1.0000001e-07, "output_cost_per_token": 3e-06, "input_cost_per_request": 1e-10,
            "input_cost_per_token_batches": 5e-08, "output_cost_per_token_batches": 2e-06
            """#)
        let priced = try #require(file.priced.first)
        #expect(priced.price.rates == TokenRates(input: 100_001, output: 3_000_000))
        #expect(priced.price.perCall == NanoUSD(1) && priced.price.batchPercent == 67)
        #expect(priced.remarks.contains("input_cost_per_token was rounded up to a pico-dollar"))
        #expect(priced.remarks.contains("input_cost_per_request was rounded up to a nano-dollar"))
        #expect(priced.remarks.contains("output in batches was rounded up to a percent"))
        #expect(priced.remarks.contains("batches have the higher of two discounted shares"))
    }

    @Test("One provider only, under the gateway's name for it")
    func selection() throws {
        let json = #"""
            {"a": {"litellm_provider": "x", \#(rates)}, "y/b": {"litellm_provider": "y", \#(rates)},
             "y/c": {"litellm_provider": "y"}, "d": {}, "e": 5}
            """#
        let file = try read(json, provider: "y", name: "mine")
        #expect(file.priced.map(\.price.model.description) == ["mine/b"])
        #expect(file.otherModels == 1 && file.skipped.map(\.model) == ["y/c", "d", "e"])
        #expect(try read(json).priced.map(\.price.model.description) == ["x/a", "y/b"])
    }

    @Test("Two names of one model: once if their prices agree, else not at all")
    func twice() throws {
        let other = #""input_cost_per_token": 2e-07, "output_cost_per_token": 6e-07"#
        let file = try read(
            #"""
            {"m": {"litellm_provider": "p", \#(rates)}, "p/m": {"litellm_provider": "p", \#(rates)},
             "n": {"litellm_provider": "p", \#(rates)}, "p/n": {"litellm_provider": "p", \#(other)}}
            """#)
        #expect(file.priced.map(\.price.model.model) == ["m"])
        #expect(file.skipped.map(\.model) == ["p/m", "n", "p/n"])
        #expect(file.skipped.map(\.reason).filter { $0.contains("another price of p/n") }.count == 2)
    }

    @Test(
        "Names that cannot be stored or told apart are skipped",
        arguments: ["p/", "a\\u0000b", "a\\nb", String(repeating: "n", count: 256)])
    func names(name: String) throws {
        let file = try read(#"{"\#(name)": {"litellm_provider": "p", \#(rates)}}"#)
        #expect(file.priced.isEmpty && file.skipped.first?.reason.contains("its name") == true)
    }

    @Test("What is no such file is refused", arguments: ["", "[]", "{", "3", #"{"a": 01}"#])
    func refused(json: String) {
        #expect(throws: WireFormatError.self) { try read(json) }
    }

    @Test("A file of too many models is refused")
    func tooMany() {
        let models = (0...LiteLLMPriceFile.maxModels).map { #""\#($0)":1"# }.joined(separator: ",")
        let error = #expect(throws: WireFormatError.self) { try read("{\(models)}") }
        #expect(error?.code == .limitExceeded)
    }
}
