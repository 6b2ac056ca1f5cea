internal import Foundation
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import Ledger
internal import Outbox

/// What an administrative request's body may be.
enum AdminBody: Sendable {
    /// More is no administrative request, but for texts that are declared larger.
    static let maxBytes = 1024 * 1024
    /// A JSON object of fields, or nothing.
    case object
    /// A text of another format; the fields come in the query alone.
    case text(mostBytes: Int)

    var isObject: Bool { if case .object = self { true } else { false } }
    var mostBytes: Int { if case .text(let bytes) = self { bytes } else { Self.maxBytes } }
}

/// One administrative request: who asks, for what, and the administration that they may use.
struct AdminCall: Sendable {
    /// Most elements of one answer, of lists that grow with use. Most deployments have theirs in one.
    static let pageSize: Int64 = 10_000
    let identity: AdminIdentity
    let services: GatewayServices
    var fields: AdminFields
    /// The body as it came.
    let body: [UInt8]
    /// Whether the answer may be a stream of events.
    let takesEvents: Bool
    /// Parts of the path, decoded.
    private let path: [String: String]
    private let administration: Administration
    private let requestID: String

    /// Reads the request; refused are who is not known here, and who has none of `roles`.
    init(
        _ request: Request, _ context: GatewayContext, _ services: GatewayServices, roles: Set<AdminRole>,
        body kind: AdminBody
    ) async throws {
        guard let administration = services.administration,
            let identity = try await administration.identity(of: request)
        else { throw GatewayRefusal.notAdministrator }
        guard identity.role == .operator || roles.contains(identity.role) else {
            throw GatewayRefusal.roleNotAllowed(identity)
        }
        self.administration = administration
        self.identity = identity
        self.services = services
        body = request.method == .get ? [] : try await request.wholeBody(services.limits, atMost: kind.mostBytes)
        fields = try AdminFields(query: request, body: kind.isObject ? body : [])
        takesEvents = request.headers[.accept]?.contains("text/event-stream") == true
        path = Self.parts(context)
        requestID = context.requestID.text
    }

    private static func parts(_ context: GatewayContext) -> [String: String] {
        var parts: [String: String] = [:]
        for (name, value) in context.parameters {
            let text = String(value)
            parts[String(name)] = text.removingPercentEncoding ?? text
        }
        return parts
    }

    /// The administration, which acts for who asks. To be asked for once every field is taken: what is left over is
    /// refused here, before anything is changed.
    func store() throws -> AdminStore {
        try fields.finish()
        return administration.store.acting(as: identity.actor).from("request \(requestID)")
    }

    /// Brings about a declared state; nil where that is not to be had here.
    var apply: Administration.Apply? { administration.apply }

    /// Sends events of the kind test; nil where that is not to be had here.
    var sender: (any DestinationSender)? { administration.sender }

    /// A part of the path.
    func part(_ name: String) throws -> String {
        guard let part = path[name], !part.isEmpty else { throw AdminFields.wrong(name, "is missing in the path") }
        return part
    }

    /// A number in the path.
    func number(_ name: String) throws -> Int64 {
        guard let number = Int64(try part(name)), number > 0 else {
            throw AdminFields.wrong(name, "is not a whole number from 1")
        }
        return number
    }

    /// The tenant that the field names, or the only one that who asks may see.
    mutating func tenant(_ field: String = "tenant") throws -> String {
        guard let tenant = try tenantIfAny(field) else { throw AdminFields.wrong(field, "is missing") }
        return tenant
    }

    /// The same; nil, for all tenants, where none is named and who asks may see all.
    mutating func tenantIfAny(_ field: String = "tenant") throws -> String? {
        guard let named = try fields.text(field) else { return identity.tenant }
        try require(tenant: named)
        return named
    }

    /// Which part of a list is wanted: those after a number, and so many of them.
    /// - Parameter most: of one part, and of one whose length is not said.
    mutating func page(of most: Int64 = pageSize) throws -> (after: Int64, limit: Int) {
        let after = try fields.count("after") ?? 0
        return (after, Int(try fields.count("limit", from: 1, through: most) ?? most))
    }

    /// Refuses a tenant that who asks may not see, whether or not there is one.
    func require(tenant: String) throws {
        guard let own = identity.tenant, own != tenant else { return }
        throw GatewayRefusal(
            status: 403, type: "permission_error", code: "tenant_not_allowed",
            message: "This identity may see the tenant '\(own)' alone.", parameter: "tenant")
    }

    /// Refuses who may see one tenant only.
    func requireAllTenants() throws {
        guard identity.tenant != nil else { return }
        throw GatewayRefusal.roleNotAllowed(identity)
    }

    /// The key of that number, which must be of a tenant that who asks may see: else there is none for them.
    func key(_ id: Int64, _ store: AdminStore) async throws -> (info: KeyInfo, tenant: String) {
        let missing = LedgerError(.notFound, field: "key", "there is no key \(id)")
        let found: (info: KeyInfo, tenant: String)
        do { found = try await store.key(named: "key:\(id)") } catch {
            throw error.code == .notFound ? missing : error
        }
        guard identity.tenant == nil || identity.tenant == found.tenant else { throw missing }
        return found
    }
}
