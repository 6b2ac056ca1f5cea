internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger
internal import Providers
internal import WireFormat

/// What LiteLLM's configuration and tables become here: resources, prices and providers, and what has no equal.
struct LiteLLMPlan: Sendable {
    /// Tenants, teams, keys, budgets, limits and routes.
    var resources: [DeclaredResource] = []
    var tenants: [String] = []
    var providers: [ImportedProvider] = []
    /// Where the administrator's key comes from.
    var adminKey: String?
    /// Prices, of models that the file serves.
    var prices: [ModelPrice] = []
    var remarks: [ImportRemark] = []
    let source: LiteLLMSource
    /// The tenant of everything that no organization owns.
    let tenant: String
    private let environment: [String: String]
    /// By vendor, place and key: what providers are told apart by.
    private var known: [ProviderIdentity: String] = [:]
    /// Routes, in the file's order.
    private(set) var routes: [(name: String, model: ModelReference, path: String)] = []
    private(set) var models: [(model: ModelReference, deployment: LiteLLMDeployment)] = []

    private struct ProviderIdentity: Hashable {
        var vendor: String
        var base: LiteLLMReference?
        var key: LiteLLMReference?
    }

    init(_ source: LiteLLMSource, tenant: String, environment: [String: String]) throws(CommandFailure) {
        self.source = source
        self.tenant = tenant
        self.environment = environment
        guard LiteLLMName.plain(tenant) == tenant else {
            throw .usage("--tenant", "'\(tenant)' is not a name: letters, digits and . _ -")
        }
        addTenant(tenant)
        readModels()
        readSettings()
        for index in providers.indices {
            if let reason = providers[index].leaveOpen() { remark("model_list", "\(providers[index].name): \(reason)") }
        }
        readTables()
        for owner in tenants { addRoutes(of: owner) }
    }

    mutating func remark(_ path: String, _ reason: String = ImportRemark.noEqual) {
        remarks.append(ImportRemark(path: path, reason: reason))
    }

    // MARK: - Models

    private mutating func readModels() {
        for (index, value) in (source.sections["model_list"]?.list ?? []).enumerated() {
            let path = "model_list[\(index)]"
            do throws(LiteLLMRecord.Failure) {
                add(try LiteLLMDeployment(value, path: path))
            } catch {
                remark("\(path).\(error.field)", "\(error.message): this entry is left out")
            }
        }
    }

    private mutating func add(_ deployment: LiteLLMDeployment) {
        remarks += deployment.remarks
        guard let provider = provider(of: deployment) else { return }
        if let index = providers.firstIndex(where: { $0.name == provider }) {
            if let timeout = deployment.timeout {
                if let reason = providers[index].end(after: timeout) {
                    remark("\(deployment.path).litellm_params.timeout", reason)
                }
            } else {
                providers[index].isOpen = true
            }
        }
        let model = ModelReference(provider: provider, model: deployment.model)
        guard !deployment.model.contains("*"), !deployment.name.contains("*") else {
            let isSame = deployment.name == "\(provider)/*" && deployment.model == "*"
            if !isSame {
                remark(
                    "\(deployment.path).model_name",
                    "wildcards are not translated: every model of the provider that has a price is '\(provider)/MODEL'")
            }
            return
        }
        models.append((model, deployment))
        if deployment.name == model.description { return }
        if let other = routes.first(where: { $0.name == deployment.name }) {
            remark(deployment.path, "a name has one model here: \(deployment.name) is \(other.path)'s \(other.model)")
        } else if LiteLLMName.isRoute(deployment.name) {
            routes.append((deployment.name, model, deployment.path))
        } else {
            remark("\(deployment.path).model_name", "is not a route's name; the model is \(model)")
        }
    }

    /// The provider's name here; nil where its wire is not spoken.
    private mutating func provider(of deployment: LiteLLMDeployment) -> String? {
        let vendor = deployment.vendor
        let path = "\(deployment.path).litellm_params"
        guard let (kind, preset) = LiteLLMVendor.provider(vendor) else {
            remark("\(path).model", "there is no provider of the kind \(vendor): this entry is left out")
            return nil
        }
        let identity = ProviderIdentity(vendor: vendor, base: deployment.base, key: deployment.key)
        if let name = known[identity] { return name }
        var base: String?
        switch deployment.base {
        case .literal(let text): base = LiteLLMVendor.base(text, vendor: vendor)
        case .environment(let name):
            guard let text = environment[name] else {
                remark("\(path).api_base", "the variable \(name) is not set here: this entry is left out")
                return nil
            }
            base = LiteLLMVendor.base(text, vendor: vendor)
        case nil: break
        }
        guard base != nil || !LiteLLMVendor.needsBase(vendor) else {
            remark("\(path).api_base", "is missing: this entry is left out")
            return nil
        }
        let stem = String(LiteLLMName.plain(vendor.lowercased()).replacing("_", with: "-").prefix(28))
        let others = providers.count { $0.name == stem || $0.name.hasPrefix(stem + "-") }
        let name = others == 0 ? stem : "\(stem)-\(others + 1)"
        providers.append(
            ImportedProvider(name: name, kind: kind, preset: preset, baseURL: base, apiKey: key(deployment, name)))
        known[identity] = name
        return name
    }

    private mutating func key(_ deployment: LiteLLMDeployment, _ name: String) -> String? {
        switch deployment.key {
        case .environment(let variable): return "env:\(variable)"
        case .literal:
            let variable = name.uppercased().replacing("-", with: "_") + "_API_KEY"
            remark(
                "\(deployment.path).litellm_params.api_key",
                "a key is given by reference only: put this one into the variable \(variable)")
            return "env:\(variable)"
        case nil: return LiteLLMVendor.usualKey(deployment.vendor)
        }
    }

    /// Another name for what a name of the file stands for.
    mutating func addAlias(_ alias: String, of target: String, path: String) {
        let model = routes.first { $0.name == target }?.model ?? models.first { $0.model.description == target }?.model
        guard let model, LiteLLMName.isRoute(alias), !routes.contains(where: { $0.name == alias }) else {
            return remark(path, "\(target.isEmpty ? "what it stands for" : target) is not served here")
        }
        routes.append((alias, model, path))
    }

    // MARK: - Prices

    /// Takes the prices of the models that are served: first those that stand beside them, then the file's.
    mutating func addPrices(_ file: [UInt8]?) throws(WireFormatError) {
        for (model, deployment) in models where !deployment.price.isEmpty {
            var writer = JSONWriter()
            writer.beginObject()
            writer.key(model.model)
            writer.beginObject()
            writer.member("litellm_provider", deployment.vendor)
            if let mode = deployment.mode { writer.member("mode", mode) }
            for (field, text) in deployment.price.sorted(by: { $0.key < $1.key }) {
                writer.key(field)
                writer.raw(text.utf8)
            }
            writer.endObject()
            writer.endObject()
            let own = try LiteLLMPriceFile(writer.bytes, provider: deployment.vendor, name: model.provider)
            take(own) { $0 == model }
            for skipped in own.skipped { remark(deployment.path, "its price is not used: it \(skipped.reason)") }
        }
        let vendors = Set(models.map { Pair(vendor: $0.deployment.vendor, provider: $0.model.provider) })
        for pair in vendors.sorted(by: { $0.provider < $1.provider }) {
            guard let file else { break }
            let wanted = Set(models.map(\.model))
            take(try LiteLLMPriceFile(file, provider: pair.vendor, name: pair.provider)) { wanted.contains($0) }
        }
        let priced = Set(prices.map(\.model))
        for (model, deployment) in models where !priced.contains(model) {
            remark(deployment.path, "\(model) has no price in what was read: it is not called before it has one")
        }
    }

    private struct Pair: Hashable {
        var vendor: String
        var provider: String
    }

    private mutating func take(_ file: LiteLLMPriceFile, where isWanted: (ModelReference) -> Bool) {
        for priced in file.priced where isWanted(priced.price.model) {
            guard !prices.contains(where: { $0.model == priced.price.model }) else { continue }
            prices.append(priced.price)
            for text in priced.remarks { remark("price of \(priced.price.model)", text) }
        }
    }

    // MARK: - For the other files

    mutating func addTenant(_ name: String) {
        guard !tenants.contains(name) else { return }
        tenants.append(name)
        add(.tenant, name, at: (name, "tenant"), [:], .tenant(timeZone: nil, suspended: nil, capture: nil, cache: nil))
    }

    private mutating func addRoutes(of owner: String) {
        var settings = RouteSettings()
        settings.strategy = .direct
        for route in routes {
            let draft = RouteDraft(
                tenant: owner, name: route.name, slm: "", prm: nil, llm: route.model, settings: settings)
            let fields = (try? ResourceText.route(slm: "", prm: nil, llm: route.model, settings)) ?? [:]
            add(.route, route.name, at: (owner, route.path), fields, .route(draft))
        }
        for (model, deployment) in models {
            for (unit, limit) in [
                (LimitUnit.requests, deployment.requestsPerMinute), (.tokens, deployment.tokensPerMinute),
            ] {
                guard let limit else { continue }
                addLimit(
                    LimitDraft(tenant: owner, unit: unit, limit: limit), model: model.description,
                    path: deployment.path)
            }
        }
    }

    private mutating func addLimit(_ draft: LimitDraft, model: String, path: String) {
        guard ModelPattern.isValid(model) else {
            return remark(path, "a limit cannot be set for the name \(model)")
        }
        var draft = draft
        draft.model = model
        let name = "\(ResourceText.scope(team: nil, key: nil, model: model, tag: nil)) \(draft.unit.rawValue) for paid"
        guard
            !resources.contains(where: {
                $0.name.kind == .limit && $0.name.tenant == draft.tenant && $0.name.text == name
            })
        else { return remark(path, "\(model) has a limit of \(draft.unit.rawValue) already") }
        add(.limit, name, at: (draft.tenant, path), ["limit": String(draft.limit)], .limit(draft, key: nil))
    }

    mutating func add(
        _ kind: ResourceName.Kind, _ text: String, at place: (tenant: String, path: String),
        _ fields: [String: String], _ draft: DeclaredResource.Draft
    ) {
        resources.append(
            DeclaredResource(
                name: ResourceName(kind: kind, tenant: place.tenant, text: text), fields: fields, draft: draft,
                place: DeclaredPlace(file: source.file, line: nil, path: place.path)))
    }
}
