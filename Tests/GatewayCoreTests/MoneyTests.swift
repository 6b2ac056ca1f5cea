import Testing

@testable import GatewayCore

@Suite("Money")
struct MoneyTests {
    @Test("Sums and differences that do not fit are nil, never wrapped")
    func overflow() {
        let most = NanoUSD(Int64.max)
        let least = NanoUSD(Int64.min)
        #expect(most.adding(NanoUSD(1)) == nil)
        #expect(least.adding(NanoUSD(-1)) == nil)
        #expect(least.subtracting(NanoUSD(1)) == nil)
        #expect(NanoUSD.zero.subtracting(least) == nil)
        #expect(most.adding(least) == NanoUSD(-1))
        #expect(most.subtracting(most) == .zero)
    }

    @Test("What is printed is parsed back to the same amount, up to both ends")
    func roundTrip() {
        var generator = SeededGenerator(seed: 1)
        var amounts: [Int64] = [0, 1, -1, 999_999_999, 1_000_000_000, -1_000_000_001, .max, .min + 1, .min]
        for _ in 0..<20_000 {
            amounts.append(
                Int64.random(in: .min ... .max, using: &generator) >> Int64.random(in: 0..<63, using: &generator))
        }
        for amount in amounts {
            let text = NanoUSD(amount).usdString
            // The lowest of all has no positive counterpart, and is refused rather than misread.
            #expect(NanoUSD(usd: text) == (amount == .min ? nil : NanoUSD(amount)), "\(amount)")
        }
    }

    @Test(
        "Decimal dollars are read exactly",
        arguments: [
            ("12", 12_000_000_000), ("0.000000001", 1), ("-3.5", -3_500_000_000), ("0.1", 100_000_000), ("-0", 0),
            ("007", 7_000_000_000), ("9223372036.854775807", Int64.max),
        ])
    func parse(_ text: String, _ nanos: Int64) {
        #expect(NanoUSD(usd: text)?.rawValue == nanos)
    }

    @Test(
        "What is no exact amount is refused",
        arguments: [
            "", "-", ".", "1.", ".5", "1e3", "+1", " 1", "1 ", "1,5", "0.0000000001", "--1", "1.-5", "0x1", "nan",
            "9223372036.854775808", "99999999999999999999", "1.2.3", "١",
        ])
    func refuse(_ text: String) {
        #expect(NanoUSD(usd: text) == nil)
    }
}

@Suite("Prices")
struct PriceTests {
    private static let model = ModelReference(provider: "p", model: "m")

    private static func price(_ generator: inout SeededGenerator) -> ModelPrice {
        let most = generator.pick([1, 1000, 5_000_000, 1 << 40, Int64.max])
        return ModelPrice(
            model: model, inputPicoPerToken: .random(in: 0...most, using: &generator),
            cachedInputPicoPerToken: generator.chance(0.5) ? .random(in: 0...most, using: &generator) : nil,
            outputPicoPerToken: .random(in: 0...most, using: &generator),
            reasoningPicoPerToken: generator.chance(0.5) ? .random(in: 0...most, using: &generator) : nil,
            perCall: NanoUSD(generator.chance(0.3) ? .random(in: 0...1_000_000, using: &generator) : 0))
    }

    private static func usage(_ generator: inout SeededGenerator) -> TokenUsage {
        let most: Int64 = generator.pick([0, 3, 2000, 1_000_000, 1 << 40])
        let input = Int64.random(in: 0...most, using: &generator)
        let output = Int64.random(in: 0...most, using: &generator)
        return TokenUsage(
            input: input, cachedInput: .random(in: 0...input, using: &generator), output: output,
            reasoning: .random(in: 0...output, using: &generator))
    }

    /// The same in 128 bits, from the definition.
    private static func reference(_ price: ModelPrice, _ usage: TokenUsage) -> Int128 {
        let cached = Int128(price.cachedInputPicoPerToken ?? price.inputPicoPerToken)
        let reasoning = Int128(price.reasoningPicoPerToken ?? price.outputPicoPerToken)
        let pico =
            Int128(usage.input - usage.cachedInput) * Int128(price.inputPicoPerToken)
            + Int128(usage.cachedInput) * cached
            + Int128(usage.output - usage.reasoning) * Int128(price.outputPicoPerToken)
            + Int128(usage.reasoning) * reasoning
        return (pico + 999) / 1000 + Int128(price.perCall.rawValue)
    }

    @Test("A charge is exact to the nano-dollar, and nil only where it cannot be counted in 64 bits")
    func exact() {
        var generator = SeededGenerator(seed: 2)
        var counted = 0
        for index in 0..<50_000 {
            let price = Self.price(&generator)
            let usage = Self.usage(&generator)
            let expected = Self.reference(price, usage)
            if let charge = price.charge(usage) {
                counted += 1
                #expect(Int128(charge.rawValue) == expected, "case \(index)")
            } else {
                // Counted in pico-dollars, which overflow a thousand times sooner.
                #expect(expected > Int128(Int64.max) / 1000 - 1_000_002, "case \(index)")
            }
        }
        #expect(counted > 25_000)
    }

    @Test("The bound that a hold is taken for is never below the charge of any usage within it")
    func bound() {
        var generator = SeededGenerator(seed: 3)
        for index in 0..<50_000 {
            let price = Self.price(&generator)
            let usage = Self.usage(&generator)
            let input = usage.input + .random(in: 0...10, using: &generator)
            let output = usage.output + .random(in: 0...10, using: &generator)
            guard let bound = price.upperBound(inputTokens: input, maxOutputTokens: output) else { continue }
            let charge = price.charge(usage)
            #expect(charge != nil && charge.map { $0 <= bound } == true, "case \(index)")
        }
    }

    @Test("What is affordable fits, and one token more does not")
    func affordable() {
        var generator = SeededGenerator(seed: 4)
        for index in 0..<5_000 {
            let price = Self.price(&generator)
            let amount = NanoUSD(.random(in: 0...10_000_000_000, using: &generator))
            let input = Int64.random(in: 0...5000, using: &generator)
            guard let most = price.affordableOutput(inputTokens: input, within: amount) else {
                let base = price.upperBound(inputTokens: input, maxOutputTokens: 0)
                #expect(base.map { $0 > amount } ?? true, "case \(index)")
                continue
            }
            guard most < Int64.max else { continue }
            let fits = price.upperBound(inputTokens: input, maxOutputTokens: most)
            #expect(fits.map { $0 <= amount } == true, "case \(index)")
            let more = price.upperBound(inputTokens: input, maxOutputTokens: most + 1)
            #expect(more.map { $0 > amount } ?? true, "case \(index)")
        }
    }

    @Test(
        "Counts that make no sense have no charge",
        arguments: [
            TokenUsage(input: -1, output: 0), TokenUsage(input: 0, output: -1),
            TokenUsage(input: 1, cachedInput: 2, output: 0), TokenUsage(input: 0, output: 1, reasoning: 2),
            TokenUsage(input: 1, cachedInput: -1, output: 0), TokenUsage(input: 0, output: 1, reasoning: -1),
        ])
    func nonsense(_ usage: TokenUsage) {
        let price = ModelPrice(model: Self.model, inputPicoPerToken: 1, outputPicoPerToken: 1)
        #expect(price.charge(usage) == nil)
    }

    @Test("A part of a nano-dollar is rounded up once a call")
    func rounding() {
        let price = ModelPrice(model: Self.model, inputPicoPerToken: 1, outputPicoPerToken: 1)
        #expect(price.charge(TokenUsage(input: 1, output: 1)) == NanoUSD(1))
        #expect(price.charge(TokenUsage(input: 500, output: 500)) == NanoUSD(1))
        #expect(price.charge(TokenUsage(input: 501, output: 500)) == NanoUSD(2))
        #expect(price.charge(TokenUsage(input: 0, output: 0)) == .zero)
    }

    @Test("A model's reference is cut at its first slash")
    func reference() {
        #expect(ModelReference("openai/gpt") == ModelReference(provider: "openai", model: "gpt"))
        #expect(ModelReference("or/meta/llama") == ModelReference(provider: "or", model: "meta/llama"))
        #expect(ModelReference("or/meta/llama")?.description == "or/meta/llama")
        for text in ["", "/", "a/", "/b", "plain"] { #expect(ModelReference(text) == nil) }
    }
}
