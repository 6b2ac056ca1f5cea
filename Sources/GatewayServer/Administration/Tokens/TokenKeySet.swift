internal import WireFormat

/// Why there are no keys to be had from where they should be.
package struct TokenKeyFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// For the log, and for whoever looks at the configuration.
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// The keys of one JWKS document (RFC 7517) that tokens can be verified with.
///
/// What is of no use here is passed over: identity providers publish keys for encryption, and of kinds to come, beside
/// those that they sign with.
package struct TokenKeySet: Sendable {
    /// A longer document is none.
    package static let maxBytes = 1024 * 1024
    /// A token that names no key is tried with every one that fits.
    package static let maxKeys = 64
    let keys: [TokenKey]

    package init(_ document: [UInt8]) throws(TokenKeyFailure) {
        guard document.count <= Self.maxBytes else {
            throw TokenKeyFailure("the document is longer than \(Self.maxBytes) bytes")
        }
        guard let json = try? JSONDocument(document), let list = json.root["keys"], list.kind == .array else {
            throw TokenKeyFailure("the document is no JWKS: a JSON object with a list 'keys'")
        }
        keys = list.elements.compactMap { TokenKey($0) }
        guard !keys.isEmpty else {
            throw TokenKeyFailure(
                "the document has no public key that signs: RSA from 2048 bits, P-256, P-384 or Ed25519")
        }
        guard keys.count <= Self.maxKeys else {
            throw TokenKeyFailure("the document has more than \(Self.maxKeys) keys")
        }
    }

    /// What the keys say of a token's signature.
    enum Verdict: Hashable, Sendable {
        case signed
        case refused(String)
        /// The same, and newer keys might say otherwise.
        case unknown(String)
    }

    func verdict(on token: SignedToken) async -> Verdict {
        guard let id = token.keyID else {
            for key in keys {
                if key.hasSigned(token) { return .signed }
            }
            return .unknown("has a wrong signature: it names no key (kid), and none that is known here has signed it")
        }
        let named = keys.filter { $0.id == id }
        guard !named.isEmpty else { return .unknown("is signed with a key (kid) that is not known here") }
        guard named.contains(where: { $0.fits(token.algorithm) }) else {
            return .refused("names a key (kid) that is not for its algorithm")
        }
        for key in named {
            if key.hasSigned(token) { return .signed }
        }
        return .refused("has a wrong signature")
    }
}
