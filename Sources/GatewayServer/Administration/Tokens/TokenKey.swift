internal import Crypto
internal import CryptoExtras
internal import FoundationEssentials
internal import WireFormat

/// One public key of those that tokens are signed with.
///
/// Signatures are verified by swift-crypto's primitives, key by key. A library of tokens would choose the key as well,
/// in ways of its own; whose key a token may be signed with is for us to say.
struct TokenKey: Sendable {
    private enum Material: Sendable {
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
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
            // Refuses fewer than 2048 bits.
            guard let modulus = number("n", of: key), let exponent = number("e", of: key),
                let made = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
            else { return nil }
            return .rsa(made)
        case ("EC", "P-256"):
            return point(of: key, bytes: 32).flatMap { try? P256.Signing.PublicKey(rawRepresentation: $0) }
                .map { .p256($0) }
        case ("EC", "P-384"):
            return point(of: key, bytes: 48).flatMap { try? P384.Signing.PublicKey(rawRepresentation: $0) }
                .map { .p384($0) }
        case ("OKP", "Ed25519"):
            return number("x", of: key).flatMap { try? Curve25519.Signing.PublicKey(rawRepresentation: $0) }
                .map { .ed25519($0) }
        default: return nil
        }
    }

    private static func number(_ name: String, of key: JSONValue) -> [UInt8]? {
        key[name]?.utf8.flatMap { SignedToken.decode($0[...]) }
    }

    /// Both coordinates of a point, which have the length of the curve's numbers, leading zeros included.
    private static func point(of key: JSONValue, bytes: Int) -> [UInt8]? {
        guard let x = number("x", of: key), let y = number("y", of: key), x.count == bytes, y.count == bytes else {
            return nil
        }
        return x + y
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
    func hasSigned(_ token: SignedToken) -> Bool {
        guard fits(token.algorithm) else { return false }
        switch material {
        case .rsa(let key):
            let signature = _RSA.Signing.RSASignature(rawRepresentation: token.signature)
            let padding = token.algorithm.isPSS ? _RSA.Signing.Padding.PSS : .insecurePKCS1v1_5
            switch token.algorithm {
            case .rs384, .ps384:
                return key.isValidSignature(signature, for: SHA384.hash(data: token.signed), padding: padding)
            case .rs512, .ps512:
                return key.isValidSignature(signature, for: SHA512.hash(data: token.signed), padding: padding)
            default: return key.isValidSignature(signature, for: SHA256.hash(data: token.signed), padding: padding)
            }
        case .p256(let key):
            // It throws where the signature has not even the form of one.
            let signature = try? P256.Signing.ECDSASignature(rawRepresentation: token.signature)
            return signature.map { key.isValidSignature($0, for: SHA256.hash(data: token.signed)) } ?? false
        case .p384(let key):
            let signature = try? P384.Signing.ECDSASignature(rawRepresentation: token.signature)
            return signature.map { key.isValidSignature($0, for: SHA384.hash(data: token.signed)) } ?? false
        case .ed25519(let key): return key.isValidSignature(token.signature, for: token.signed)
        }
    }
}

extension TokenAlgorithm {
    fileprivate var isPSS: Bool { self == .ps256 || self == .ps384 || self == .ps512 }
}
