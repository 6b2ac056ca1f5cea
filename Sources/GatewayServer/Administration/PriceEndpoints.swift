internal import GatewayCore
internal import HTTPTypes
internal import Ledger
internal import Providers
internal import WireFormat

/// `/admin/v1/prices`: what paid models cost, by version. They are everybody's, so the operator alone sets them.
enum PriceEndpoints {
    /// LiteLLM's public file has some megabytes.
    private static let maxImportBytes = 16 * 1024 * 1024

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/prices", for: Set(AdminRole.allCases)) { call in
            let model = try reference(&call.fields)
            return try .list("prices", try await call.store().prices(model: model).map(PriceDocument.init))
        }
        routes.on(.post, "/prices", for: []) { call in try await add(&call) }
        routes.on(.post, "/prices/import", for: [], body: .text(mostBytes: maxImportBytes)) { call in
            try await addFile(&call)
        }
    }

    // MARK: One

    private static func add(_ call: inout AdminCall) async throws -> AdminAnswer {
        try call.requireAllTenants()
        guard let model = try reference(&call.fields) else { throw AdminFields.wrong("model", "is missing") }
        var draft = try draft(of: model, &call.fields)
        draft.price.tiers = try tiers(of: model, &call.fields)
        draft.price.perCall = try call.fields.usd("per_call_usd") ?? .zero
        draft.price.perImage = try call.fields.usd("per_image_usd") ?? .zero
        draft.price.batchPercent = try call.fields.count("batch_percent", through: 100).map { Int($0) } ?? 100
        draft.effectiveAt = try call.fields.instant("effective_at")
        let (wanted, store) = (draft, try call.store())
        return try .created(PriceDocument(try await FieldNames.inJSON { try await store.setPrice(wanted) }))
    }

    private static func reference(_ fields: inout AdminFields) throws(GatewayRefusal) -> ModelReference? {
        guard let text = try fields.text("model") else { return nil }
        guard let model = ModelReference(text) else { throw AdminFields.wrong("model", "is not PROVIDER/MODEL") }
        return model
    }

    /// The rates of a price, or of one of its tiers.
    private static func draft(of model: ModelReference, _ fields: inout AdminFields) throws -> PriceDraft {
        guard let input = try decimal("input_usd_per_mtok", &fields) else {
            throw AdminFields.wrong("input_usd_per_mtok", "is missing")
        }
        guard let output = try decimal("output_usd_per_mtok", &fields) else {
            throw AdminFields.wrong("output_usd_per_mtok", "is missing")
        }
        let cached = try decimal("cached_input_usd_per_mtok", &fields)
        let write5m = try decimal("cache_write_5m_usd_per_mtok", &fields)
        let write1h = try decimal("cache_write_1h_usd_per_mtok", &fields)
        let reasoning = try decimal("reasoning_usd_per_mtok", &fields)
        do throws(LedgerError) {
            return try PriceDraft(
                model: model, inputUSDPerMtok: input, outputUSDPerMtok: output, cachedInputUSDPerMtok: cached,
                cacheWrite5mUSDPerMtok: write5m, cacheWrite1hUSDPerMtok: write1h, reasoningUSDPerMtok: reasoning)
        } catch {
            throw error.naming { $0.replacing("-", with: "_") }
        }
    }

    /// A number as it was written, or a text.
    private static func decimal(_ name: String, _ fields: inout AdminFields) throws(GatewayRefusal) -> String? {
        guard let value = fields.take(name) else { return nil }
        guard let text = value.text else { throw AdminFields.wrong(name, "is not a decimal such as 2.5") }
        return text
    }

    private static func tiers(of model: ModelReference, _ fields: inout AdminFields) throws -> [PriceTier] {
        var tiers: [PriceTier] = []
        let all = try fields.objects("tiers") ?? []
        guard all.count <= ModelPrice.maxTiers else {
            throw AdminFields.wrong("tiers", "has more than \(ModelPrice.maxTiers) of them")
        }
        for var given in all {
            guard let above = try given.count("above_input_tokens", from: 1) else {
                throw AdminFields.wrong("above_input_tokens", "is missing")
            }
            guard !tiers.contains(where: { $0.aboveInputTokens == above }) else {
                throw AdminFields.wrong("tiers", "has two of more than \(above) tokens")
            }
            let rates = try draft(of: model, &given).price.rates
            try given.finish()
            tiers.append(PriceTier(aboveInputTokens: above, rates: rates))
        }
        return tiers.sorted { $0.aboveInputTokens < $1.aboveInputTokens }
    }

    // MARK: A file of them

    private static func addFile(_ call: inout AdminCall) async throws -> AdminAnswer {
        try call.requireAllTenants()
        let provider = try call.fields.text("provider")
        let name = try call.fields.text("as")
        let source = try call.fields.text("source") ?? "request"
        let at = try call.fields.instant("effective_at")
        let isDryRun = try call.fields.flag("dry_run") ?? false
        if let name {
            guard provider != nil else { throw AdminFields.wrong("as", "needs 'provider'") }
            guard !name.contains("/") else { throw AdminFields.wrong("as", "is not a provider's name") }
        }
        let store = try call.store()
        let file: LiteLLMPriceFile
        do throws(WireFormatError) {
            file = try LiteLLMPriceFile(call.body, provider: provider, name: name)
        } catch {
            throw GatewayRefusal(error)
        }
        let result = try await FieldNames.inJSON {
            try await store.importPrices(
                file.priced.map(\.price), effectiveAt: at, source: source, isDryRun: isDryRun)
        }
        return try .json(PriceImportDocument(file, result, source: source, isDryRun: isDryRun))
    }
}
