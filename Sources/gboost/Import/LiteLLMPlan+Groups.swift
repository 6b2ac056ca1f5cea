internal import GatewayCore
internal import GatewayServer

/// Several deployments of one name, and fallbacks: what `model_groups` is in `gboost.yaml`.
extension LiteLLMPlan {
    /// Adds a deployment to those of its name.
    mutating func serve(_ model: ModelReference, _ entry: LiteLLMDeployment) {
        let deployment = ServedName.Deployment(model: model, entry: entry)
        guard let index = places[entry.name] else {
            places[entry.name] = names.count
            names.append(ServedName(name: entry.name, path: entry.path, deployments: [deployment], model: model))
            return
        }
        if let twin = names[index].deployments.first(where: { $0.model == model }) {
            return remark(entry.path, "\(entry.name) has \(model) already, by \(twin.entry.path): it is one deployment")
        }
        names[index].deployments.append(deployment)
    }

    /// Gives each name a route to one of its deployments: to one that no other name has, since the group is that
    /// model's, and calls of another name would be spread over it too.
    mutating func addServedRoutes() {
        var uses: [ModelReference: Int] = [:]
        for name in names {
            for deployment in name.deployments { uses[deployment.model, default: 0] += 1 }
        }
        for index in names.indices {
            let name = names[index]
            let models = name.deployments.map(\.model)
            if let same = models.first(where: { $0.description == name.name }) {
                // Clients name the model itself: it needs no route.
                names[index].model = same
                continue
            }
            let model = models.first { uses[$0] == 1 } ?? name.model
            names[index].model = model
            if LiteLLMName.isRoute(name.name) {
                routes.append((name.name, model, name.path))
            } else {
                remark("\(name.path).model_name", "is not a route's name; the model is \(model)")
            }
        }
    }

    // MARK: - What the settings say

    mutating func readStrategy(_ value: FieldValue) {
        let path = "router_settings.routing_strategy"
        switch value.text ?? "" {
        case "simple-shuffle": break
        case "latency-based-routing": balance = .leastLatency
        case "least-busy":
            balance = .leastLatency
            remark(path, "least-busy became least-latency, which counts what a deployment has to do")
        default: remark(path, "has no equal here: deployments are drawn by their weights")
        }
    }

    /// `fallbacks: [{ "name": ["other", …] }]`, and `default_fallbacks` of every name that has none.
    mutating func readFallbacks(_ record: inout LiteLLMRecord, in section: String) {
        let listed = record.take("fallbacks") ?? .list([])
        if listed.list == nil { remark("\(section).fallbacks", "is not a list") }
        for (index, entry) in (listed.list ?? []).enumerated() {
            let path = "\(section).fallbacks[\(index)]"
            guard let fields = entry.fields, !fields.isEmpty else {
                remark(path, "is not a name with a list of names")
                continue
            }
            for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
                addFallbacks(of: name, to: value, path: fields.count == 1 ? path : "\(path).\(name)")
            }
        }
        if let value = record.take("default_fallbacks") {
            addFallbacks(of: "*", to: value, path: "\(section).default_fallbacks")
        }
    }

    private mutating func addFallbacks(of name: String, to value: FieldValue, path: String) {
        let list = value.list ?? []
        let names = list.compactMap(\.text)
        if value.list != nil, list.isEmpty { return }
        guard !names.isEmpty, names.count == list.count else { return remark(path, "is not a list of names") }
        guard fallbacks[name] == nil else { return remark(path, "\(name) has fallbacks already: these are not taken") }
        fallbacks[name] = ImportedFallbacks(names: names, path: path)
    }

    // MARK: - Groups

    /// Makes the groups, once names, aliases and settings are known.
    mutating func addGroups() {
        for own in fallbacks.values.sorted(by: { $0.path < $1.path }) {
            for other in own.names where candidates(for: other).isEmpty {
                remark(own.path, "\(other) is not served here")
            }
        }
        let byModel = fallbacksByModel()
        var owners: [ModelReference: Int] = [:]
        for name in names {
            guard let group = group(name, byModel[name.model] ?? fallbacks["*"]) else { continue }
            if let index = owners[name.model] {
                guard !groups[index].isLike(group) else { continue }
                remark(
                    name.path,
                    "\(name.model) has a group already, \(groups[index].name): \(name.name) is spread like it")
                continue
            }
            owners[name.model] = groups.count
            groups.append(group)
        }
        for name in names where name.deployments.count == 1 {
            // A group of fallbacks alone is the same for all who name the model.
            guard let index = owners[name.model], groups[index].deployments.count > 1 else { continue }
            remark(name.path, "its calls are spread like those of \(groups[index].name), as \(name.model) is")
        }
    }

    /// Fallbacks belong to the model that a name, or another name for it, stands for.
    private mutating func fallbacksByModel() -> [ModelReference: ImportedFallbacks] {
        var found: [ModelReference: ImportedFallbacks] = [:]
        for (name, own) in fallbacks.sorted(by: { $0.key < $1.key }) where name != "*" {
            guard let model = candidates(for: name).first else {
                remark(own.path, "\(name) is not served here")
                continue
            }
            if let other = found[model] {
                if other.names != own.names { remark(own.path, "\(model) has fallbacks already: these are not taken") }
            } else {
                found[model] = own
            }
        }
        return found
    }

    /// What a name, an alias or a model stands for, the model that its group is named by first.
    private func candidates(for name: String) -> [ModelReference] {
        var place = places[name]
        if place == nil, let model = routes.first(where: { $0.name == name })?.model {
            place = names.firstIndex { $0.model == model }
        }
        if let place {
            let served = names[place]
            return [served.model] + served.deployments.map(\.model).filter { $0 != served.model }
        }
        return models.first { $0.model.description == name }.map { [$0.model] } ?? []
    }

    /// nil: a name with one deployment and nothing to fall back to needs none.
    private mutating func group(_ name: ServedName, _ fallbacks: ImportedFallbacks?) -> ImportedGroup? {
        var deployments = name.deployments.filter { deployment in
            if ImportedGroup.canName(deployment.model) { return true }
            remark(deployment.entry.path, "\(deployment.model) cannot stand in a list of deployments")
            return false
        }
        guard let own = deployments.firstIndex(where: { $0.model == name.model }) else { return nil }
        if own >= ModelGroup.maxCandidates { deployments.swapAt(0, own) }
        var others: [ModelReference] = []
        for other in fallbacks?.names ?? [] {
            for model in candidates(for: other) where ImportedGroup.canName(model) && !others.contains(model) {
                if !deployments.contains(where: { $0.model == model }) { others.append(model) }
            }
        }
        let left = ModelGroup.maxCandidates - deployments.count
        if others.count > left {
            remark(name.path, "\(name.name) has more than \(ModelGroup.maxCandidates) deployments and fallbacks")
            deployments = Array(deployments.prefix(ModelGroup.maxCandidates))
            others = Array(others.prefix(max(left, 0)))
        }
        guard deployments.count > 1 || !others.isEmpty else { return nil }
        var group = ImportedGroup(
            name: groupName(name.name), model: name.model, deployments: deployments.map(\.model), fallbacks: others)
        if deployments.count > 1 {
            group.balance = balance.rawValue
            if balance == .weighted { group.weights = ServedName.weights(deployments.map(\.entry)) }
        }
        return group
    }

    /// As entries of a configuration are named, and not yet given.
    private func groupName(_ text: String) -> String {
        var stem = ""
        for scalar in text.lowercased().unicodeScalars.prefix(28) {
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
            if isPlain { stem.unicodeScalars.append(scalar) } else if !stem.isEmpty { stem += "-" }
        }
        if stem.isEmpty { stem = "group" }
        var (name, number) = (stem, 1)
        while groups.contains(where: { $0.name == name }) {
            number += 1
            name = "\(stem)-\(number)"
        }
        return name
    }
}
