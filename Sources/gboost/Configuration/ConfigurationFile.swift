internal import FoundationEssentials
internal import Yams

/// The flat form of the YAML file: dotted key to text, with the line each stood on.
///
/// swift-configuration's own YAML provider takes no list of mappings, which `providers` is; so the file is parsed
/// here, entries of such lists are keyed by their names, and everything else of the layering is left to that library.
struct ConfigurationFile: Sendable {
    struct Entry: Hashable, Sendable {
        var text: String
        var line: Int?
    }
    /// As the user wrote it, for messages.
    var path: String
    var entries: [String: Entry] = [:]
    /// Sections that are lists, each entry with a name.
    enum List: String, CaseIterable, Sendable {
        case providers
        case modelGroups = "model_groups"
    }
    /// Fields that are mappings themselves.
    private static let nested: Set<String> = ["admin.jwt"]
    /// Names of the entries, in the order of the file.
    var names: [List: [String]] = [:]

    /// More is not a configuration.
    static let maxBytes = 1 << 20
    static let maxEntries = 64

    /// An empty file: nothing but defaults, environment and arguments.
    init(path: String) { self.path = path }

    init(reading path: String) throws(ConfigurationError) {
        let text: String
        do {
            let data = try Data(contentsOf: URL(filePath: path))
            guard data.count <= Self.maxBytes else {
                throw ConfigurationError(field: "", message: "larger than \(Self.maxBytes) bytes")
            }
            guard let decoded = String(data: data, encoding: .utf8) else {
                throw ConfigurationError(field: "", message: "not UTF-8")
            }
            text = decoded
        } catch let error as ConfigurationError {
            throw ConfigurationError(field: "", message: error.message, origin: .file(path, line: nil))
        } catch {
            let why = FileFailure.unreadable(path)
            throw ConfigurationError(field: "", message: "cannot be read: \(why)", origin: .file(path, line: nil))
        }
        try self.init(yaml: text, path: path)
    }

    init(yaml: String, path: String) throws(ConfigurationError) {
        self.init(path: path)
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw Self.syntaxError(error, path: path)
        }
        guard let root, !Self.isNull(root) else { return }
        guard case .mapping(let sections) = root else {
            throw failure("", "a mapping of sections is expected", root)
        }
        for (key, value) in sections {
            guard let name = key.string else { throw failure("", "a section's name is not text", key) }
            if let list = List(rawValue: name) {
                try add(list, value)
            } else {
                guard case .mapping(let fields) = value else {
                    throw failure(name, "a mapping is expected, as in '\(name): { … }'", value)
                }
                try add(fields, under: name)
            }
        }
    }

    private mutating func add(_ fields: Node.Mapping, under prefix: String) throws(ConfigurationError) {
        for (key, value) in fields {
            guard let name = key.string else { throw failure(prefix, "a key is not text", key) }
            let full = "\(prefix).\(name)"
            if Self.nested.contains(full), case .mapping(let fields) = value {
                try add(fields, under: full)
                continue
            }
            guard case .scalar(let scalar) = value, !Self.isNull(value) else {
                throw failure(full, "a single value is expected", value)
            }
            entries[full] = Entry(text: scalar.string, line: key.mark?.line)
        }
    }

    private mutating func add(_ list: List, _ node: Node) throws(ConfigurationError) {
        let section = list.rawValue
        guard case .sequence(let items) = node else {
            throw failure(section, "a list is expected, each entry with a 'name'", node)
        }
        guard items.count <= Self.maxEntries else {
            throw failure(section, "more than \(Self.maxEntries) entries", node)
        }
        for (index, item) in items.enumerated() {
            guard case .mapping(let fields) = item else {
                throw failure("\(section)[\(index)]", "a mapping is expected", item)
            }
            guard case .scalar(let scalar)? = fields["name"] else {
                throw failure("\(section)[\(index)].name", "is missing", item)
            }
            let name = scalar.string
            guard Self.isEntryName(name) else {
                throw failure(
                    "\(section)[\(index)].name", "'\(name)' is not of the form a-z, 0-9 and '-', at most 32 long",
                    item)
            }
            guard names[list]?.contains(name) != true else {
                throw failure("\(section)[\(index)].name", "'\(name)' stands twice", item)
            }
            names[list, default: []].append(name)
            try add(fields, under: "\(section).\(name)")
            entries["\(section).\(name).name"] = nil
        }
    }

    /// Lower-case letters, digits and dashes, so that a name maps to one environment variable and to one model prefix.
    static func isEntryName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != UInt8(ascii: "-"), name.utf8.count <= 32 else { return false }
        return name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
    }

    private static func isNull(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    private func failure(_ field: String, _ message: String, _ node: Node) -> ConfigurationError {
        ConfigurationError(field: field, message: message, origin: .file(path, line: node.mark?.line))
    }

    private static func syntaxError(_ error: any Error, path: String) -> ConfigurationError {
        func located(_ message: String, _ line: Int?) -> ConfigurationError {
            ConfigurationError(field: "", message: message, origin: .file(path, line: line))
        }
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return located("not valid YAML: \(problem)", mark.line)
        case .duplicatedKeysInMapping(let duplicates, let context):
            return located("'\(duplicates.joined(separator: "', '"))' stands twice", context.mark.line)
        default: return located("not valid YAML", nil)
        }
    }
}
