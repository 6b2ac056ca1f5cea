import Testing

@testable import GatewayCore

/// Prices and usages of all kinds, and what they come to by the definition.
struct PriceCases {
    static let model = ModelReference(provider: "p", model: "m")
    static let thresholds: [Int64] = [1, 10, 100, 1500, 200_000, 1 << 33]
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    private mutating func number(_ range: ClosedRange<Int64>) -> Int64 { .random(in: range, using: &generator) }

    private mutating func optional(_ most: Int64) -> Int64? { generator.chance(0.5) ? number(0...most) : nil }

    private mutating func rates(_ most: Int64) -> TokenRates {
        TokenRates(
            input: number(0...most), cachedInput: optional(most), cacheWrite5m: optional(most),
            cacheWrite1h: optional(most), output: number(0...most), reasoning: optional(most))
    }

    /// Tiers may be dearer or cheaper than the base and each other, and stand in any order.
    mutating func price() -> ModelPrice {
        let most: Int64 = generator.pick([1, 1000, 5_000_000, 1 << 40, .max])
        let tiers = Self.thresholds.shuffled(using: &generator).prefix(Int(number(0...3)))
        return ModelPrice(
            model: Self.model, rates: rates(most),
            tiers: tiers.map { threshold in
                PriceTier(
                    aboveInputTokens: threshold,
                    rates: rates(generator.chance(0.3) ? max(1, most / 1000) : most))
            },
            perCall: NanoUSD(generator.chance(0.3) ? number(0...1_000_000) : 0),
            perImage: NanoUSD(generator.chance(0.3) ? number(0...40_000_000) : 0),
            batchPercent: Int(generator.pick([0, 1, 33, 50, 100])))
    }

    /// Often right at a threshold.
    mutating func usage() -> TokenUsage {
        let most: Int64 = generator.pick([0, 3, 2000, 1_000_000, 1 << 40])
        let input = generator.chance(0.3) ? generator.pick(Self.thresholds) + number(-1...1) : number(0...most)
        let (cached, output) = (number(0...input), number(0...most))
        let write = number(0...(input - cached))
        return TokenUsage(
            input: input, cachedInput: cached, cacheWrite5m: write, cacheWrite1h: number(0...(input - cached - write)),
            output: output, reasoning: number(0...output), images: generator.chance(0.2) ? number(0...9) : 0,
            isBatch: generator.chance(0.3))
    }

    mutating func slack() -> Int64 { generator.pick([0, 1, 10, 200_000]) }

    /// In nano-dollars, in 128 bits, written down from the definition: one token after the other would cost the same.
    static func reference(_ price: ModelPrice, _ usage: TokenUsage) -> Int128 {
        var rates = price.rates
        var reached: Int64 = 0
        for tier in price.tiers where usage.input > tier.aboveInputTokens && tier.aboveInputTokens > reached {
            reached = tier.aboveInputTokens
            rates = tier.rates
        }
        let plain = usage.input - usage.cachedInput - usage.cacheWrite5m - usage.cacheWrite1h
        let write = rates.cacheWrite5m ?? rates.input
        var pico: Int128 = 0
        for (tokens, rate) in [
            (plain, rates.input), (usage.cachedInput, rates.cachedInput ?? rates.input), (usage.cacheWrite5m, write),
            (usage.cacheWrite1h, rates.cacheWrite1h ?? write), (usage.output - usage.reasoning, rates.output),
            (usage.reasoning, rates.reasoning ?? rates.output),
        ] { pico += Int128(tokens) * Int128(rate) }
        let percent: Int128 = usage.isBatch ? Int128(price.batchPercent) : 100
        let (whole, part) = (pico * percent).quotientAndRemainder(dividingBy: 100_000)
        return whole + (part > 0 ? 1 : 0) + Int128(price.perCall.rawValue)
            + Int128(usage.images) * Int128(price.perImage.rawValue)
    }
}

@Suite("Prices")
struct PriceTests {
    private static func price(_ rates: TokenRates, _ tiers: [PriceTier] = [], batch: Int = 100) -> ModelPrice {
        ModelPrice(model: PriceCases.model, rates: rates, tiers: tiers, batchPercent: batch)
    }

    @Test("A charge is exact to the nano-dollar, and nil only where it does not fit into 64 bits")
    func exact() {
        var cases = PriceCases(seed: 2)
        var counted = 0
        for index in 0..<100_000 {
            let (price, usage) = (cases.price(), cases.usage())
            var undiscounted = usage
            undiscounted.isBatch = false
            let expected = PriceCases.reference(price, usage)
            if let charge = price.charge(usage) {
                counted += 1
                if Int128(charge.rawValue) != expected { Issue.record("case \(index): \(charge) for \(expected)") }
            } else if PriceCases.reference(price, undiscounted) <= Int128(Int64.max) {
                Issue.record("case \(index): \(expected) fits")
            }
        }
        #expect(counted > 60_000)
    }

    @Test("row 3: The bound that a hold is taken for is never below the charge of any usage within it")
    func bound() {
        var cases = PriceCases(seed: 3)
        var (checked, tight) = (0, 0)
        for index in 0..<100_000 {
            let (price, usage) = (cases.price(), cases.usage())
            let isKnownBatch = usage.isBatch && cases.generator.chance(0.5)
            guard
                let bound = price.upperBound(
                    inputTokens: usage.input + cases.slack(), maxOutputTokens: usage.output + cases.slack(),
                    images: usage.images + cases.slack() % 3, isBatch: isKnownBatch)
            else { continue }
            checked += 1
            guard let charge = price.charge(usage), charge <= bound else {
                Issue.record("case \(index): a hold of \(bound), and \(price.charge(usage)?.usdString ?? "none")")
                continue
            }
            if charge == bound { tight += 1 }
        }
        // Not by being absurdly high: some are met exactly.
        #expect(checked > 60_000 && tight > 1000)
    }

    @Test("A tier counts for all tokens from the first token above it, dearer or cheaper; of several the highest")
    func tiers() {
        let price = Self.price(
            TokenRates(input: 10_000, output: 30_000),
            [
                PriceTier(aboveInputTokens: 200, rates: TokenRates(input: 5000, output: 30_000)),
                PriceTier(aboveInputTokens: 100, rates: TokenRates(input: 20_000, cachedInput: 1000, output: 40_000)),
            ])
        #expect(price.charge(TokenUsage(input: 100, output: 1)) == NanoUSD(1000 + 30))
        #expect(price.charge(TokenUsage(input: 101, output: 1)) == NanoUSD(2020 + 40))
        #expect(price.charge(TokenUsage(input: 101, cachedInput: 100, output: 0)) == NanoUSD(20 + 100))
        #expect(price.charge(TokenUsage(input: 201, output: 1)) == NanoUSD(1005 + 30))
        // What may be 201 tokens may be 200 at the dearer rate as well.
        #expect(price.upperBound(inputTokens: 100, maxOutputTokens: 1) == NanoUSD(1000 + 30))
        #expect(price.upperBound(inputTokens: 201, maxOutputTokens: 1) == NanoUSD(4020 + 40))
    }

    @Test("row 11: Cache writes are part of the input and have rates of their own; a missing one falls back")
    func cacheWrites() {
        let rates = TokenRates(input: 3000, cachedInput: 300, cacheWrite5m: 3750, cacheWrite1h: 6000, output: 0)
        let usage = TokenUsage(input: 100, cachedInput: 10, cacheWrite5m: 20, cacheWrite1h: 30, output: 0)
        #expect(Self.price(rates).charge(usage) == NanoUSD(40 * 3 + 3 + 75 + 180))
        #expect(Self.price(rates).upperBound(inputTokens: 100, maxOutputTokens: 0) == NanoUSD(600))
        var fewer = rates
        fewer.cacheWrite1h = nil
        #expect(Self.price(fewer).charge(usage) == NanoUSD(40 * 3 + 3 + 75 + 113))
        fewer.cacheWrite5m = nil
        #expect(Self.price(fewer).charge(usage) == NanoUSD(40 * 3 + 3 + 60 + 90))
    }

    @Test("A batch pays its share of the tokens, and lowers a hold only where it is known to be one")
    func batch() {
        var price = Self.price(TokenRates(input: 1000, output: 1000), batch: 50)
        price.perCall = NanoUSD(7)
        price.perImage = NanoUSD(100)
        #expect(price.charge(TokenUsage(input: 3, output: 0, images: 2, isBatch: true)) == NanoUSD(2 + 207))
        #expect(price.charge(TokenUsage(input: 3, output: 0)) == NanoUSD(10))
        #expect(price.upperBound(inputTokens: 3, maxOutputTokens: 0) == NanoUSD(10))
        #expect(price.upperBound(inputTokens: 3, maxOutputTokens: 0, images: 2, isBatch: true) == NanoUSD(2 + 207))
    }

    @Test("What is affordable fits, and one token more does not")
    func affordable() {
        var cases = PriceCases(seed: 4)
        for index in 0..<5_000 {
            let price = cases.price()
            let amount = NanoUSD(.random(in: 0...10_000_000_000, using: &cases.generator))
            let input = Int64.random(in: 0...5000, using: &cases.generator)
            guard let most = price.affordableOutput(inputTokens: input, images: 1, within: amount) else {
                let base = price.upperBound(inputTokens: input, maxOutputTokens: 0, images: 1)
                #expect(base.map { $0 > amount } ?? true, "case \(index)")
                continue
            }
            let fits = price.upperBound(inputTokens: input, maxOutputTokens: most, images: 1)
            #expect(fits.map { $0 <= amount } == true, "case \(index)")
            guard most < Int64.max else { continue }
            let more = price.upperBound(inputTokens: input, maxOutputTokens: most + 1, images: 1)
            #expect(more.map { $0 > amount } ?? true, "case \(index)")
        }
    }

    @Test(
        "Counts that make no sense have no charge",
        arguments: [
            TokenUsage(input: -1, output: 0), TokenUsage(input: 0, output: -1),
            TokenUsage(input: 1, cachedInput: 2, output: 0), TokenUsage(input: 0, output: 1, reasoning: 2),
            TokenUsage(input: 1, cachedInput: -1, output: 0), TokenUsage(input: 0, output: 1, reasoning: -1),
            TokenUsage(input: 9, cacheWrite5m: -1, output: 0), TokenUsage(input: 9, cacheWrite1h: -1, output: 0),
            TokenUsage(input: 9, cachedInput: 4, cacheWrite5m: 3, cacheWrite1h: 3, output: 0),
            TokenUsage(input: .max, cachedInput: .max, cacheWrite5m: .max, cacheWrite1h: .max, output: 0),
            TokenUsage(input: .min, cachedInput: .max, output: .min), TokenUsage(input: 1, output: 1, images: -1),
            TokenUsage(input: (1 << 40) + 1, output: 0), TokenUsage(input: 1, output: .max),
        ])
    func nonsense(_ usage: TokenUsage) {
        #expect(Self.price(TokenRates(input: 1, output: 1)).charge(usage) == nil)
    }

    @Test("The largest counts and rates that there are come to nil, and never stop the process")
    func extremes() {
        let most = TokenRates(
            input: .max, cachedInput: .max, cacheWrite5m: .max, cacheWrite1h: .max, output: .max, reasoning: .max)
        var price = Self.price(most, [PriceTier(aboveInputTokens: 1, rates: most)])
        price.perImage = NanoUSD(.max)
        price.perCall = NanoUSD(.max)
        for isBatch in [true, false] {
            let usage = TokenUsage(input: .max, output: .max, reasoning: .max, images: .max, isBatch: isBatch)
            #expect(price.charge(usage) == nil)
            let most = TokenUsage.mostOfOneCall
            #expect(
                price.charge(
                    TokenUsage(input: most, output: most, reasoning: most, images: most, isBatch: isBatch)) == nil)
            #expect(
                price.upperBound(inputTokens: .max, maxOutputTokens: .max, images: .max, isBatch: isBatch) == nil)
        }
        #expect(price.affordableOutput(inputTokens: .max, within: NanoUSD(.max)) == nil)
        #expect(price.upperBound(inputTokens: -1, maxOutputTokens: 0) == nil)
        #expect(price.charge(TokenUsage(input: 0, output: 0)) == NanoUSD(.max))
        price.batchPercent = 101
        #expect(price.charge(TokenUsage(input: 0, output: 0)) == nil)
        // The lowest that does not fit, and the highest that does.
        let nano = Self.price(TokenRates(input: 1000 << 23, output: 1000))
        let almost = TokenUsage(input: TokenUsage.mostOfOneCall - 1, output: (1 << 23) - 1)
        #expect(nano.charge(almost) == NanoUSD(.max))
        #expect(nano.charge(TokenUsage(input: almost.input, output: 1 << 23)) == nil)
    }

    @Test("A part of a nano-dollar is rounded up once a call")
    func rounding() {
        let price = ModelPrice(model: PriceCases.model, inputPicoPerToken: 1, outputPicoPerToken: 1)
        #expect(price.charge(TokenUsage(input: 1, output: 1)) == NanoUSD(1))
        #expect(price.charge(TokenUsage(input: 500, output: 500)) == NanoUSD(1))
        #expect(price.charge(TokenUsage(input: 501, output: 500)) == NanoUSD(2))
        #expect(price.charge(TokenUsage(input: 0, output: 0)) == .zero)
    }

    @Test("Two prices are the same if every call costs the same, however they are written")
    func sameCharge() {
        let short = Self.price(TokenRates(input: 5, output: 7))
        let long = Self.price(
            TokenRates(input: 5, cachedInput: 5, cacheWrite5m: 5, cacheWrite1h: 5, output: 7, reasoning: 7))
        #expect(short.chargesLike(long) && long.chargesLike(short))
        var other = long
        other.rates.cacheWrite1h = 6
        #expect(!short.chargesLike(other))
        other = long
        other.batchPercent = 50
        #expect(!short.chargesLike(other))
        other = long
        other.tiers = [PriceTier(aboveInputTokens: 1, rates: long.rates)]
        #expect(!short.chargesLike(other))
    }

    @Test("A model's reference is cut at its first slash")
    func reference() {
        #expect(ModelReference("openai/gpt") == ModelReference(provider: "openai", model: "gpt"))
        #expect(ModelReference("or/meta/llama") == ModelReference(provider: "or", model: "meta/llama"))
        #expect(ModelReference("or/meta/llama")?.description == "or/meta/llama")
        for text in ["", "/", "a/", "/b", "plain"] { #expect(ModelReference(text) == nil) }
    }
}
