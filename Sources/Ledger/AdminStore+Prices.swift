package import Foundation
package import GatewayCore
internal import Postgres

/// One version of a price.
package struct PriceInfo: Sendable, Codable, Hashable {
    package var price: ModelPrice
    package var effectiveAt: Date
    package var isInForce: Bool
    /// The file that it was imported from; nil: set by hand.
    package var source: String?
}

extension AdminStore {
    /// Adds a price version. Earlier versions stay: ledger entries name the one they were charged by.
    package func setPrice(_ draft: PriceDraft) async throws(LedgerError) -> PriceInfo {
        try LocalRate.check(draft.price)
        try PriceDraft.check(draft.price.model)
        return try await changing { transaction in
            let now = try await transaction.query("select now() as at").rows.first?.get("at", as: Date.self)
            let before = try await inForce(draft.effectiveAt ?? now ?? Date(), transaction)[draft.price.model]?.price
            guard let at = draft.effectiveAt ?? now,
                let info = try await insert([draft.price], at: at, source: nil, transaction).first
            else {
                throw LedgerError(
                    .conflict, field: "effective-at", "\(draft.price.model) has a price from that moment already")
            }
            try await note(
                "price.set", (draft.price.model.description, nil), before: before, after: info, transaction)
            return info
        }
    }

    /// All versions of all prices, or of one model's, newest first.
    package func prices(model: ModelReference? = nil) async throws(LedgerError) -> [PriceInfo] {
        if let model, !AdminText.isPossible(model.provider) || !AdminText.isPossible(model.model) { return [] }
        return try await reading { transaction in
            try await transaction.query(
                """
                select \(unescaped: PriceInfo.columns) from prices p
                where \(optional: model?.provider) is null
                  or p.provider = \(optional: model?.provider) and p.model = \(optional: model?.model)
                order by p.provider, p.model, p.effective_at desc
                """
            ).rows.map { try PriceInfo($0) }
        }
    }

    /// Adds versions of different models, all from one moment on. Those of models that have one from that moment
    /// already are left out.
    func insert(
        _ prices: [ModelPrice], at: Date, source: String?, _ transaction: PostgresTransaction
    ) async throws -> [PriceInfo] {
        let rows = try await transaction.query(
            """
            insert into prices (provider, model, input_pico, cached_input_pico, cache_write_5m_pico,
              cache_write_1h_pico, output_pico, reasoning_pico, per_call_nano, per_image_nano, batch_percent,
              effective_at, source)
            select u.*, \(at), \(optional: source)
              from unnest(\(prices.map(\.model.provider)), \(prices.map(\.model.model)), \(prices.map(\.rates.input)),
                \(prices.map(\.rates.cachedInput)), \(prices.map(\.rates.cacheWrite5m)),
                \(prices.map(\.rates.cacheWrite1h)), \(prices.map(\.rates.output)), \(prices.map(\.rates.reasoning)),
                \(prices.map(\.perCall.rawValue)), \(prices.map(\.perImage.rawValue)),
                \(prices.map { Int16(clamping: $0.batchPercent) })) u
            on conflict (provider, model, effective_at) do nothing
            returning id, provider, model
            """
        ).rows
        var ids: [ModelReference: Int64] = [:]
        for row in rows {
            ids[ModelReference(provider: try row.get("provider"), model: try row.get("model"))] = try row.get("id")
        }
        let tiers = prices.flatMap { price in
            price.tiers.compactMap { tier in
                ids[price.model].map { (price: $0, above: tier.aboveInputTokens, tier.rates) }
            }
        }
        try await insert(tiers, transaction)
        return try await transaction.query(
            """
            select \(unescaped: PriceInfo.columns) from prices p where p.id = any (\(Array(ids.values)))
            order by p.provider, p.model
            """
        ).rows.map { try PriceInfo($0) }
    }

    private func insert(
        _ tiers: [(price: Int64, above: Int64, rates: TokenRates)], _ transaction: PostgresTransaction
    ) async throws {
        guard !tiers.isEmpty else { return }
        _ = try await transaction.query(
            """
            insert into price_tiers (price_id, above_input_tokens, input_pico, cached_input_pico, cache_write_5m_pico,
              cache_write_1h_pico, output_pico, reasoning_pico)
            select * from unnest(\(tiers.map(\.price)), \(tiers.map(\.above)), \(tiers.map(\.rates.input)),
              \(tiers.map(\.rates.cachedInput)), \(tiers.map(\.rates.cacheWrite5m)),
              \(tiers.map(\.rates.cacheWrite1h)), \(tiers.map(\.rates.output)), \(tiers.map(\.rates.reasoning)))
            """)
    }
}

extension PriceInfo {
    /// What to select from `prices p` for `init(_ row:)`.
    static let columns =
        ModelPrice.columns + """
            , p.effective_at <= statement_timestamp() and not exists (
              select from prices q where q.provider = p.provider and q.model = p.model
                and q.effective_at > p.effective_at and q.effective_at <= statement_timestamp()) as in_force
            """

    init(_ row: PostgresRow) throws {
        self.init(
            price: try ModelPrice(row), effectiveAt: try row.get("effective_at"), isInForce: try row.get("in_force"),
            source: try row.getOptional("source"))
    }
}
