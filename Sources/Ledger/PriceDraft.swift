package import Foundation
package import GatewayCore

/// A price as people write it: decimal dollars for a million tokens, exact to six places.
package struct PriceDraft: Sendable {
    package var price: ModelPrice
    /// Nil: now.
    package var effectiveAt: Date?

    /// Errors name the option that is wrong.
    /// - Parameter tiers: each as "200000:input=2.5,output=15", further rates as `PriceTier` names them.
    package init(
        model: ModelReference, inputUSDPerMtok: String, outputUSDPerMtok: String,
        cachedInputUSDPerMtok: String? = nil, cacheWrite5mUSDPerMtok: String? = nil,
        cacheWrite1hUSDPerMtok: String? = nil, reasoningUSDPerMtok: String? = nil, perCallUSD: String? = nil,
        perImageUSD: String? = nil, batchPercent: Int = 100, tiers: [String] = [], effectiveAt: Date? = nil
    ) throws(LedgerError) {
        let rates = TokenRates(
            input: try Self.rate("input-usd-per-mtok", inputUSDPerMtok),
            cachedInput: try Self.optionalRate("cached-input-usd-per-mtok", cachedInputUSDPerMtok),
            cacheWrite5m: try Self.optionalRate("cache-write-5m-usd-per-mtok", cacheWrite5mUSDPerMtok),
            cacheWrite1h: try Self.optionalRate("cache-write-1h-usd-per-mtok", cacheWrite1hUSDPerMtok),
            output: try Self.rate("output-usd-per-mtok", outputUSDPerMtok),
            reasoning: try Self.optionalRate("reasoning-usd-per-mtok", reasoningUSDPerMtok))
        guard (0...100).contains(batchPercent) else {
            throw LedgerError(.invalid, field: "batch-percent", "\(batchPercent) is not a percentage from 0 to 100")
        }
        price = ModelPrice(
            model: model, rates: rates, tiers: try Self.tiers(tiers), perCall: try Self.fee("per-call-usd", perCallUSD),
            perImage: try Self.fee("per-image-usd", perImageUSD), batchPercent: batchPercent)
        self.effectiveAt = effectiveAt
    }

    /// A price is of one model: a name with a `*` would be shown as a model and price nothing. Only the rate of every
    /// local model without one of its own is called so.
    static func check(_ model: ModelReference) throws(LedgerError) {
        try AdminText.check(model.provider, field: "model")
        try AdminText.check(model.model, field: "model")
        let isLocalRate = model.provider == LocalRate.provider && model.model == LocalRate.anyModel
        guard isLocalRate || !model.description.utf8.contains(UInt8(ascii: "*")) else {
            throw LedgerError(
                .invalid, field: "model",
                "\(model) is no model: a price is of one, only \(LocalRate.provider)/\(LocalRate.anyModel) of several")
        }
    }

    private static func rate(_ field: String, _ text: String) throws(LedgerError) -> Int64 {
        guard let rate = TokenRate.picoPerToken(usdPerMillion: text) else {
            throw LedgerError(
                .invalid, field: field, "\(text) is not a price: dollars with at most six decimals, like 2.50")
        }
        return rate
    }

    private static func optionalRate(_ field: String, _ text: String?) throws(LedgerError) -> Int64? {
        guard let text else { return nil }
        return try rate(field, text)
    }

    private static func fee(_ field: String, _ text: String?) throws(LedgerError) -> NanoUSD {
        guard let text else { return .zero }
        guard let amount = NanoUSD(usd: text), amount >= .zero else {
            throw LedgerError(.invalid, field: field, "\(text) is not an amount in dollars")
        }
        return amount
    }
}

// MARK: - Tiers

extension PriceDraft {
    /// The names of a tier's rates, in the order in which they are shown.
    package static let tierRates = ["input", "cached-input", "cache-write-5m", "cache-write-1h", "output", "reasoning"]

    private static func tiers(_ texts: [String]) throws(LedgerError) -> [PriceTier] {
        guard texts.count <= ModelPrice.maxTiers else {
            throw LedgerError(.invalid, field: "tier", "there are more than \(ModelPrice.maxTiers) tiers")
        }
        var tiers: [PriceTier] = []
        for text in texts {
            let tier = try tier(text)
            guard !tiers.contains(where: { $0.aboveInputTokens == tier.aboveInputTokens }) else {
                throw LedgerError(.invalid, field: "tier", "\(tier.aboveInputTokens) occurs twice")
            }
            tiers.append(tier)
        }
        return tiers.sorted { $0.aboveInputTokens < $1.aboveInputTokens }
    }

    private static func tier(_ text: String) throws(LedgerError) -> PriceTier {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let above = Int64(parts[0]), above > 0 else {
            throw LedgerError(
                .invalid, field: "tier", "\(text) is not of the form TOKENS:input=X,output=Y, like 200000:input=2.5,…")
        }
        var rates: [String: Int64] = [:]
        for pair in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, tierRates.contains(sides[0]) else {
                throw LedgerError(
                    .invalid, field: "tier",
                    "\(pair) is not NAME=PRICE with one of the names \(tierRates.joined(separator: ", "))")
            }
            let value = try rate("tier \(above) \(sides[0])", sides[1])
            guard rates.updateValue(value, forKey: sides[0]) == nil else {
                throw LedgerError(.invalid, field: "tier", "\(sides[0]) occurs twice in \(text)")
            }
        }
        guard let input = rates["input"], let output = rates["output"] else {
            throw LedgerError(.invalid, field: "tier", "\(text) must say input and output")
        }
        return PriceTier(
            aboveInputTokens: above,
            rates: TokenRates(
                input: input, cachedInput: rates["cached-input"], cacheWrite5m: rates["cache-write-5m"],
                cacheWrite1h: rates["cache-write-1h"], output: output, reasoning: rates["reasoning"]))
    }
}
