internal import Crypto
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
package import Ledger

/// Administration over HTTP: the same operations as the commands', and who may ask for them.
package struct Administration: Sendable {
    /// Shorter keys could be guessed.
    package static let minimumKeyBytes = 16
    let store: AdminStore
    private let keyDigest: [UInt8]
    /// The tenant of requests in a format that knows no tenants, unless they name one.
    let tenant: String

    /// - Parameter key: the operator's; nil where it is too short to be one.
    package init?(store: AdminStore, key: String, tenant: String) {
        guard key.utf8.count >= Self.minimumKeyBytes else { return nil }
        self.store = store
        self.tenant = tenant
        keyDigest = Self.digest(key)
    }

    /// Whether the request comes from the operator. Digests are compared, so that the time tells nothing of the key.
    func isOperator(_ request: Request) -> Bool {
        guard let key = AuthenticationMiddleware.key(in: request.headers) else { return false }
        var difference: UInt8 = 0
        for (a, b) in zip(Self.digest(key), keyDigest) { difference |= a ^ b }
        return difference == 0
    }

    private static func digest(_ key: String) -> [UInt8] { Array(SHA256.hash(data: Array(key.utf8))) }
}

extension GatewayRefusal {
    static let notAdministrator = GatewayRefusal(
        status: 401, type: "authentication_error", code: "invalid_admin_key",
        message: "This path needs the administrator's key, which the configuration names as admin.key.")

    /// What administration found wrong.
    init(_ error: LedgerError) {
        let field = error.field
        switch error.code {
        case .invalid: self = .invalidRequest(error.message, parameter: field)
        case .notFound: self = .invalidRequest(error.message, parameter: field, status: 404)
        case .conflict: self = .invalidRequest(error.message, parameter: field, status: 409)
        case .unavailable: self = .ledgerUnavailable("\(error)")
        case .migration, .journal, .database:
            self.init(
                status: 500, type: "server_error", code: "server_error", message: "The database refused the request.")
            logText = "\(error)"
        }
        if error.code == .notFound { code = "not_found" }
        if error.code == .conflict { code = "conflict" }
    }
}
