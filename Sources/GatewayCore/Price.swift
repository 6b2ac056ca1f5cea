/// One version of a paid model's price, in force from its `effectiveAt` until the next version's.
package struct ModelPrice: Hashable, Sendable, Codable {
    /// The most tiers of one price.
    package static let maxTiers = 16

    /// The row's id in `prices`; ledger entries keep it as the price version. 0 before it is stored.
    package var id: Int64
    package var model: ModelReference
    package var rates: TokenRates
    /// For long prompts, in any order; of those that a prompt exceeds the highest counts.
    package var tiers: [PriceTier]
    package var perCall: NanoUSD
    package var perImage: NanoUSD
    /// What a call in a batch pays of the price of its tokens. Fees for calls and images have no discount.
    package var batchPercent: Int

    package init(
        id: Int64 = 0, model: ModelReference, rates: TokenRates, tiers: [PriceTier] = [], perCall: NanoUSD = .zero,
        perImage: NanoUSD = .zero, batchPercent: Int = 100
    ) {
        self.id = id
        self.model = model
        self.rates = rates
        self.tiers = tiers
        self.perCall = perCall
        self.perImage = perImage
        self.batchPercent = batchPercent
    }

    /// A price without tiers and cache writes, as most are.
    package init(
        id: Int64 = 0, model: ModelReference, inputPicoPerToken: Int64, cachedInputPicoPerToken: Int64? = nil,
        outputPicoPerToken: Int64, reasoningPicoPerToken: Int64? = nil, perCall: NanoUSD = .zero
    ) {
        let rates = TokenRates(
            input: inputPicoPerToken, cachedInput: cachedInputPicoPerToken, output: outputPicoPerToken,
            reasoning: reasoningPicoPerToken)
        self.init(id: id, model: model, rates: rates, perCall: perCall)
    }
}

extension ModelPrice {
    private static let picoPerNano: Int128 = 1000

    /// The rates of a call with so much input.
    package func rates(inputTokens: Int64) -> TokenRates {
        tiers.filter { $0.aboveInputTokens < inputTokens }.max { $0.aboveInputTokens < $1.aboveInputTokens }?.rates
            ?? rates
    }

    /// The exact charge for `usage`, rounded up once to a whole nano-dollar. nil: counts that are not possible, or an
    /// overflow; the caller then settles the whole hold.
    package func charge(_ usage: TokenUsage) -> NanoUSD? {
        guard usage.isPossible else { return nil }
        return total(rates(inputTokens: usage.input).pico(usage), images: usage.images, isBatch: usage.isBatch)
    }

    /// The most that a call within these counts can cost: what a hold is taken for. nil on overflow.
    ///
    /// `inputTokens` is itself a bound, so the call may turn out smaller: every tier below it can apply, and one may
    /// be cheaper than the rates for shorter prompts.
    /// - Parameter isBatch: known to be in a batch; what only may be in one is held for without the discount.
    package func upperBound(
        inputTokens: Int64, maxOutputTokens: Int64, images: Int64 = 0, isBatch: Bool = false
    ) -> NanoUSD? {
        guard inputTokens >= 0, maxOutputTokens >= 0, images >= 0 else { return nil }
        var most = rates.highestPico(input: inputTokens, output: maxOutputTokens)
        for tier in tiers where tier.aboveInputTokens < inputTokens {
            most = max(most, tier.rates.highestPico(input: inputTokens, output: maxOutputTokens))
        }
        return total(most, images: images, isBatch: isBatch)
    }

    /// The most output tokens whose upper bound, with this input, is within `amount`; nil: not even none.
    package func affordableOutput(inputTokens: Int64, images: Int64 = 0, within amount: NanoUSD) -> Int64? {
        func fits(_ output: Int64) -> Bool {
            upperBound(inputTokens: inputTokens, maxOutputTokens: output, images: images).map { $0 <= amount } ?? false
        }
        guard fits(0) else { return nil }
        // Binary search by the bound itself: rounding, tiers and overflow are then its affair alone.
        var (low, high) = (Int64(0), Int64.max)
        while low < high {
            let middle = low + (high - low) / 2 + (high - low) % 2
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// Whether every call costs the same by both, however they are written. Ids and models are not compared.
    package func chargesLike(_ other: ModelPrice) -> Bool {
        rates.explicit == other.rates.explicit && explicitTiers == other.explicitTiers && perCall == other.perCall
            && perImage == other.perImage && batchPercent == other.batchPercent
    }

    private var explicitTiers: [PriceTier] {
        tiers.map { PriceTier(aboveInputTokens: $0.aboveInputTokens, rates: $0.rates.explicit) }
            .sorted { $0.aboveInputTokens < $1.aboveInputTokens }
    }

    /// Rounded up here and nowhere else; in 128 bits, so that only the result has to fit into 64.
    private func total(_ pico: Int128, images: Int64, isBatch: Bool) -> NanoUSD? {
        let most = Int128(Int64.max)
        let fees = Int128(images) * Int128(perImage.rawValue) + Int128(perCall.rawValue)
        guard (0...100).contains(batchPercent), pico <= most * Self.picoPerNano, fees <= most else { return nil }
        let scale = 100 * Self.picoPerNano
        let scaled = pico * (isBatch ? Int128(batchPercent) : 100)
        return Int64(exactly: (scaled + scale - 1) / scale + fees).map { NanoUSD($0) }
    }
}
