package import GatewayCore

extension GatewayConfiguration {
    /// A model with several deployments, or with fallbacks.
    package struct Group: Hashable, Sendable {
        package var name: String
        /// What routes and clients call it: one of its deployments.
        package var model: ModelReference
        package var group: ModelGroup
    }

    /// The groups by the model that they are named by.
    package var modelGroups: [ModelReference: ModelGroup] {
        Dictionary(groups.map { ($0.model, $0.group) }, uniquingKeysWith: { first, _ in first })
    }

    static func groups(
        _ layers: inout ConfigurationLayers, providers: [Provider]
    ) throws(ConfigurationError) -> [Group] {
        var groups: [Group] = []
        let known = Set(providers.map(\.name))
        for name in layers.names(in: .modelGroups) {
            let group = try group(name, &layers, known: known)
            guard !groups.contains(where: { $0.model == group.model }) else {
                throw layers.failure("model_groups.\(name).model", "'\(group.model)' has a group already")
            }
            groups.append(group)
        }
        return groups
    }

    private static func group(
        _ name: String, _ layers: inout ConfigurationLayers, known: Set<String>
    ) throws(ConfigurationError) -> Group {
        let prefix = "model_groups.\(name)"
        guard let text = try layers.text("\(prefix).model") else {
            throw layers.failure("\(prefix).model", "is missing: the model that routes and clients name")
        }
        let model = try reference(text, "\(prefix).model", layers, known: known)
        let listed = try list("\(prefix).deployments", &layers, known: known)
        let deployments = listed.isEmpty ? [model] : listed
        guard deployments.contains(model) else {
            throw layers.failure("\(prefix).deployments", "must hold '\(model)' itself, whose price routes plan by")
        }
        let weights = try weights("\(prefix).weights", &layers, count: deployments.count)
        let group = ModelGroup(
            deployments: zip(deployments, weights).map { ModelGroup.Deployment(model: $0, weight: $1) },
            balance: try layers.choice("\(prefix).balance", default: .ordered),
            fallbacks: try list("\(prefix).fallbacks", &layers, known: known),
            mirror: try mirror(prefix, &layers, known: known))
        let all = deployments + group.fallbacks
        guard all.count <= ModelGroup.maxCandidates else {
            throw layers.failure("\(prefix).deployments", "more than \(ModelGroup.maxCandidates) with the fallbacks")
        }
        guard Set(all).count == all.count else {
            throw layers.failure("\(prefix).deployments", "names a model twice, fallbacks included")
        }
        guard group.mirror.map({ !all.contains($0.model) }) ?? true else {
            throw layers.failure("\(prefix).mirror", "is a deployment or a fallback of the same group")
        }
        return Group(name: name, model: model, group: group)
    }

    /// Copies cost money: how many is never left to a default.
    private static func mirror(
        _ prefix: String, _ layers: inout ConfigurationLayers, known: Set<String>
    ) throws(ConfigurationError) -> ModelGroup.Mirror? {
        let text = try layers.text("\(prefix).mirror")
        let percent = try layers.integer("\(prefix).mirror_percent", in: 0...100, default: 0)
        guard let text else {
            guard percent == 0 else { throw layers.failure("\(prefix).mirror", "is missing: mirror_percent is set") }
            return nil
        }
        guard percent > 0 else {
            throw layers.failure("\(prefix).mirror_percent", "must say how many of 100 requests are sent twice")
        }
        let model = try reference(text, "\(prefix).mirror", layers, known: known)
        return ModelGroup.Mirror(model: model, share: Double(percent) / 100)
    }

    private static func reference(
        _ text: String, _ key: String, _ layers: ConfigurationLayers, known: Set<String>
    ) throws(ConfigurationError) -> ModelReference {
        guard let model = ModelReference(text) else {
            throw layers.failure(key, "'\(text.prefix(80))' is not of the form provider/model")
        }
        guard known.contains(model.provider) else {
            throw layers.failure(key, "there is no provider '\(model.provider.prefix(40))'")
        }
        return model
    }

    /// Models, separated by commas.
    private static func list(
        _ key: String, _ layers: inout ConfigurationLayers, known: Set<String>
    ) throws(ConfigurationError) -> [ModelReference] {
        var models: [ModelReference] = []
        for part in words(try layers.text(key)) { models.append(try reference(part, key, layers, known: known)) }
        return models
    }

    /// Whole numbers in the order of the deployments, separated by commas.
    private static func weights(
        _ key: String, _ layers: inout ConfigurationLayers, count: Int
    ) throws(ConfigurationError) -> [Int] {
        let parts = words(try layers.text(key))
        guard !parts.isEmpty else { return Array(repeating: 1, count: count) }
        let weights = parts.compactMap { Int($0) }.filter { (0...1_000_000).contains($0) }
        guard weights.count == parts.count, weights.contains(where: { $0 > 0 }) else {
            throw layers.failure(key, "are whole numbers from 0 to 1000000, one of them above 0")
        }
        guard weights.count == count else {
            throw layers.failure(key, "there are \(count) deployments, and \(weights.count) weights")
        }
        return weights
    }

    private static func words(_ text: String?) -> [String] {
        (text ?? "").split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }
}
