internal import GatewayCore
internal import GatewayServer

/// A model with several deployments or fallbacks, as `model_groups` of `gboost.yaml` is to name it.
struct ImportedGroup: Hashable, Sendable, Encodable {
    var name: String
    var model: String
    var deployments: [String]
    /// In the order of the deployments; empty: all the same.
    var weights: [Int]
    var balance: String
    var fallbacks: [String]

    init(name: String, model: ModelReference, deployments: [ModelReference], fallbacks: [ModelReference]) {
        self.name = name
        self.model = model.description
        self.deployments = deployments.map(\.description)
        weights = []
        balance = ModelGroup.Balance.ordered.rawValue
        self.fallbacks = fallbacks.map(\.description)
    }

    /// Whether it does the same, whatever it is called.
    func isLike(_ other: ImportedGroup) -> Bool {
        var other = other
        other.name = name
        return self == other
    }

    /// Whether a model's name can stand in a list that commas divide.
    static func canName(_ model: ModelReference) -> Bool {
        let text = model.description
        return ModelReference(text) == model && !text.contains(",") && !text.hasPrefix(" ") && !text.hasSuffix(" ")
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }

    /// "  - { name: "gpt-4o", model: "openai/gpt-4o", … }"
    var yaml: String {
        var fields = [("name", name), ("model", model)]
        if deployments.count > 1 {
            fields.append(("deployments", deployments.joined(separator: ", ")))
            if !weights.isEmpty { fields.append(("weights", weights.map(String.init).joined(separator: ", "))) }
            fields.append(("balance", balance))
        }
        if !fallbacks.isEmpty { fields.append(("fallbacks", fallbacks.joined(separator: ", "))) }
        let text = fields.map { key, value in "\(key): \(ImportedProvider.quoted(value))" }.joined(separator: ", ")
        return "  - { \(text) }\n"
    }
}

/// What is asked where none of a name's deployments answers.
struct ImportedFallbacks: Hashable, Sendable {
    var names: [String]
    var path: String
}

/// One name of LiteLLM's, and the deployments that serve it.
struct ServedName: Sendable {
    var name: String
    var path: String
    var deployments: [Deployment]
    /// What the name stands for: one of its deployments.
    var model: ModelReference

    struct Deployment: Sendable {
        var model: ModelReference
        var entry: LiteLLMDeployment
    }

    /// Shares of its calls as LiteLLM draws them: by weights, else by requests or tokens a minute where all have them.
    /// Empty: equal ones.
    static func weights(_ entries: [LiteLLMDeployment]) -> [Int] {
        // One that has none beside others that have is as good as one that has 1.
        var shares = entries.contains { $0.weight != nil } ? entries.map { $0.weight ?? 1_000_000 } : []
        if shares.isEmpty { shares = entries.compactMap(\.limits.requestsPerMinute) }
        if shares.count < entries.count { shares = entries.compactMap(\.limits.tokensPerMinute) }
        guard shares.count == entries.count, let most = shares.max(), most > 0, Set(shares).count > 1 else { return [] }
        let divisor = shares.reduce(0, greatestCommonDivisor)
        let largest: Int64 = 1_000_000
        return shares.map { share in
            guard most / divisor > largest else { return Int(share / divisor) }
            // Too fine for a weight: the nearest that is not nothing.
            return share == 0 ? 0 : max(1, Int(Int128(share) * Int128(largest) / Int128(most)))
        }
    }

    private static func greatestCommonDivisor(_ first: Int64, _ second: Int64) -> Int64 {
        var (a, b) = (first, second)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}
