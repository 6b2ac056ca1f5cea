/// What a provider says a call used. Counts are tokens.
///
/// Canonical form: `input` includes cached reads (`cachedInput` is the part of it read from a cache), `output`
/// includes `reasoning`. Vendors that count otherwise are converted in their folder of `Providers`.
package struct TokenUsage: Hashable, Sendable, Codable {
    package var input: Int64
    package var cachedInput: Int64
    package var output: Int64
    package var reasoning: Int64
    package init(input: Int64, cachedInput: Int64 = 0, output: Int64, reasoning: Int64 = 0) {
        self.input = input
        self.cachedInput = cachedInput
        self.output = output
        self.reasoning = reasoning
    }
}

/// One version of a paid model's price, in force from `effectiveAt` until the next version. Rates are pico-dollars
/// (10⁻¹² USD) per token: $1 per million tokens is 1,000,000.
package struct ModelPrice: Hashable, Sendable, Codable {
    /// The row's id in `prices`; ledger entries keep it as the price version. 0 before it is stored.
    package var id: Int64
    package var model: ModelReference
    package var inputPicoPerToken: Int64
    /// nil: cached input costs the same as input.
    package var cachedInputPicoPerToken: Int64?
    package var outputPicoPerToken: Int64
    /// nil: reasoning costs the same as output.
    package var reasoningPicoPerToken: Int64?
    package var perCall: NanoUSD
    package init(
        id: Int64 = 0, model: ModelReference, inputPicoPerToken: Int64, cachedInputPicoPerToken: Int64? = nil,
        outputPicoPerToken: Int64, reasoningPicoPerToken: Int64? = nil, perCall: NanoUSD = .zero
    ) {
        self.id = id
        self.model = model
        self.inputPicoPerToken = inputPicoPerToken
        self.cachedInputPicoPerToken = cachedInputPicoPerToken
        self.outputPicoPerToken = outputPicoPerToken
        self.reasoningPicoPerToken = reasoningPicoPerToken
        self.perCall = perCall
    }
}

extension ModelPrice {
    private static let picoPerNano: Int64 = 1000

    /// The exact charge for `usage`, rounded up once to a whole nano-dollar. nil: negative counts, more cached or
    /// reasoning tokens than there are tokens, or an overflow; the caller then settles the whole hold.
    package func charge(_ usage: TokenUsage) -> NanoUSD? {
        guard usage.input >= 0, usage.cachedInput >= 0, usage.output >= 0, usage.reasoning >= 0,
            usage.cachedInput <= usage.input, usage.reasoning <= usage.output
        else { return nil }
        return sum([
            (usage.input - usage.cachedInput, inputPicoPerToken),
            (usage.cachedInput, cachedInputPicoPerToken ?? inputPicoPerToken),
            (usage.output - usage.reasoning, outputPicoPerToken),
            (usage.reasoning, reasoningPicoPerToken ?? outputPicoPerToken),
        ])
    }

    /// The most that a call with at most these tokens can cost: what a hold is taken for. nil on overflow.
    package func upperBound(inputTokens: Int64, maxOutputTokens: Int64) -> NanoUSD? {
        guard inputTokens >= 0, maxOutputTokens >= 0 else { return nil }
        return sum([
            (inputTokens, max(inputPicoPerToken, cachedInputPicoPerToken ?? 0)),
            (maxOutputTokens, max(outputPicoPerToken, reasoningPicoPerToken ?? 0)),
        ])
    }

    /// The most output tokens whose upper bound, with this input, is within `amount`; nil: not even none.
    package func affordableOutput(inputTokens: Int64, within amount: NanoUSD) -> Int64? {
        guard let base = upperBound(inputTokens: inputTokens, maxOutputTokens: 0), base <= amount else { return nil }
        let rate = max(outputPicoPerToken, reasoningPicoPerToken ?? 0)
        guard rate > 0 else { return Int64.max }
        // Binary search by the bound itself: rounding and overflow are then its affair alone.
        var (low, high) = (Int64(0), Int64.max / rate)
        while low < high {
            let middle = low + (high - low) / 2 + 1
            if let bound = upperBound(inputTokens: inputTokens, maxOutputTokens: middle), bound <= amount {
                low = middle
            } else {
                high = middle - 1
            }
        }
        return low
    }

    private func sum(_ parts: [(tokens: Int64, rate: Int64)]) -> NanoUSD? {
        var pico: Int64 = 0
        for part in parts {
            let (product, overflow) = part.tokens.multipliedReportingOverflow(by: part.rate)
            let (total, overflow2) = pico.addingReportingOverflow(product)
            guard !overflow, !overflow2 else { return nil }
            pico = total
        }
        let (rounded, overflow) = pico.addingReportingOverflow(Self.picoPerNano - 1)
        guard !overflow else { return nil }
        return NanoUSD(rounded / Self.picoPerNano).adding(perCall)
    }
}
