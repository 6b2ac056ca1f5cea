internal import Foundation
internal import GatewayCore
package import Ledger

/// A price's version as scripts read it. Rates are decimal dollars for a million tokens, as text, since they are exact;
/// a rate that is not said is not there.
package struct PriceDocument: Encodable {
    /// The rates of a price or of one of its tiers.
    package struct Rates: Encodable {
        package var input: String
        var cachedInput: String?
        var cacheWrite5m: String?
        var cacheWrite1h: String?
        package var output: String
        var reasoning: String?

        // The encoder's snake case would not part "5m" from "write".
        private enum CodingKeys: String, CodingKey {
            case input = "input_usd_per_mtok"
            case cachedInput = "cached_input_usd_per_mtok"
            case cacheWrite5m = "cache_write_5m_usd_per_mtok"
            case cacheWrite1h = "cache_write_1h_usd_per_mtok"
            case output = "output_usd_per_mtok"
            case reasoning = "reasoning_usd_per_mtok"
        }

        init(_ rates: TokenRates) {
            func text(_ rate: Int64) -> String { TokenRate.usdPerMillion(picoPerToken: rate) }
            input = text(rates.input)
            cachedInput = rates.cachedInput.map(text)
            cacheWrite5m = rates.cacheWrite5m.map(text)
            cacheWrite1h = rates.cacheWrite1h.map(text)
            output = text(rates.output)
            reasoning = rates.reasoning.map(text)
        }
    }

    struct Tier: Encodable {
        var aboveInputTokens: Int64
        var rates: Rates

        private enum CodingKeys: CodingKey { case aboveInputTokens }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(aboveInputTokens, forKey: .aboveInputTokens)
            try rates.encode(to: encoder)
        }
    }

    /// Nil: it was not stored.
    var id: Int64?
    package var model: String
    package var rates: Rates
    var tiers: [Tier]
    var perCallUsd: String
    var perImageUsd: String
    var batchPercent: Int
    var effectiveAt: Date
    var inForce: Bool?
    var source: String?

    private enum CodingKeys: CodingKey {
        case id, model, tiers, perCallUsd, perImageUsd, batchPercent, effectiveAt, inForce, source
    }

    /// What is shown of a version.
    package init(_ info: PriceInfo) {
        self.init(info.price, effectiveAt: info.effectiveAt)
        inForce = info.isInForce
        source = info.source
    }

    /// One that may not be stored.
    init(_ price: ModelPrice, effectiveAt: Date) {
        id = price.id == 0 ? nil : price.id
        model = price.model.description
        rates = Rates(price.rates)
        tiers = price.tiers.map { Tier(aboveInputTokens: $0.aboveInputTokens, rates: Rates($0.rates)) }
        perCallUsd = price.perCall.usdString
        perImageUsd = price.perImage.usdString
        batchPercent = price.batchPercent
        self.effectiveAt = effectiveAt
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(id, forKey: .id)
        try container.encode(model, forKey: .model)
        try container.encode(tiers, forKey: .tiers)
        try container.encode(perCallUsd, forKey: .perCallUsd)
        try container.encode(perImageUsd, forKey: .perImageUsd)
        try container.encode(batchPercent, forKey: .batchPercent)
        try container.encode(effectiveAt, forKey: .effectiveAt)
        try container.encodeIfPresent(inForce, forKey: .inForce)
        try container.encodeIfPresent(source, forKey: .source)
        // Beside the others, not below a key of their own.
        try rates.encode(to: encoder)
    }
}
