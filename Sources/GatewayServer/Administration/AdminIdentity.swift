/// What an administrator may do. The names are those of INTERFACE and of tokens.
package enum AdminRole: String, Sendable, Hashable, CaseIterable, Codable {
    /// Everything, for every tenant.
    case `operator`
    /// One tenant's teams, keys, their budgets and limits, routes and settings; not what the tenant itself may spend.
    case tenantAdmin = "tenant-admin"
    /// Budgets, spend, statements and reconciliation.
    case billing
    /// Reads everything that is on record, and changes nothing.
    case auditor
}

/// Who administers: by the configured key, or by a token of single sign-on.
package struct AdminIdentity: Sendable, Hashable {
    /// As events name it: "admin-key", "jwt:jane@example.com".
    package var actor: String
    package var role: AdminRole
    /// The one tenant that it may see; nil: all of them.
    package var tenant: String?

    package init(actor: String, role: AdminRole, tenant: String? = nil) {
        self.actor = actor
        self.role = role
        self.tenant = tenant
    }

    /// Who has the configured key.
    package static let key = AdminIdentity(actor: "admin-key", role: .operator)
}

/// Tells who a token of single sign-on is of.
package protocol AdminTokenVerifying: Sendable {
    /// - Throws: `GatewayRefusal` with status 401 for a token that is not valid, 403 for one without a role, 503 where
    ///   the keys that sign tokens cannot be had.
    func identity(of token: String) async throws -> AdminIdentity
}
