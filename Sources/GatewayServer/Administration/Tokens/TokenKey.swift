internal import FoundationEssentials
internal import JWTKit
internal import WireFormat

/// One public key of those that tokens are signed with.
///
/// A token's signature is compared by the library's primitives, key by key. Its collections of keys would do more, and
/// too much: for an unknown `kid` they take another key, and a key is used with the algorithm it was first asked for.
struct TokenKey: Sendable {
    private enum Material: Sendable {
        case rsa(JWTKit.Insecure.RSA.PublicKey)
        case p256(ES256PublicKey)
        case p384(ES384PublicKey)
        case ed25519(EdDSA.PublicKey)
    }

    let id: String?
    private let material: Material
    /// The only algorithm that it is for, where its document says so.
    private let only: TokenAlgorithm?

    /// Nil for what is no use here: a key for another purpose, of another kind, or too short (RSA below 2048 bits). Of
    /// one that has its private half beside it, only the public one is taken.
    init?(_ key: JSONValue) {
        guard key.kind == .object, key["use"].map({ $0.string == "sig" }) ?? true,
            key["key_ops"].map({ $0.elements.contains { $0.string == "verify" } }) ?? true,
            let material = Self.material(key)
        else { return nil }
        self.material = material
        id = key["kid"]?.string
        if let name = key["alg"] {
            guard let algorithm = name.string.flatMap(TokenAlgorithm.init(rawValue:)) else { return nil }
            only = algorithm
        } else {
            only = nil
        }
        guard only.map({ Self.isFit(material, for: $0) }) ?? true else { return nil }
    }

    private static func material(_ key: JSONValue) -> Material? {
        switch (key["kty"]?.string, key["crv"]?.string) {
        case ("RSA", _):
            guard let modulus = key["n"]?.string, let exponent = key["e"]?.string,
                let made = try? JWTKit.Insecure.RSA.PublicKey(modulus: modulus, exponent: exponent)
            else { return nil }
            return .rsa(made)
        case ("EC", "P-256"):
            guard let x = key["x"]?.string, let y = key["y"]?.string,
                let made = try? ES256PublicKey(parameters: (x: x, y: y))
            else { return nil }
            return .p256(made)
        case ("EC", "P-384"):
            guard let x = key["x"]?.string, let y = key["y"]?.string,
                let made = try? ES384PublicKey(parameters: (x: x, y: y))
            else { return nil }
            return .p384(made)
        case ("OKP", "Ed25519"):
            guard let x = key["x"]?.string, let made = try? EdDSA.PublicKey(x: x, curve: .ed25519) else { return nil }
            return .ed25519(made)
        default: return nil
        }
    }

    private static func isFit(_ material: Material, for algorithm: TokenAlgorithm) -> Bool {
        switch (material, algorithm) {
        case (.rsa, .rs256), (.rsa, .rs384), (.rsa, .rs512), (.rsa, .ps256), (.rsa, .ps384), (.rsa, .ps512),
            (.p256, .es256), (.p384, .es384), (.ed25519, .eddsa):
            true
        default: false
        }
    }

    /// Whether it can have signed by that algorithm.
    func fits(_ algorithm: TokenAlgorithm) -> Bool {
        (only ?? algorithm) == algorithm && Self.isFit(material, for: algorithm)
    }

    /// Whether it has signed the token, by the algorithm that the token names.
    func hasSigned(_ token: SignedToken) async -> Bool {
        guard fits(token.algorithm), let algorithm = await verifier(token.algorithm) else { return false }
        // It throws where the signature has not even the form of one.
        return (try? algorithm.verify(token.signature, signs: token.signed)) ?? false
    }

    private func verifier(_ algorithm: TokenAlgorithm) async -> (any JWTAlgorithm)? {
        let keys = JWTKeyCollection()
        switch (material, algorithm) {
        case (.rsa(let key), .rs256): await keys.add(rsa: key, digestAlgorithm: .sha256)
        case (.rsa(let key), .rs384): await keys.add(rsa: key, digestAlgorithm: .sha384)
        case (.rsa(let key), .rs512): await keys.add(rsa: key, digestAlgorithm: .sha512)
        case (.rsa(let key), .ps256): await keys.add(pss: key, digestAlgorithm: .sha256)
        case (.rsa(let key), .ps384): await keys.add(pss: key, digestAlgorithm: .sha384)
        case (.rsa(let key), .ps512): await keys.add(pss: key, digestAlgorithm: .sha512)
        case (.p256(let key), .es256): await keys.add(ecdsa: key)
        case (.p384(let key), .es384): await keys.add(ecdsa: key)
        case (.ed25519(let key), .eddsa): await keys.add(eddsa: key)
        default: return nil
        }
        return try? await keys.getKey()
    }
}
