/// A setting of a route that cannot be used.
package struct RouteSettingsError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The key as written in JSON, e.g. `max_steps`.
    package var key: String
    /// What is wrong with it, fit for the user's eyes.
    package var message: String
    package init(key: String, message: String) {
        self.key = key
        self.message = message
    }
    package var description: String { "\(key): \(message)" }
}

extension RouteSettings {
    /// The JSON keys.
    package enum Key: String, CodingKey, CaseIterable {
        case strategy, boundary, target, exploration
        case qualityFloor = "quality_floor"
        case maxCandidates = "max_candidates"
        case treeNodes = "tree_nodes"
        case treeWidth = "tree_width"
        case maxSteps = "max_steps"
        case maxStepTokens = "max_step_tokens"
        case maxAnswerTokens = "max_answer_tokens"
        case maxResamples = "max_resamples"
        case resampleTemperature = "resample_temperature"
        case valueUSD = "value_usd"
        case shadowPrice = "shadow_price"
        case latencyUSDPerSecond = "latency_usd_per_second"
        case llmSuccessPrior = "llm_success_prior"
        case stepGainShare = "step_gain_share"
        case resampleGainShare = "resample_gain_share"
        case resampleSeconds = "resample_seconds"
        case llmStepSeconds = "llm_step_seconds"
        case llmRestSeconds = "llm_rest_seconds"
        case expectedStepTokens = "expected_step_tokens"
        case expectedRestTokens = "expected_rest_tokens"
        case maxLLMStepTokens = "max_llm_step_tokens"
        case maxLLMRestTokens = "max_llm_rest_tokens"
        case llmThinkingTokens = "llm_thinking_tokens"
        case fusionWeight = "fusion_weight"
        case escalationForbidden = "escalation_forbidden"
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// A number among the settings, and what it may be.
    package typealias Field<T> = (
        key: Key, path: any WritableKeyPath<RouteSettings, T> & Sendable, range: ClosedRange<T>
    ) where T: Comparable
    /// Whole numbers: whoever reads settings, from whatever form, keeps to these ranges.
    package static let integers: [Field<Int>] = [
        (.maxSteps, \.maxSteps, 1...256), (.maxStepTokens, \.maxStepTokens, 1...8192),
        (.maxAnswerTokens, \.maxAnswerTokens, 1...131_072), (.maxResamples, \.maxResamples, 0...16),
        (.expectedStepTokens, \.expectedStepTokens, 1...8192),
        (.expectedRestTokens, \.expectedRestTokens, 1...131_072),
        (.maxLLMStepTokens, \.maxLLMStepTokens, 1...8192),
        (.maxLLMRestTokens, \.maxLLMRestTokens, 1...131_072), (.maxCandidates, \.maxCandidates, 1...64),
        (.llmThinkingTokens, \.llmThinkingTokens, 0...131_072),
        (.treeNodes, \.treeNodes, 1...1024), (.treeWidth, \.treeWidth, 1...16),
    ]
    /// All other numbers.
    package static let doubles: [Field<Double>] = [
        (.resampleTemperature, \.resampleTemperature, 0...2), (.valueUSD, \.valueUSD, 0...1000),
        (.shadowPrice, \.shadowPrice, 0...1_000_000), (.latencyUSDPerSecond, \.latencyUSDPerSecond, 0...1000),
        (.llmSuccessPrior, \.llmSuccessPrior, 0...1), (.stepGainShare, \.stepGainShare, 0...1),
        (.resampleGainShare, \.resampleGainShare, 0...1), (.resampleSeconds, \.resampleSeconds, 0...3600),
        (.llmStepSeconds, \.llmStepSeconds, 0...3600), (.llmRestSeconds, \.llmRestSeconds, 0...3600),
        (.qualityFloor, \.qualityFloor, 0...1), (.exploration, \.exploration, 0...0.1),
        (.fusionWeight, \.fusionWeight, 0...10),
    ]

    /// Checks every number against its range. Decoding does so too; values made in code may not have been.
    package func validate() throws(RouteSettingsError) {
        for (key, path, range) in Self.integers { try Self.check(self[keyPath: path], key, in: range) }
        for (key, path, range) in Self.doubles { try Self.check(self[keyPath: path], key, in: range) }
        if let problem = boundary.lengthProblem {
            throw RouteSettingsError(key: Key.boundary.rawValue, message: problem)
        }
    }

    private static func check<T: Comparable>(
        _ value: T, _ key: Key, in range: ClosedRange<T>
    ) throws(RouteSettingsError) {
        guard range.contains(value) else {
            throw RouteSettingsError(
                key: key.rawValue, message: "\(plain(value)) is not within \(text(range))")
        }
    }

    /// A range as messages name it.
    package static func text<T: Comparable>(_ range: ClosedRange<T>) -> String {
        "\(plain(range.lowerBound))…\(plain(range.upperBound))"
    }

    /// A number as people write it.
    private static func plain<T>(_ value: T) -> String {
        let text = "\(value)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// Bound of a boundary's regular expression, in characters.
    package static let maxPatternLength = 256

    /// Missing keys take their defaults. An unknown key, a wrong type and a value out of range throw
    /// `RouteSettingsError` with the key.
    package init(from decoder: any Decoder) throws {
        self.init()
        let given = try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue)
        if let unknown = given.sorted().first(where: { Key(rawValue: $0) == nil }) {
            throw RouteSettingsError(key: unknown, message: "there is no such setting")
        }
        let container = try decoder.container(keyedBy: Key.self)
        if let name = try Self.read(container, .strategy, String.self, "a string") {
            guard let kind = StrategyKind(rawValue: name) else {
                let names = StrategyKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw RouteSettingsError(key: Key.strategy.rawValue, message: "expected one of \(names)")
            }
            strategy = kind
        }
        if let name = try Self.read(container, .target, String.self, "a string") {
            guard let target = QualityTarget(rawValue: name) else {
                let names = QualityTarget.allCases.map(\.rawValue).joined(separator: ", ")
                throw RouteSettingsError(key: Key.target.rawValue, message: "expected one of \(names)")
            }
            self.target = target
        }
        if container.contains(.boundary) { boundary = try container.decode(StepBoundary.self, forKey: .boundary) }
        for (key, path, _) in Self.integers {
            if let value = try Self.read(container, key, Int.self, "an integer") { self[keyPath: path] = value }
        }
        for (key, path, _) in Self.doubles {
            if let value = try Self.read(container, key, Double.self, "a number") { self[keyPath: path] = value }
        }
        if let value = try Self.read(container, .escalationForbidden, Bool.self, "true or false") {
            escalationForbidden = value
        }
        // Whoever gave λ before there were targets meant that it stays.
        if !container.contains(.target), shadowPrice != RouteSettings().shadowPrice { target = .price }
        try validate()
    }

    private static func read<T: Decodable>(
        _ container: KeyedDecodingContainer<Key>, _ key: Key, _ type: T.Type, _ expected: String
    ) throws(RouteSettingsError) -> T? {
        guard container.contains(key) else { return nil }
        do { return try container.decode(type, forKey: key) } catch {
            throw RouteSettingsError(key: key.rawValue, message: "expected \(expected)")
        }
    }

    /// Writes every key, so that a stored route keeps its behaviour when a default changes.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(strategy, forKey: .strategy)
        try container.encode(boundary, forKey: .boundary)
        try container.encode(target, forKey: .target)
        for (key, path, _) in Self.integers { try container.encode(self[keyPath: path], forKey: key) }
        for (key, path, _) in Self.doubles { try container.encode(self[keyPath: path], forKey: key) }
        try container.encode(escalationForbidden, forKey: .escalationForbidden)
    }
}

extension StepBoundary {
    private enum Key: String, CodingKey { case pattern }

    /// Reads `"newline"`, `"blank_line"` or `{"pattern": "…"}`.
    package init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self) {
            switch name {
            case "newline": self = .newline
            case "blank_line": self = .blankLine
            default:
                throw RouteSettingsError(
                    key: "boundary", message: "expected \"newline\", \"blank_line\" or {\"pattern\": …}")
            }
            return
        }
        do {
            self = .pattern(try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .pattern))
        } catch {
            throw RouteSettingsError(
                key: "boundary", message: "expected \"newline\", \"blank_line\" or {\"pattern\": …}")
        }
    }

    /// Writes what `init(from:)` reads.
    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .newline, .blankLine:
            var container = encoder.singleValueContainer()
            try container.encode(self == .newline ? "newline" : "blank_line")
        case .pattern(let pattern):
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(pattern, forKey: .pattern)
        }
    }
}
