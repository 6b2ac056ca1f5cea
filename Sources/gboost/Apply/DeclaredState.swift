internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Yams

/// What a file declares: prices, the operator's destinations, and tenants with what belongs to them.
struct DeclaredState: Sendable {
    /// More is not a declaration.
    static let maxBytes = 4 << 20
    /// The longest list of the file.
    static let maxEntries = 10_000
    /// More does not fit into a file but by aliases, which make much of little.
    static let maxResources = 200_000

    var resources: [DeclaredResource] = []
    /// Names of the tenants, in the file's order.
    var tenants: [String] = []

    /// What something else than a file of ours declares.
    init(resources: [DeclaredResource], tenants: [String]) {
        self.resources = resources
        self.tenants = tenants
    }

    init(reading path: String) throws(CommandFailure) {
        let place = DeclaredPlace(file: path, line: nil, path: "")
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw place.failure(nil, "cannot be read: \(FileFailure.unreadable(path))")
        }
        guard data.count <= Self.maxBytes else { throw place.failure(nil, "larger than \(Self.maxBytes) bytes") }
        guard let text = String(data: data, encoding: .utf8) else { throw place.failure(nil, "not UTF-8") }
        try self.init(yaml: text, path: path)
    }

    init(yaml: String, path: String) throws(CommandFailure) {
        let place = DeclaredPlace(file: path, line: nil, path: "")
        let root: Node?
        do { root = try Yams.compose(yaml: yaml) } catch { throw Self.syntaxError(error, place) }
        guard let root else { throw place.failure(nil, "declares nothing") }
        let file = try DeclaredMapping(root, place, known: ["prices", "destinations", "tenants"])
        for (node, place) in try file.list("prices", atMost: Self.maxEntries) {
            try add(try DeclaredPrice.resource(node, place))
        }
        for (node, place) in try file.list("destinations", atMost: Self.maxEntries) {
            try add(try DeclaredDestination.resource(node, place, tenant: nil))
        }
        for (node, place) in try file.list("tenants", atMost: Self.maxEntries) {
            for resource in try DeclaredTenant(node, place).resources { try add(resource) }
        }
    }

    private mutating func add(_ resource: DeclaredResource) throws(CommandFailure) {
        guard resources.count < Self.maxResources else {
            throw resource.place.failure(nil, "more than \(Self.maxResources) things are declared")
        }
        // A file is small, but not so small that a scan for each would do.
        guard known.insert(resource.name).inserted else {
            throw resource.place.failure(nil, "\(resource.name.kind.rawValue) \(resource.name.text) stands twice")
        }
        if resource.name.kind == .tenant { tenants.append(resource.name.text) }
        resources.append(resource)
    }
    private var known: Set<ResourceName> = []

    private static func syntaxError(_ error: any Error, _ place: DeclaredPlace) -> CommandFailure {
        var place = place
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            place.line = mark.line
            return place.failure(nil, "not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            place.line = context.mark.line
            return place.failure(nil, "'\(duplicates.joined(separator: "', '"))' stands twice")
        default: return place.failure(nil, "not valid YAML")
        }
    }
}

extension DeclaredPlace {
    /// What the store found wrong with a resource, with the field as the file spells it.
    func failure(_ error: LedgerError) -> CommandFailure {
        guard error.code == .invalid || error.code == .notFound || error.code == .conflict else {
            return CommandFailure(
                "\(failure(nil, "\(error)").message)",
                status: error.code == .unavailable ? .databaseUnreachable : .failed)
        }
        return failure(error.field?.replacing("-", with: "_"), error.message)
    }
}
