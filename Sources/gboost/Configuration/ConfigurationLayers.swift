internal import Configuration
internal import FoundationEssentials

/// Arguments over environment over file over defaults, read field by field.
///
/// Every read registers its key: what was given but never read is an unknown key, and what was read is what is in
/// force. So there is no second list of the known keys that could fall behind.
struct ConfigurationLayers {
    /// A value in force, for `describe()`.
    struct Reading: Hashable, Sendable {
        var key: String
        /// nil: neither given nor defaulted.
        var text: String?
        var origin: ConfigurationError.Origin
    }
    static let environmentPrefix = "GBOOST_"

    private let file: ConfigurationFile
    private let arguments: [String: String]
    /// Only variables with the prefix, by their upper-case name.
    private let environment: [String: String]
    private let reader: ConfigReader
    private(set) var readings: [Reading] = []
    private var known: Set<String> = []
    private let listed: [ConfigurationFile.List: [String]]

    /// `sets` are the `key=value` texts of `--set`; a later one wins.
    init(file: ConfigurationFile, sets: [String], environment: [String: String]) throws(ConfigurationError) {
        self.file = file
        var arguments: [String: String] = [:]
        var names = file.names
        for set in sets {
            guard let equals = set.firstIndex(of: "="), equals != set.startIndex else {
                throw ConfigurationError(field: "--set", message: "'\(set.prefix(40))' is not of the form key=value")
            }
            let key = String(set[..<equals])
            arguments[key] = String(set[set.index(after: equals)...])
            let parts = key.split(separator: ".")
            if parts.count == 3, let list = ConfigurationFile.List(rawValue: String(parts[0])),
                names[list]?.contains(String(parts[1])) != true
            {
                guard ConfigurationFile.isEntryName(String(parts[1])) else {
                    throw ConfigurationError(
                        field: key, message: "'\(parts[1])' is not a name of an entry of '\(list.rawValue)'",
                        origin: .argument(key: key))
                }
                names[list, default: []].append(String(parts[1]))
            }
        }
        self.arguments = arguments
        listed = names
        // An empty variable is how many tools say "not set".
        self.environment = environment.reduce(into: [:]) { result, pair in
            let name = pair.key.uppercased()
            if name.hasPrefix(Self.environmentPrefix), !pair.value.isEmpty { result[name] = pair.value }
        }
        self.reader = ConfigReader(providers: [
            Self.memory("arguments", arguments),
            EnvironmentVariablesProvider(environmentVariables: self.environment).prefixKeys(with: "gboost"),
            Self.memory("file", file.entries.mapValues(\.text)),
        ])
    }

    /// Names of a list's entries: the file's in its order, then those that only an argument names.
    func names(in list: ConfigurationFile.List) -> [String] { listed[list] ?? [] }

    private static func memory(_ name: String, _ values: [String: String]) -> InMemoryProvider {
        let pairs = values.map { key, text in
            (AbsoluteConfigKey(Self.components(key)), ConfigValue(.string(text), isSecret: false))
        }
        return InMemoryProvider(name: name, values: Dictionary(pairs, uniquingKeysWith: { $1 }))
    }

    private static func components(_ key: String) -> [String] {
        key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }

    /// "server.max_body_bytes" is GBOOST_SERVER_MAX_BODY_BYTES.
    static func variable(_ key: String) -> String {
        environmentPrefix + String(key.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }

    /// Which layer gives `key`.
    func origin(_ key: String) -> ConfigurationError.Origin {
        if arguments[key] != nil { return .argument(key: key) }
        let variable = Self.variable(key)
        if environment[variable] != nil { return .environment(variable: variable) }
        if let entry = file.entries[key] { return .file(file.path, line: entry.line) }
        return .defaults
    }

    // MARK: Reading

    mutating func text(_ key: String, default fallback: String? = nil) throws(ConfigurationError) -> String? {
        known.insert(key)
        let text = reader.string(forKey: ConfigKey(Self.components(key)))
        if text?.isEmpty == true { throw failure(key, "is empty") }
        readings.append(Reading(key: key, text: text ?? fallback, origin: origin(key)))
        return text ?? fallback
    }

    /// A text that has a default.
    mutating func text(_ key: String, orDefault fallback: String) throws(ConfigurationError) -> String {
        try text(key, default: fallback) ?? fallback
    }

    mutating func integer<Value: FixedWidthInteger>(
        _ key: String, in range: ClosedRange<Value>, default fallback: Value
    ) throws(ConfigurationError) -> Value {
        let text = try text(key, orDefault: String(fallback))
        guard let value = Value(text) else { throw failure(key, "'\(text.prefix(40))' is not a whole number") }
        guard range.contains(value) else {
            throw failure(key, "\(value) is not within \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }

    /// A duration in seconds.
    mutating func seconds(
        _ key: String, in range: ClosedRange<Double>, default fallback: Double
    ) throws(ConfigurationError) -> Double {
        let shown = fallback == fallback.rounded() ? String(Int(fallback)) : String(fallback)
        let text = try text(key, orDefault: shown)
        guard let value = Double(text), value.isFinite else {
            throw failure(key, "'\(text.prefix(40))' is not a number of seconds")
        }
        guard range.contains(value) else {
            throw failure(key, "\(text) is not within \(range.lowerBound)…\(range.upperBound) seconds")
        }
        return value
    }

    mutating func choice<Value: RawRepresentable<String> & CaseIterable>(
        _ key: String, default fallback: Value
    ) throws(ConfigurationError) -> Value {
        let text = try text(key, orDefault: fallback.rawValue)
        guard let value = Value(rawValue: text) else {
            let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw failure(key, "'\(text.prefix(40))' is not one of: \(choices)")
        }
        return value
    }

    /// Replaces what is shown of the latest reading, for a value that may not be printed as it is.
    mutating func show(_ text: String?, insteadOf key: String) {
        guard let index = readings.lastIndex(where: { $0.key == key }) else { return }
        readings[index].text = text
    }

    func failure(_ key: String, _ message: String) -> ConfigurationError {
        ConfigurationError(field: key, message: message, origin: origin(key))
    }

    /// Throws for the first key of arguments and file that nothing has read. Variables are let be: other programs may
    /// use the prefix too.
    func refuseUnknown() throws(ConfigurationError) {
        let inFile = file.entries.filter { !known.contains($0.key) }
            .min { ($0.value.line ?? 0, $0.key) < ($1.value.line ?? 0, $1.key) }?.key
        guard let key = arguments.keys.filter({ !known.contains($0) }).min() ?? inFile else { return }
        let section = key.prefix { $0 != "." }
        let siblings = known.filter { $0.hasPrefix("\(section).") }
        guard !siblings.isEmpty else {
            let sections = Set(known.map { $0.prefix { $0 != "." } }).union(
                ConfigurationFile.List.allCases.map { $0.rawValue[...] }
            ).sorted()
            throw failure(key, "no such section; there are: \(sections.joined(separator: ", "))")
        }
        let names = Set(siblings.compactMap { $0.split(separator: ".").last.map(String.init) }).sorted()
        throw failure(key, "no such key; '\(section)' has: \(names.joined(separator: ", "))")
    }
}
