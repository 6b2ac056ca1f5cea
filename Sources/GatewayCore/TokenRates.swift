/// What tokens cost by kind, in pico-dollars (10⁻¹² USD) per token: $1 per million tokens is 1,000,000.
package struct TokenRates: Hashable, Sendable, Codable {
    package var input: Int64
    /// Input read from the provider's cache; nil: as input.
    package var cachedInput: Int64?
    /// Input written to a cache that lives five minutes; nil: as input.
    package var cacheWrite5m: Int64?
    /// Input written to a cache that lives an hour; nil: as the five-minute write.
    package var cacheWrite1h: Int64?
    package var output: Int64
    /// nil: as output.
    package var reasoning: Int64?

    package init(
        input: Int64, cachedInput: Int64? = nil, cacheWrite5m: Int64? = nil, cacheWrite1h: Int64? = nil,
        output: Int64, reasoning: Int64? = nil
    ) {
        self.input = input
        self.cachedInput = cachedInput
        self.cacheWrite5m = cacheWrite5m
        self.cacheWrite1h = cacheWrite1h
        self.output = output
        self.reasoning = reasoning
    }

    /// The same with every rate said.
    package var explicit: TokenRates {
        let write = cacheWrite5m ?? input
        return TokenRates(
            input: input, cachedInput: cachedInput ?? input, cacheWrite5m: write, cacheWrite1h: cacheWrite1h ?? write,
            output: output, reasoning: reasoning ?? output)
    }

    /// The highest rate that a token of input can have.
    package var highestInput: Int64 {
        [input, cachedInput ?? input, cacheWrite5m ?? input, cacheWrite1h ?? input].max() ?? input
    }

    /// The highest rate that a token of output can have.
    package var highestOutput: Int64 { max(output, reasoning ?? output) }

    /// The cost of these counts, which are possible. It fits: of input and of output there are at most 2⁶³ tokens.
    func pico(_ usage: TokenUsage) -> Int128 {
        let write = cacheWrite5m ?? input
        let plain = usage.input - usage.cachedInput - usage.cacheWrite5m - usage.cacheWrite1h
        return Self.product(plain, input) + Self.product(usage.cachedInput, cachedInput ?? input)
            + Self.product(usage.cacheWrite5m, write) + Self.product(usage.cacheWrite1h, cacheWrite1h ?? write)
            + Self.product(usage.output - usage.reasoning, output) + Self.product(usage.reasoning, reasoning ?? output)
    }

    /// The most that so many tokens can cost, of whatever kind they are.
    func highestPico(input: Int64, output: Int64) -> Int128 {
        Self.product(input, highestInput) + Self.product(output, highestOutput)
    }

    private static func product(_ tokens: Int64, _ rate: Int64) -> Int128 { Int128(tokens) * Int128(rate) }
}

/// Other rates for long prompts: they count for all tokens of a call whose input is more than `aboveInputTokens`.
package struct PriceTier: Hashable, Sendable, Codable {
    package var aboveInputTokens: Int64
    package var rates: TokenRates
    package init(aboveInputTokens: Int64, rates: TokenRates) {
        self.aboveInputTokens = aboveInputTokens
        self.rates = rates
    }
}
