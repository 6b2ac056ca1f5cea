internal import GatewayCore

/// The settings of a route by the names under which `gboost route add --set NAME=VALUE` takes them.
enum RouteSettingsParsing {
    /// One setting: its name and how a text changes it; false where the text makes no sense.
    struct Setting {
        var name: String
        /// What is expected, for messages.
        var expects: String
        var set: (inout RouteSettings, String) -> Bool
    }

    static var settings: [Setting] {
        counts + probabilities + amounts + [
            Setting(name: "strategy", expects: StrategyKind.allCases.map(\.rawValue).joined(separator: ", ")) {
                guard let kind = StrategyKind(rawValue: $1) else { return false }
                $0.strategy = kind
                return true
            },
            Setting(name: "target", expects: QualityTarget.allCases.map(\.rawValue).joined(separator: ", ")) {
                guard let target = QualityTarget(rawValue: $1) else { return false }
                $0.target = target
                return true
            },
            Setting(name: "shadow_price", expects: "a number within 0.0…1000000.0") {
                guard let value = Double($1), (0...1e6).contains(value) else { return false }
                // A λ that is given is one that stays; target=budget after it lets go of it again.
                $0.shadowPrice = value
                $0.target = .price
                return true
            },
            Setting(name: "boundary", expects: "newline, blank-line or pattern:REGEX") {
                guard let boundary = try? ArgumentParsing.boundary($1, option: "") else { return false }
                $0.boundary = boundary
                return true
            },
            Setting(name: "escalation_forbidden", expects: "true or false") {
                guard let flag = Bool($1) else { return false }
                $0.escalationForbidden = flag
                return true
            },
        ]
    }

    private static var counts: [Setting] {
        [
            count("max_steps", 1...1000, \.maxSteps), count("max_step_tokens", 1...100_000, \.maxStepTokens),
            count("max_answer_tokens", 1...1_000_000, \.maxAnswerTokens),
            count("max_resamples", 0...64, \.maxResamples),
            count("expected_step_tokens", 1...100_000, \.expectedStepTokens),
            count("expected_rest_tokens", 1...1_000_000, \.expectedRestTokens),
            count("max_llm_step_tokens", 1...100_000, \.maxLLMStepTokens),
            count("max_llm_rest_tokens", 1...1_000_000, \.maxLLMRestTokens),
            count("llm_thinking_tokens", 0...131_072, \.llmThinkingTokens),
            count("max_candidates", 1...64, \.maxCandidates), count("tree_nodes", 1...1024, \.treeNodes),
            count("tree_width", 1...16, \.treeWidth),
        ]
    }

    private static var probabilities: [Setting] {
        [
            number("llm_success_prior", 0...1, \.llmSuccessPrior), number("step_gain_share", 0...1, \.stepGainShare),
            number("resample_gain_share", 0...1, \.resampleGainShare),
            number("resample_temperature", 0...2, \.resampleTemperature),
            number("quality_floor", 0...1, \.qualityFloor), number("exploration", 0...0.1, \.exploration),
            number("fusion_weight", 0...10, \.fusionWeight),
        ]
    }

    private static var amounts: [Setting] {
        [
            number("value_usd", 0...1_000_000, \.valueUSD),
            number("latency_usd_per_second", 0...1_000_000, \.latencyUSDPerSecond),
            number("resample_seconds", 0...3600, \.resampleSeconds),
            number("llm_step_seconds", 0...3600, \.llmStepSeconds),
            number("llm_rest_seconds", 0...3600, \.llmRestSeconds),
        ]
    }

    private static func count(
        _ name: String, _ range: ClosedRange<Int>, _ path: WritableKeyPath<RouteSettings, Int>
    ) -> Setting {
        Setting(name: name, expects: "a whole number within \(range.lowerBound)…\(range.upperBound)") {
            guard let value = Int($1), range.contains(value) else { return false }
            $0[keyPath: path] = value
            return true
        }
    }

    private static func number(
        _ name: String, _ range: ClosedRange<Double>, _ path: WritableKeyPath<RouteSettings, Double>
    ) -> Setting {
        Setting(name: name, expects: "a number within \(range.lowerBound)…\(range.upperBound)") {
            guard let value = Double($1), value.isFinite, range.contains(value) else { return false }
            $0[keyPath: path] = value
            return true
        }
    }

    /// Applies "name=value" texts to `settings`, in order.
    static func apply(_ texts: [String], to settings: inout RouteSettings) throws(CommandFailure) {
        let known = Self.settings
        for text in texts {
            guard let equals = text.firstIndex(of: "=") else {
                throw .usage("--set", "'\(text)' is not of the form name=value")
            }
            let name = text[..<equals]
            guard let setting = known.first(where: { $0.name == name }) else {
                let names = known.map(\.name).sorted().joined(separator: ", ")
                throw .usage("--set", "there is no route setting '\(name)'; there are: \(names)")
            }
            let value = String(text[text.index(after: equals)...])
            guard setting.set(&settings, value) else {
                throw .usage("--set \(name)", "'\(value)' is not \(setting.expects)")
            }
        }
    }
}
