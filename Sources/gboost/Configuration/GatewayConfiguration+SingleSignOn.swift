internal import Curl
internal import Foundation
package import GatewayServer
internal import Logging

extension GatewayConfiguration {
    /// Administrators' tokens, which an identity provider signs.
    package struct SingleSignOn: Hashable, Sendable {
        package var rules: AdminTokenRules
        package var keys: TokenKeyPlace
    }
    /// Where the keys are that tokens are signed with.
    package enum TokenKeyPlace: Hashable, Sendable {
        case file(String)
        case address(String)
    }

    /// A longer one is no name of a claim, an issuer or an audience.
    private static let maxTokenNameBytes = 512
    /// Entries of `admin.jwt.roles`.
    private static let maxTokenRoles = 256

    static func singleSignOn(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> SingleSignOn? {
        let issuer = try tokenName("issuer", &layers)
        let audience = try tokenName("audience", &layers)
        let keys = try tokenKeys(&layers)
        let roleClaim = try tokenName("role_claim", &layers)
        let tenantClaim = try tokenName("tenant_claim", &layers)
        let roles = try tokenRoles(&layers)
        guard issuer != nil || audience != nil || keys != nil || roleClaim != nil || tenantClaim != nil || roles != nil
        else { return nil }
        guard let issuer else { throw layers.failure("admin.jwt.issuer", "is missing: who makes the tokens (iss)") }
        guard let audience else { throw layers.failure("admin.jwt.audience", "is missing: whom tokens are for (aud)") }
        guard let keys else { throw layers.failure("admin.jwt.keys", "is missing: file:/path or an https URL") }
        var rules = AdminTokenRules(issuer: issuer, audience: audience, roles: roles ?? [:])
        if let roleClaim { rules.roleClaim = roleClaim }
        if let tenantClaim { rules.tenantClaim = tenantClaim }
        guard rules.roleClaim != rules.tenantClaim else {
            throw layers.failure("admin.jwt.tenant_claim", "is the same as admin.jwt.role_claim")
        }
        return SingleSignOn(rules: rules, keys: keys)
    }

    /// Compared byte by byte with what tokens say, so that white space in it can only be a mistake.
    private static func tokenName(
        _ key: String, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> String? {
        let field = "admin.jwt.\(key)"
        guard let text = try layers.text(field) else { return nil }
        guard text.utf8.count <= maxTokenNameBytes, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw layers.failure(field, "is longer than \(maxTokenNameBytes) bytes, or has white space in it")
        }
        return text
    }

    private static func tokenKeys(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> TokenKeyPlace? {
        let field = "admin.jwt.keys"
        guard let text = try layers.text(field) else { return nil }
        if text.hasPrefix("file:/"), !text.hasPrefix("file://") { return .file(String(text.dropFirst("file:".count))) }
        guard let url = URL(string: text), let scheme = url.scheme, ["http", "https"].contains(scheme),
            let host = url.host(), !host.isEmpty, url.user() == nil, url.fragment() == nil,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw layers.failure(field, "is neither file:/path nor an https URL without user and fragment") }
        // Whoever can change them on the way can make any token.
        guard scheme == "https" || ["127.0.0.1", "localhost", "::1", "[::1]"].contains(host) else {
            throw layers.failure(field, "is an http URL of another machine: keys come by https")
        }
        return .address(text)
    }

    /// "platform-team=operator, finance=billing": the identity provider's word, and ours.
    private static func tokenRoles(
        _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> [String: AdminRole]? {
        let field = "admin.jwt.roles"
        guard let text = try layers.text(field) else { return nil }
        var roles: [String: AdminRole] = [:]
        for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let equals = entry.lastIndex(of: "=") else {
                throw layers.failure(field, "'\(entry.prefix(40))' is not of the form NAME=ROLE")
            }
            let name = entry[..<equals].trimmingCharacters(in: .whitespaces)
            let word = entry[entry.index(after: equals)...].trimmingCharacters(in: .whitespaces)
            guard let role = AdminRole(rawValue: word) else {
                let all = AdminRole.allCases.map(\.rawValue).joined(separator: ", ")
                throw layers.failure(field, "'\(word.prefix(40))' is not one of: \(all)")
            }
            guard !name.isEmpty, name.utf8.count <= maxTokenNameBytes else {
                throw layers.failure(field, "'\(entry.prefix(40))' has no name before the =, or a very long one")
            }
            guard roles.updateValue(role, forKey: name) == nil else {
                throw layers.failure(field, "'\(name.prefix(40))' stands twice")
            }
        }
        guard roles.count <= maxTokenRoles else {
            throw layers.failure(field, "has more than \(maxTokenRoles) entries")
        }
        return roles
    }

    /// Why the file of keys cannot be used; nil: it can, or the keys are elsewhere.
    func unusableTokenKeys() -> ConfigurationError? {
        guard case .file(let path)? = administration.singleSignOn?.keys,
            let problem = TokenKeySource.problem(ofFile: path)
        else { return nil }
        return ConfigurationError(field: "admin.jwt.keys", message: problem.description)
    }

    /// Who tells whose tokens are whose; nil: there is no single sign-on. Throws where a file of keys cannot be used
    /// now; what comes of it later is told to those who come with tokens.
    func adminTokens(_ client: CurlClient, _ logger: Logger) throws(ConfigurationError) -> AdminTokens? {
        guard let singleSignOn = administration.singleSignOn else { return nil }
        if let problem = unusableTokenKeys() { throw problem }
        let source: TokenKeySource =
            switch singleSignOn.keys {
            case .file(let path): .file(path)
            case .address(let url): .url(url, client: client)
            }
        return AdminTokens(singleSignOn.rules, keys: TokenKeys(source, logger: logger))
    }
}
