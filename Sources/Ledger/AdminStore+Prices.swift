package import Foundation
package import GatewayCore
internal import Postgres

/// A price as people write it: decimal dollars for a million tokens, exact to six places.
package struct PriceDraft: Sendable {
    package var price: ModelPrice
    /// Nil: now.
    package var effectiveAt: Date?

    /// Errors name the option that is wrong.
    package init(
        model: ModelReference, inputUSDPerMtok: String, outputUSDPerMtok: String,
        cachedInputUSDPerMtok: String? = nil, reasoningUSDPerMtok: String? = nil, perCallUSD: String? = nil,
        effectiveAt: Date? = nil
    ) throws(LedgerError) {
        var price = ModelPrice(
            model: model, inputPicoPerToken: try Self.rate("input-usd-per-mtok", inputUSDPerMtok),
            outputPicoPerToken: try Self.rate("output-usd-per-mtok", outputUSDPerMtok))
        if let text = cachedInputUSDPerMtok {
            price.cachedInputPicoPerToken = try Self.rate("cached-input-usd-per-mtok", text)
        }
        if let text = reasoningUSDPerMtok {
            price.reasoningPicoPerToken = try Self.rate("reasoning-usd-per-mtok", text)
        }
        if let text = perCallUSD {
            guard let amount = NanoUSD(usd: text), amount >= .zero else {
                throw LedgerError(.invalid, field: "per-call-usd", "\(text) is not an amount in dollars")
            }
            price.perCall = amount
        }
        self.price = price
        self.effectiveAt = effectiveAt
    }

    private static func rate(_ field: String, _ text: String) throws(LedgerError) -> Int64 {
        guard let rate = TokenRate.picoPerToken(usdPerMillion: text) else {
            throw LedgerError(
                .invalid, field: field, "\(text) is not a price: dollars with at most six decimals, like 2.50")
        }
        return rate
    }
}

/// One version of a price.
package struct PriceInfo: Sendable, Codable, Hashable {
    package var price: ModelPrice
    package var effectiveAt: Date
    package var isInForce: Bool
}

extension AdminStore {
    /// Adds a price version. Earlier versions stay: ledger entries name the one they were charged by.
    package func setPrice(_ draft: PriceDraft) async throws(LedgerError) -> PriceInfo {
        let (price, model) = (draft.price, draft.price.model)
        return try await changing { transaction in
            let rows = try await transaction.query(
                """
                insert into prices (provider, model, input_pico, cached_input_pico, output_pico, reasoning_pico,
                  per_call_nano, effective_at)
                values (\(model.provider), \(model.model), \(price.inputPicoPerToken),
                  \(optional: price.cachedInputPicoPerToken), \(price.outputPicoPerToken),
                  \(optional: price.reasoningPicoPerToken), \(price.perCall.rawValue),
                  coalesce(\(optional: draft.effectiveAt), now()))
                on conflict (provider, model, effective_at) do nothing
                returning *, effective_at <= now() as in_force
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.conflict, field: "effective-at", "\(model) has a price from that moment already")
            }
            let info = try Self.info(row)
            try await note("price.set", model.description, tenantID: nil, after: info, transaction)
            return info
        }
    }

    /// All versions of all prices, or of one model's, newest first.
    package func prices(model: ModelReference? = nil) async throws(LedgerError) -> [PriceInfo] {
        try await reading { transaction in
            try await transaction.query(
                """
                select p.*, p.effective_at <= now() and not exists (
                  select from prices q where q.provider = p.provider and q.model = p.model
                    and q.effective_at > p.effective_at and q.effective_at <= now()) as in_force
                from prices p
                where \(optional: model?.provider) is null
                  or p.provider = \(optional: model?.provider) and p.model = \(optional: model?.model)
                order by p.provider, p.model, p.effective_at desc
                """
            ).rows.map { try Self.info($0) }
        }
    }

    private static func info(_ row: PostgresRow) throws -> PriceInfo {
        PriceInfo(
            price: try ModelPrice(row), effectiveAt: try row.get("effective_at"), isInForce: try row.get("in_force"))
    }
}
