internal import GatewayCore

/// The settings of a route by the names under which `gboost route add --set NAME=VALUE` takes them.
enum RouteSettingsParsing {
    /// One setting: its name and how a text changes it; false where the text makes no sense.
    struct Setting {
        var name: String
        /// What is expected, for messages.
        var expects: String
        var set: (inout RouteSettings, String) throws(CommandFailure) -> Bool
    }

    static var settings: [Setting] {
        numbers + [
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
            Setting(name: "boundary", expects: "newline, blank-line or pattern:REGEX", set: setBoundary),
            Setting(name: "escalation_forbidden", expects: "true or false") {
                guard let flag = Bool($1) else { return false }
                $0.escalationForbidden = flag
                return true
            },
        ]
    }

    private static var numbers: [Setting] {
        var numbers: [Setting] = []
        for (key, path, range) in RouteSettings.integers {
            numbers.append(number(key, "a whole number", path, range) { Int($0) })
        }
        for (key, path, range) in RouteSettings.doubles {
            numbers.append(number(key, "a number", path, range) { Double($0) })
        }
        return numbers
    }

    private static func number<T: Comparable>(
        _ key: RouteSettings.Key, _ kind: String, _ path: WritableKeyPath<RouteSettings, T>, _ range: ClosedRange<T>,
        parse: @escaping (String) -> T?
    ) -> Setting {
        Setting(name: key.rawValue, expects: "\(kind) within \(RouteSettings.text(range))") {
            // Not-a-number is in no range.
            guard let value = parse($1), range.contains(value) else { return false }
            $0[keyPath: path] = value
            return true
        }
    }

    private static func setBoundary(
        _ settings: inout RouteSettings, _ text: String
    ) throws(CommandFailure) -> Bool {
        settings.boundary = try ArgumentParsing.boundary(text, option: "--set boundary")
        return true
    }

    /// Applies "name=value" texts to `settings`, in order, and says which names there were.
    @discardableResult
    static func apply(_ texts: [String], to settings: inout RouteSettings) throws(CommandFailure) -> Set<String> {
        var given: Set<String> = []
        for text in texts {
            guard let equals = text.firstIndex(of: "=") else {
                throw .usage("--set", "'\(text)' is not of the form name=value")
            }
            let name = String(text[..<equals])
            try set(name, String(text[text.index(after: equals)...]), in: &settings)
            given.insert(name)
        }
        do throws(RouteSettingsError) { try settle(&settings, given: given) } catch {
            throw .usage("--set \(error.key)", error.message)
        }
        return given
    }

    /// Applies one setting; `settle` follows the last.
    static func set(_ name: String, _ value: String, in settings: inout RouteSettings) throws(CommandFailure) {
        let known = Self.settings
        guard let setting = known.first(where: { $0.name == name }) else {
            let names = known.map(\.name).sorted().joined(separator: ", ")
            throw .usage("--set", "there is no route setting '\(name)'; there are: \(names)")
        }
        guard try setting.set(&settings, value) else {
            throw .usage("--set \(name)", "'\(value)' is not \(setting.expects)")
        }
    }

    /// A λ that is given is one that stays: its target is the price. Beside another target, whichever of the two came
    /// first, it would be dropped without a word.
    static func settle(_ settings: inout RouteSettings, given: Set<String>) throws(RouteSettingsError) {
        let name = RouteSettings.Key.shadowPrice.rawValue
        guard given.contains(name) else { return }
        guard !given.contains(RouteSettings.Key.target.rawValue) || settings.target == .price else {
            throw RouteSettingsError(key: name, message: RouteSettings.strayShadowPrice(settings.target))
        }
        settings.target = .price
    }
}
