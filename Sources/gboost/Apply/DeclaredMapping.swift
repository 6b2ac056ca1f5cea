internal import GatewayCore
internal import Yams

/// Where something stands in a file, for messages: "gboost-state.yaml:12: tenants[0].budgets[1]".
struct DeclaredPlace: Hashable, Sendable {
    var file: String
    var line: Int?
    /// Dotted path; empty for the file as a whole.
    var path: String

    func failure(_ field: String? = nil, _ message: String) -> CommandFailure {
        let name = [path, field ?? ""].filter { !$0.isEmpty }.joined(separator: ".")
        let place = line.map { "\(file):\($0)" } ?? file
        return CommandFailure(name.isEmpty ? "\(place): \(message)" : "\(place): \(name): \(message)", status: .usage)
    }
}

/// A mapping of the file whose keys are known: each value is read once, by its kind, and an error names its place.
struct DeclaredMapping {
    let place: DeclaredPlace
    private var values: [String: (node: Node, place: DeclaredPlace)] = [:]

    /// Throws for a key that is not one of `known`: a misspelt limit would silently be none.
    init(_ node: Node, _ place: DeclaredPlace, known: [String]) throws(CommandFailure) {
        self.place = place
        guard case .mapping(let fields) = node else { throw place.failure(nil, "a mapping is expected") }
        for (key, value) in fields {
            let here = DeclaredPlace(file: place.file, line: key.mark?.line ?? place.line, path: place.path)
            guard let name = key.string else { throw here.failure(nil, "a key is not text") }
            guard known.isEmpty || known.contains(name) else {
                throw here.failure(name, "is unknown here; there are: \(known.joined(separator: ", "))")
            }
            guard !Self.isNull(value) else { continue }
            values[name] = (value, here)
        }
    }

    var names: [String] { values.keys.sorted() }

    /// Where a field stands, or where it should.
    func place(of name: String) -> DeclaredPlace { values[name]?.place ?? place }

    func failure(_ name: String, _ message: String) -> CommandFailure { place(of: name).failure(name, message) }

    func text(_ name: String) throws(CommandFailure) -> String? {
        guard let value = values[name] else { return nil }
        guard case .scalar(let scalar) = value.node else { throw failure(name, "a single value is expected") }
        return scalar.string
    }

    func required(_ name: String) throws(CommandFailure) -> String {
        guard let text = try text(name), !text.isEmpty else { throw failure(name, "is missing") }
        return text
    }

    func integer(_ name: String) throws(CommandFailure) -> Int64? {
        guard let text = try text(name) else { return nil }
        guard let number = Int64(text) else { throw failure(name, "'\(text)' is not a whole number") }
        return number
    }

    func flag(_ name: String) throws(CommandFailure) -> Bool? {
        guard let text = try text(name) else { return nil }
        guard let flag = Bool(text) else { throw failure(name, "'\(text)' is neither true nor false") }
        return flag
    }

    /// One of an enumeration's values.
    func choice<T: RawRepresentable & CaseIterable>(_ name: String, _ type: T.Type) throws(CommandFailure) -> T?
    where T.RawValue == String {
        guard let text = try text(name) else { return nil }
        guard let value = T(rawValue: text) else {
            let all = T.allCases.map(\.rawValue).joined(separator: ", ")
            throw failure(name, "'\(text)' is not one of: \(all)")
        }
        return value
    }

    /// A value by a parser of command-line options, whose message loses the option's name.
    func parsed<T>(
        _ name: String, _ parse: (String, String) throws(CommandFailure) -> T
    ) throws(CommandFailure) -> T? {
        guard let text = try text(name) else { return nil }
        do throws(CommandFailure) { return try parse(text, "") } catch {
            throw failure(name, error.message.hasPrefix(": ") ? String(error.message.dropFirst(2)) : error.message)
        }
    }

    /// The entries of a list, each with its place.
    func list(_ name: String, atMost limit: Int) throws(CommandFailure) -> [(node: Node, place: DeclaredPlace)] {
        guard let value = values[name] else { return [] }
        guard case .sequence(let items) = value.node else { throw failure(name, "a list is expected") }
        guard items.count <= limit else { throw failure(name, "more than \(limit) entries") }
        let prefix = [place.path, name].filter { !$0.isEmpty }.joined(separator: ".")
        return items.enumerated().map { index, item in
            let line = item.mark?.line ?? value.place.line
            return (item, DeclaredPlace(file: place.file, line: line, path: "\(prefix)[\(index)]"))
        }
    }

    /// A mapping of any keys, such as a route's settings.
    func mapping(_ name: String) throws(CommandFailure) -> DeclaredMapping? {
        guard let value = values[name] else { return nil }
        var here = value.place
        here.path = [place.path, name].filter { !$0.isEmpty }.joined(separator: ".")
        return try DeclaredMapping(value.node, here, known: [])
    }

    private static func isNull(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
