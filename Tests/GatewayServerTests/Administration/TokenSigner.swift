import Crypto
import CryptoExtras
import Foundation
import Synchronization

@testable import GatewayServer

/// An identity provider's key, which signs whatever a test wants.
struct TokenSigner: Sendable {
    /// When the tokens of tests are looked at.
    static let now = 1_800_000_000
    static let issuer = "https://login.example.com"
    /// An operator's, as JSON by name.
    static let claims = [
        "iss": "\"\(issuer)\"", "aud": "\"gboost\"", "sub": "\"jane@example.com\"", "exp": "\(now + 300)",
        "gboost_role": "\"operator\"",
    ]
    static let rules = AdminTokenRules(issuer: issuer, audience: "gboost")

    var algorithm: String
    var kid: String?
    /// The public half, as an entry of a JWKS document; empty: there is none.
    var jwk: String
    private var sign: @Sendable ([UInt8]) throws -> Data

    /// Made once: it takes a while.
    private static let rsaKey = Result { try _RSA.Signing.PrivateKey(keySize: .bits2048) }

    /// RS256 to PS512, all of one key.
    static func rsa(_ algorithm: String = "RS256", kid: String? = "rsa") throws -> TokenSigner {
        let key = try rsaKey.get()
        let padding: _RSA.Signing.Padding = algorithm.hasPrefix("PS") ? .PSS : .insecurePKCS1v1_5
        let numbers = try key.publicKey.getKeyPrimitives()
        let jwk = jwk("RSA", kid, ["n": base64(numbers.modulus), "e": base64(numbers.publicExponent)])
        return TokenSigner(algorithm: algorithm, kid: kid, jwk: jwk) { text in
            switch algorithm.suffix(3) {
            case "256": try key.signature(for: SHA256.hash(data: text), padding: padding).rawRepresentation
            case "384": try key.signature(for: SHA384.hash(data: text), padding: padding).rawRepresentation
            default: try key.signature(for: SHA512.hash(data: text), padding: padding).rawRepresentation
            }
        }
    }

    static func p256(kid: String? = "p256") -> TokenSigner {
        let key = P256.Signing.PrivateKey()
        return TokenSigner(
            algorithm: "ES256", kid: kid, jwk: curve("P-256", kid, key.publicKey.rawRepresentation)
        ) { try key.signature(for: SHA256.hash(data: $0)).rawRepresentation }
    }

    static func p384(kid: String? = "p384") -> TokenSigner {
        let key = P384.Signing.PrivateKey()
        return TokenSigner(
            algorithm: "ES384", kid: kid, jwk: curve("P-384", kid, key.publicKey.rawRepresentation)
        ) { try key.signature(for: SHA384.hash(data: $0)).rawRepresentation }
    }

    static func ed25519(kid: String? = "ed") -> TokenSigner {
        let key = Curve25519.Signing.PrivateKey()
        let jwk = jwk("OKP", kid, ["crv": "Ed25519", "x": base64(key.publicKey.rawRepresentation)])
        return TokenSigner(algorithm: "EdDSA", kid: kid, jwk: jwk) { try key.signature(for: $0) }
    }

    /// With a secret that both sides would have to have.
    static func shared(_ secret: String, kid: String?) -> TokenSigner {
        let key = SymmetricKey(data: Array(secret.utf8))
        return TokenSigner(algorithm: "HS256", kid: kid, jwk: "") { text in
            Data(HMAC<SHA256>.authenticationCode(for: text, using: key))
        }
    }

    static func publicPEM() throws -> String { try rsaKey.get().publicKey.pemRepresentation }

    private static func curve(_ name: String, _ kid: String?, _ point: Data) -> String {
        let half = point.count / 2
        return jwk("EC", kid, ["crv": name, "x": base64(point.prefix(half)), "y": base64(point.suffix(half))])
    }

    private static func jwk(_ type: String, _ kid: String?, _ members: [String: String]) -> String {
        var all = members
        all["kty"] = type
        all["kid"] = kid
        return object(all.mapValues { "\"\($0)\"" })
    }

    /// A JWKS document.
    static func document(_ signers: [TokenSigner]) -> [UInt8] {
        Array("{\"keys\":[\(signers.map(\.jwk).joined(separator: ","))]}".utf8)
    }

    // MARK: - Signing

    /// A token that differs in some claims from an operator's; nil takes one away.
    func token(_ changes: [String: String?] = [:], header others: [String: String?] = [:]) throws -> String {
        var claims = Self.claims
        for (name, value) in changes { claims[name] = value }
        var header = ["alg": "\"\(algorithm)\"", "typ": "\"JWT\""]
        if let kid { header["kid"] = "\"\(kid)\"" }
        for (name, value) in others { header[name] = value }
        return try signed(Self.object(header), Self.object(claims))
    }

    func signed(_ header: String, _ claims: String) throws -> String {
        let text = Self.base64(header.utf8) + "." + Self.base64(claims.utf8)
        return text + "." + Self.base64(try sign(Array(text.utf8)))
    }

    private static func object(_ members: [String: String]) -> String {
        "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
    }

    static func base64(_ bytes: some Sequence<UInt8>) -> String { urlForm(Data(bytes).base64EncodedString()) }

    private static func urlForm(_ text: String) -> String {
        text.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

/// An identity provider's address of keys, and the time, both as a test wants them.
final class KeyAddress: Sendable {
    struct State {
        var document: [UInt8]
        var isAway = false
        var fetches = 0
        var passed = Duration.zero
    }
    struct Away: Error {}

    let state: Mutex<State>
    private let start = ContinuousClock.now

    init(_ signers: [TokenSigner]) { state = Mutex(State(document: TokenSigner.document(signers))) }

    var fetches: Int { state.withLock(\.fetches) }
    var now: ContinuousClock.Instant { start.advanced(by: state.withLock(\.passed)) }

    func publish(_ signers: [TokenSigner]) { state.withLock { $0.document = TokenSigner.document(signers) } }
    func pass(seconds: Int) { state.withLock { $0.passed += .seconds(seconds) } }
    func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

    var source: TokenKeySource {
        .address {
            // Time for others to come in between.
            for _ in 0..<50 { await Task.yield() }
            return try self.state.withLock { state throws(Away) in
                state.fetches += 1
                guard !state.isAway else { throw Away() }
                return state.document
            }
        }
    }
}
