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
    var routes: [(name: String, model: ModelReference, path: String)] = []
    private(set) var models: [(model: ModelReference, deployment: LiteLLMDeployment)] = []
    /// Limits by the model, or the pattern of models, that they are of, and where each of these stands in the list.
    private var limits: [(pattern: String, limits: LiteLLMLimits, path: String)] = []
    private var limitPlaces: [String: Int] = [:]
    /// Names with their deployments, in the file's order, and where each of them stands there.
    var names: [ServedName] = []
    var places: [String: Int] = [:]
    /// How a name's deployments share its calls.
    var balance = ModelGroup.Balance.weighted
    /// By the name that has them; `*`: every one that has none of its own.
    var fallbacks: [String: ImportedFallbacks] = [:]
    var groups: [ImportedGroup] = []

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
        addServedRoutes()
        readSettings()
        addGroups()
        for index in providers.indices {
            if let reason = providers[index].leaveOpen() { remark("model_list", "\(providers[index].name): \(reason)") }
        }
        readTables()
        for owner in tenants { addRoutes(of: owner) }
        addModelLimits()
    }

    mutating func remark(_ path: String, _ reason: String = ImportRemark.noEqual) {
        remarks.append(ImportRemark(path: path, reason: reason))
    }

    // MARK: - Models

    private mutating func readModels() {
        let listed = source.sections["model_list"] ?? .null
        if listed != .null, listed.list == nil { remark("model_list", "is not a list: no model of it is taken over") }
        for (index, value) in (listed.list ?? []).enumerated() {
            let path = "model_list[\(index)]"
            do throws(LiteLLMRecord.Failure) {
                add(try LiteLLMDeployment(value, path: path))
            } catch {
                remark(
                    error.field.isEmpty ? path : "\(path).\(error.field)", "\(error.message): this entry is left out")
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
        limit(model.description, by: deployment)
        guard !deployment.model.contains("*"), !deployment.name.contains("*") else {
            let isSame = deployment.name == "\(provider)/*" && deployment.model == "*"
            if !isSame {
                remark(
                    "\(deployment.path).model_name",
                    "wildcards are not translated: every model of the provider that has a price is '\(provider)/MODEL'")
            }
            if !deployment.price.isEmpty { remark(deployment.path, "a price is one model's here: it is not taken") }
            return
        }
        models.append((model, deployment))
        serve(model, deployment)
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
            take(own, besides: deployment.path) { $0 == model }
            for skipped in own.skipped { remark(deployment.path, "its price is not used: \(skipped.reason)") }
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

    /// - Parameter path: the entry that the price stands beside; nil: it is the price file's, which comes after those.
    private mutating func take(
        _ file: LiteLLMPriceFile, besides path: String? = nil, where isWanted: (ModelReference) -> Bool
    ) {
        for priced in file.priced where isWanted(priced.price.model) {
            if let known = prices.first(where: { $0.model == priced.price.model }) {
                if let path, !known.chargesLike(priced.price) {
                    remark(path, "its price is not used: an entry before it has another one for \(known.model)")
                }
                continue
            }
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
    }

    /// What a deployment may cost and do is its model's here; what several entries say of one is put together.
    private mutating func limit(_ pattern: String, by deployment: LiteLLMDeployment) {
        let (own, path) = (deployment.limits, deployment.path)
        guard own.maxBudget != nil || !own.rates.isEmpty else { return }
        guard ModelPattern.isValid(pattern) else {
            return remark(path, "budgets and limits cannot be set for the name \(pattern)")
        }
        guard let index = limitPlaces[pattern] else {
            limitPlaces[pattern] = limits.count
            limits.append((pattern, own, path))
            return
        }
        limits[index].limits.fill(from: own)
        let now = limits[index].limits
        let isBudgetKept = own.maxBudget == nil || (own.maxBudget == now.maxBudget && own.window == now.window)
        guard isBudgetKept, own.rates.allSatisfy({ rate in now.rates.contains { $0 == rate } }) else {
            return remark(path, "\(pattern) has other limits by an entry before, and keeps them")
        }
    }

    /// For each tenant by itself.
    private mutating func addModelLimits() {
        for (pattern, limits, path) in limits {
            if limits.maxBudget != nil, tenants.count > 1 {
                remark("\(path).litellm_params.max_budget", "is each tenant's own here, and \(tenants.count) have it")
            }
            for owner in tenants { addLimits(limits, to: .tenant(owner), model: pattern, path: path) }
        }
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
