internal import GatewayCore
internal import Postgres

extension ModelPrice {
    /// What to select from `prices p` for `init(_ row:)`.
    static let columns = """
        p.*, coalesce((select jsonb_agg(to_jsonb(t) order by t.above_input_tokens) from price_tiers t
          where t.price_id = p.id), '[]') as tiers
        """

    init(_ row: PostgresRow) throws { try self.init(row, tiers: row.get("tiers", as: PostgresJSON.self).text) }

    /// - Parameter tiers: a JSON list of its rows of `price_tiers`, by rising threshold.
    init(_ row: PostgresRow, tiers: String) throws {
        let model = ModelReference(provider: try row.get("provider"), model: try row.get("model"))
        let rates = TokenRates(
            input: try row.get("input_pico"), cachedInput: try row.getOptional("cached_input_pico"),
            cacheWrite5m: try row.getOptional("cache_write_5m_pico"),
            cacheWrite1h: try row.getOptional("cache_write_1h_pico"), output: try row.get("output_pico"),
            reasoning: try row.getOptional("reasoning_pico"))
        self.init(
            id: try row.get("id"), model: model, rates: rates,
            tiers: tiers == "[]" ? [] : try LedgerJSON.decode([TierRow].self, from: Array(tiers.utf8)).map(\.tier),
            perCall: NanoUSD(try row.get("per_call_nano", as: Int64.self)),
            perImage: NanoUSD(try row.get("per_image_nano", as: Int64.self)),
            batchPercent: Int(try row.get("batch_percent", as: Int16.self)))
    }

    /// A row of `price_tiers` as JSON.
    private struct TierRow: Decodable {
        var above: Int64
        var input: Int64
        var cachedInput: Int64?
        var cacheWrite5m: Int64?
        var cacheWrite1h: Int64?
        var output: Int64
        var reasoning: Int64?

        private enum CodingKeys: String, CodingKey {
            case above = "above_input_tokens"
            case input = "input_pico"
            case cachedInput = "cached_input_pico"
            case cacheWrite5m = "cache_write_5m_pico"
            case cacheWrite1h = "cache_write_1h_pico"
            case output = "output_pico"
            case reasoning = "reasoning_pico"
        }

        var tier: PriceTier {
            PriceTier(
                aboveInputTokens: above,
                rates: TokenRates(
                    input: input, cachedInput: cachedInput, cacheWrite5m: cacheWrite5m, cacheWrite1h: cacheWrite1h,
                    output: output, reasoning: reasoning))
        }
    }
}
