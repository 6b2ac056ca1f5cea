internal import Crypto
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
package import Ledger
package import Outbox

/// Administration over HTTP: the same operations as the commands', and who may ask for them.
package struct Administration: Sendable {
    /// Shorter keys could be guessed.
    package static let minimumKeyBytes = 16
    private(set) var store: AdminStore
    private let keyDigest: [UInt8]?
    /// Knows the tokens of single sign-on; nil: there is none.
    private let tokens: (any AdminTokenVerifying)?
    /// The tenant of requests in a format that knows no tenants, unless they name one.
    let tenant: String
    /// Brings about a declared state, as `gboost apply` does: its text, and in which way. Nil: not here.
    package var apply: Apply?
    /// Throws `GatewayRefusal` for what is wrong with the text, `LedgerError` for what the database refuses.
    package typealias Apply = @Sendable (_ text: [UInt8], ApplyWay, AdminStore) async throws -> AdminAnswer
    /// Sends events of the kind test; nil: none are sent from here.
    package var sender: (any DestinationSender)?

    /// - Parameters:
    ///   - key: the operator's; nil: tokens only.
    ///   - tokens: those of single sign-on; nil: the key only.
    /// - Returns: nil where the key is too short to be one, or there is neither.
    package init?(store: AdminStore, key: String?, tokens: (any AdminTokenVerifying)? = nil, tenant: String) {
        guard key != nil || tokens != nil, key.map({ $0.utf8.count >= Self.minimumKeyBytes }) ?? true else {
            return nil
        }
        self.store = store
        self.tokens = tokens
        self.tenant = tenant
        keyDigest = key.map(Self.digest)
    }

    /// Who sent the request; nil: nobody that is known here. Digests are compared, so that the time tells nothing of
    /// the key.
    func identity(of request: Request) async throws -> AdminIdentity? {
        let presented = AuthenticationMiddleware.key(in: request.headers, mostBytes: SignedToken.maxBytes)
        guard let presented else { return nil }
        return try await identity(presenting: presented)
    }

    /// Who presents a key or a token.
    func identity(presenting presented: String) async throws -> AdminIdentity? {
        if let keyDigest {
            var difference: UInt8 = 0
            for (a, b) in zip(Self.digest(presented), keyDigest) { difference |= a ^ b }
            if difference == 0 { return .key }
        }
        // Three parts with dots between: our own keys have none.
        guard let tokens, presented.split(separator: ".", omittingEmptySubsequences: false).count == 3 else {
            return nil
        }
        return try await tokens.identity(of: presented)
    }

    /// The same, for what somebody does: its events say who.
    func acting(as identity: AdminIdentity) -> Administration {
        var administration = self
        administration.store = store.acting(as: identity.actor)
        return administration
    }

    /// Whether the operator sent the request; false: nobody that is known here. Others are refused.
    func isOperator(_ request: Request) async throws -> Bool {
        guard let identity = try await identity(of: request) else { return false }
        guard identity.role == .operator else { throw GatewayRefusal.roleNotAllowed(identity) }
        return true
    }

    private static func digest(_ key: String) -> [UInt8] { Array(SHA256.hash(data: Array(key.utf8))) }
}

/// How a declared state is brought about.
package struct ApplyWay: Sendable, Hashable {
    /// Only says what would change.
    package var isPlan: Bool
    /// Takes away what declared tenants have beyond the declaration.
    package var prunes: Bool

    /// One of the four.
    package init(isPlan: Bool = false, prunes: Bool = false) { (self.isPlan, self.prunes) = (isPlan, prunes) }
}

extension GatewayRefusal {
    static let notAdministrator = GatewayRefusal(
        status: 401, type: "authentication_error", code: "invalid_admin_key",
        message: """
            This path needs the administrator's key, which the configuration names as admin.key, or a token of single \
            sign-on.
            """)

    /// Somebody who is known, and may not do this.
    static func roleNotAllowed(_ identity: AdminIdentity) -> GatewayRefusal {
        GatewayRefusal(
            status: 403, type: "permission_error", code: "role_not_allowed",
            message: "The role \(identity.role.rawValue) may not do this.")
    }

    /// What administration found wrong.
    init(_ error: LedgerError) {
        let field = error.field
        switch error.code {
        case .invalid: self = .invalidRequest(error.message, parameter: field)
        case .notFound: self = .invalidRequest(error.message, parameter: field, status: 404)
        case .conflict: self = .invalidRequest(error.message, parameter: field, status: 409)
        case .unavailable: self = .databaseUnavailable("\(error)")
        case .migration, .journal, .database:
            self.init(
                status: 500, type: "server_error", code: "server_error", message: "The database refused the request.")
            logText = "\(error)"
        }
        if error.code == .notFound { code = "not_found" }
        if error.code == .conflict { code = "conflict" }
    }
}
