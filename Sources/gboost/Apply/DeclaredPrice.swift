internal import GatewayCore
internal import Ledger
internal import Yams

/// A price of a file, and which of its parts the file names.
struct DeclaredPrice: Sendable {
    /// What the file leaves out is as in a price that says no more, until it is kept from an old one.
    private(set) var draft: PriceDraft
    private let named: Set<String>
    /// What a price and each of its tiers have.
    private static let rates = [
        "input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok", "cache_write_5m_usd_per_mtok",
        "cache_write_1h_usd_per_mtok", "reasoning_usd_per_mtok",
    ]
    private static let fees = ["per_call_usd", "per_image_usd"]

    private init(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) {
        let fields = try DeclaredMapping(
            node, place, known: ["model"] + Self.rates + Self.fees + ["batch_percent", "tiers"])
        _ = try fields.required("model")
        guard let model = try fields.parsed("model", ArgumentParsing.modelReference) else {
            throw fields.failure("model", "is missing")
        }
        var draft = try Self.draft(model, fields)
        for (node, place) in try fields.list("tiers", atMost: ModelPrice.maxTiers) {
            let tier = try Self.tier(node, place, of: model)
            guard !draft.price.tiers.contains(where: { $0.aboveInputTokens == tier.aboveInputTokens }) else {
                throw place.failure("above", "\(tier.aboveInputTokens) stands twice")
            }
            draft.price.tiers.append(tier)
        }
        // As the database gives them, so that the same tiers in another order are no change.
        draft.price.tiers.sort { $0.aboveInputTokens < $1.aboveInputTokens }
        self.draft = draft
        named = Set(fields.names)
    }

    static func resource(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) -> DeclaredResource {
        let price = try DeclaredPrice(node, place)
        return DeclaredResource(
            name: ResourceName(kind: .price, tenant: nil, text: price.draft.price.model.description),
            fields: ResourceText.price(price.draft.price), draft: .price(price), place: place)
    }

    /// With what the file leaves out as `old` has it: a new version replaces all of the one before.
    func keeping(_ old: ModelPrice) -> DeclaredPrice {
        var merged = self
        func keep<Part>(_ field: String, _ part: WritableKeyPath<ModelPrice, Part>) {
            if !named.contains(field) { merged.draft.price[keyPath: part] = old[keyPath: part] }
        }
        keep("cached_input_usd_per_mtok", \.rates.cachedInput)
        keep("cache_write_5m_usd_per_mtok", \.rates.cacheWrite5m)
        keep("cache_write_1h_usd_per_mtok", \.rates.cacheWrite1h)
        keep("reasoning_usd_per_mtok", \.rates.reasoning)
        keep("per_call_usd", \.perCall)
        keep("per_image_usd", \.perImage)
        keep("batch_percent", \.batchPercent)
        keep("tiers", \.tiers)
        return merged
    }

    /// A tier is declared whole: what it leaves out is as its own input or output.
    private static func tier(
        _ node: Node, _ place: DeclaredPlace, of model: ModelReference
    ) throws(CommandFailure) -> PriceTier {
        let fields = try DeclaredMapping(node, place, known: ["above"] + rates)
        guard let above = try fields.integer("above") else { throw fields.failure("above", "is missing") }
        guard above > 0 else { throw fields.failure("above", "is not a number of tokens from 1") }
        return PriceTier(aboveInputTokens: above, rates: try draft(model, fields).price.rates)
    }

    /// Everything but the tiers.
    private static func draft(_ model: ModelReference, _ fields: DeclaredMapping) throws(CommandFailure) -> PriceDraft {
        let input = try fields.required("input_usd_per_mtok")
        let output = try fields.required("output_usd_per_mtok")
        var texts: [String: String] = [:]
        for name in rates + fees {
            let text = try fields.text(name)
            // A rate that is to be as input or output again has to be named too.
            texts[name] = text == ResourceText.none ? nil : text
        }
        let batch = try fields.integer("batch_percent") ?? 100
        do throws(LedgerError) {
            return try PriceDraft(
                model: model, inputUSDPerMtok: input, outputUSDPerMtok: output,
                cachedInputUSDPerMtok: texts["cached_input_usd_per_mtok"],
                cacheWrite5mUSDPerMtok: texts["cache_write_5m_usd_per_mtok"],
                cacheWrite1hUSDPerMtok: texts["cache_write_1h_usd_per_mtok"],
                reasoningUSDPerMtok: texts["reasoning_usd_per_mtok"], perCallUSD: texts["per_call_usd"],
                perImageUSD: texts["per_image_usd"], batchPercent: Int(clamping: batch))
        } catch { throw fields.place.failure(error) }
    }
}
