package import Foundation

/// Single sign-on: tokens that an identity provider has made and signed (JWT, RFC 7519), and who they are of.
///
/// Nothing is kept between requests but the keys: a token is verified whenever it comes, and ends when it expires.
package struct AdminTokens: AdminTokenVerifying {
    private let rules: AdminTokenRules
    let keys: TokenKeys
    private let now: @Sendable () -> Date

    package init(_ rules: AdminTokenRules, keys: TokenKeys, now: @escaping @Sendable () -> Date = { Date() }) {
        self.rules = rules
        self.keys = keys
        self.now = now
    }

    package func identity(of token: String) async throws -> AdminIdentity {
        let token = try SignedToken(token)
        try rules.checkIssuer(token.claims)
        try await requireSignature(token)
        return try rules.identity(token.claims, at: now())
    }

    /// Of one of the keys; an unknown one makes them be read again, as far as it is time.
    private func requireSignature(_ token: SignedToken) async throws(GatewayRefusal) {
        let known = try await keys.current()
        var verdict = await known.set.verdict(on: token)
        if case .unknown = verdict {
            let newer = try await keys.current(after: known.version)
            if newer.version != known.version { verdict = await newer.set.verdict(on: token) }
        }
        switch verdict {
        case .signed: return
        case .refused(let reason), .unknown(let reason): throw .invalidToken(reason)
        }
    }
}
