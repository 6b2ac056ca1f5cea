internal import Foundation
internal import WireFormat

/// What a token must say to be believed, and where it says who it is of. Pure: the signature is somebody else's.
package struct AdminTokenRules: Sendable, Hashable {
    /// Where the role stands, unless the configuration says otherwise.
    package static let roleClaim = "gboost_role"
    /// Where the tenant stands, unless the configuration says otherwise.
    package static let tenantClaim = "gboost_tenant"

    /// Who must have made the token.
    package var issuer: String
    /// Whom it must be for.
    package var audience: String
    package var roleClaim: String
    package var tenantClaim: String
    /// The identity provider's words for our roles; empty: ours. Where there are any, ours alone are none: a company
    /// may well have a group `billing` that has nothing to do with this gateway.
    package var roles: [String: AdminRole]

    package init(
        issuer: String, audience: String, roleClaim: String = AdminTokenRules.roleClaim,
        tenantClaim: String = AdminTokenRules.tenantClaim, roles: [String: AdminRole] = [:]
    ) {
        self.issuer = issuer
        self.audience = audience
        self.roleClaim = roleClaim
        self.tenantClaim = tenantClaim
        self.roles = roles
    }

    /// How far the clocks of the identity provider and of this machine may be apart, in seconds.
    static let clockSkew = 60.0
    /// Of a subject, as much is in events. Longer ones that begin alike cannot be told apart there.
    static let maxSubjectScalars = 200
    /// As of tenants' names.
    private static let maxTenantBytes = 63

    /// Refuses a token of somebody else's. Before its signature is looked at: who comes with a token of another login
    /// is told that, and not that its key is unknown.
    func checkIssuer(_ claims: JSONValue) throws(GatewayRefusal) {
        guard claims["iss"]?.string == issuer else {
            throw .invalidToken("is of another issuer (iss) than admin.jwt.issuer names")
        }
    }

    /// Who a token is of whose signature is right.
    func identity(_ claims: JSONValue, at now: Date) throws(GatewayRefusal) -> AdminIdentity {
        try checkIssuer(claims)
        try checkAudience(claims)
        try checkTimes(claims, at: now.timeIntervalSince1970)
        let actor = try Self.actor(claims)
        let role = try role(claims)
        let tenant = try tenant(claims)
        switch (role, tenant) {
        case (.operator, _?):
            // It would be taken for bound by whoever wrote it, and may do everything.
            throw .unfitRole(
                "The token makes an operator, who is of no tenant, and has the claim '\(tenantClaim)' as well.")
        case (.tenantAdmin, nil):
            throw .unfitRole("The token makes a tenant's administrator, and the claim '\(tenantClaim)' is missing.")
        default: return AdminIdentity(actor: actor, role: role, tenant: tenant)
        }
    }

    private func checkAudience(_ claims: JSONValue) throws(GatewayRefusal) {
        guard let claim = claims["aud"] else { throw .invalidToken("has no audience (aud)") }
        guard claim.string == audience || claim.elements.contains(where: { $0.string == audience }) else {
            throw .invalidToken("is for another audience (aud) than admin.jwt.audience names")
        }
    }

    private func checkTimes(_ claims: JSONValue, at now: Double) throws(GatewayRefusal) {
        guard let expiry = claims["exp"]?.double else { throw .invalidToken("has no time of expiry (exp)") }
        guard now - Self.clockSkew < expiry else { throw .invalidToken("has expired (exp)") }
        guard let claim = claims["nbf"] else { return }
        guard let start = claim.double else { throw .invalidToken("has a start (nbf) that is no time") }
        guard start <= now + Self.clockSkew else { throw .invalidToken("is not valid yet (nbf)") }
    }

    // MARK: - Who

    /// As events name it. What cannot be printed, or changes how the rest of a line is shown, is a question mark.
    private static func actor(_ claims: JSONValue) throws(GatewayRefusal) -> String {
        guard let subject = claims["sub"]?.string, subject.contains(where: { !$0.isWhitespace }) else {
            throw .invalidToken("has no subject (sub)")
        }
        var text = String.UnicodeScalarView()
        for scalar in subject.unicodeScalars.prefix(maxSubjectScalars) {
            text.append(isPrintable(scalar) ? scalar : "?")
        }
        return "jwt:" + String(text)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    /// The one role that the claim has: a text, or a list such as the groups of somebody, most of which mean nothing
    /// here. Two of ours are not added up and not chosen from: whichever was meant, the other would be a surprise.
    private func role(_ claims: JSONValue) throws(GatewayRefusal) -> AdminRole {
        guard let claim = claims[roleClaim] else { throw .noRole("The token has no claim '\(roleClaim)'.") }
        let names = claim.string.map { [$0] } ?? claim.elements.compactMap(\.string)
        guard claim.kind == .string || claim.kind == .array && names.count == claim.elements.count else {
            throw .noRole("The token's claim '\(roleClaim)' is neither a text nor a list of texts.")
        }
        let found = Set(names.compactMap { roles.isEmpty ? AdminRole(rawValue: $0) : roles[$0] })
        guard let role = found.first else { throw .noRole("The token's claim '\(roleClaim)' names no role of ours.") }
        guard found.count == 1 else {
            let all = found.map(\.rawValue).sorted().joined(separator: ", ")
            throw .unfitRole("The token's claim '\(roleClaim)' names several roles: \(all).")
        }
        return role
    }

    /// A claim that is there and names nobody is refused: without it some roles see all tenants.
    private func tenant(_ claims: JSONValue) throws(GatewayRefusal) -> String? {
        guard let claim = claims[tenantClaim] else { return nil }
        guard let name = claim.string, Self.canBeTenant(name) else {
            throw .unfitRole("The token's claim '\(tenantClaim)' is not the name of a tenant.")
        }
        return name
    }

    /// Whether a tenant can be called that, or be deleted and have that number ("#7").
    ///
    /// Names are compared as Unicode means them, and there are signs that mean a letter (U+212A is a K): who has one in
    /// the claim would be somebody else's here. And the way to the page of ".." leads somewhere else.
    private static func canBeTenant(_ name: String) -> Bool {
        let bytes = name.utf8
        guard let first = bytes.first, bytes.count <= maxTenantBytes else { return false }
        if first == UInt8(ascii: "#") { return bytes.count > 1 && bytes.dropFirst().allSatisfy(isDigit) }
        let signs = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]
        return isLetterOrDigit(first) && bytes.allSatisfy { isLetterOrDigit($0) || signs.contains($0) }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        // A capital letter has one bit less.
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

extension GatewayRefusal {
    /// A token that is not believed. The reason follows "The token", and repeats nothing of it.
    static func invalidToken(_ reason: String) -> GatewayRefusal {
        GatewayRefusal(
            status: 401, type: "authentication_error", code: "invalid_token", message: "The token \(reason).")
    }

    /// A believed token of somebody who has nothing to do with this gateway.
    static func noRole(_ message: String) -> GatewayRefusal {
        GatewayRefusal(status: 403, type: "permission_error", code: "no_role", message: message)
    }

    /// A believed token whose role and tenant do not go together.
    static func unfitRole(_ message: String) -> GatewayRefusal {
        GatewayRefusal(status: 403, type: "permission_error", code: "role_not_allowed", message: message)
    }

    /// No token can be looked at.
    static func tokenKeysUnavailable(_ reason: String) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 503, type: "server_error", code: "keys_unavailable",
            message: "The keys that tokens are signed with cannot be had now, so no token can be verified.")
        refusal.retryAfterSeconds = 5
        refusal.logText = reason
        return refusal
    }
}
