import CryptoExtras
import Foundation
import JWTKit
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
    private var key: any JWTAlgorithm

    /// Made once: it takes a while.
    private static let rsaKey = Result {
        try JWTKit.Insecure.RSA.PrivateKey(backing: _RSA.Signing.PrivateKey(keySize: .bits2048))
    }

    /// RS256 to PS512, all of one key.
    static func rsa(_ algorithm: String = "RS256", kid: String? = "rsa") async throws -> TokenSigner {
        let key = try rsaKey.get()
        let digest: DigestAlgorithm =
            switch algorithm.suffix(3) {
            case "256": .sha256
            case "384": .sha384
            default: .sha512
            }
        let keys = JWTKeyCollection()
        if algorithm.hasPrefix("PS") {
            await keys.add(pss: key, digestAlgorithm: digest)
        } else {
            await keys.add(rsa: key, digestAlgorithm: digest)
        }
        let (modulus, exponent) = try key.publicKey.getKeyPrimitives()
        let jwk = jwk("RSA", kid, ["n": base64(modulus), "e": base64(exponent)])
        return TokenSigner(algorithm: algorithm, kid: kid, jwk: jwk, key: try await keys.getKey())
    }

    static func p256(kid: String? = "p256") async throws -> TokenSigner {
        let key = ES256PrivateKey()
        return TokenSigner(
            algorithm: "ES256", kid: kid, jwk: curve("P-256", kid, key.parameters),
            key: try await JWTKeyCollection().add(ecdsa: key).getKey())
    }

    static func p384(kid: String? = "p384") async throws -> TokenSigner {
        let key = ES384PrivateKey()
        return TokenSigner(
            algorithm: "ES384", kid: kid, jwk: curve("P-384", kid, key.parameters),
            key: try await JWTKeyCollection().add(ecdsa: key).getKey())
    }

    static func ed25519(kid: String? = "ed") async throws -> TokenSigner {
        let key = try EdDSA.PrivateKey(curve: .ed25519)
        let jwk = jwk("OKP", kid, ["crv": "Ed25519", "x": base64(key.publicKey.rawRepresentation)])
        return TokenSigner(
            algorithm: "EdDSA", kid: kid, jwk: jwk, key: try await JWTKeyCollection().add(eddsa: key).getKey())
    }

    /// With a secret that both sides would have to have.
    static func shared(_ secret: String, kid: String?) async throws -> TokenSigner {
        let keys = JWTKeyCollection()
        await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        return TokenSigner(algorithm: "HS256", kid: kid, jwk: "", key: try await keys.getKey())
    }

    static func publicPEM() throws -> String { try rsaKey.get().publicKey.pemRepresentation }

    private static func curve(_ name: String, _ kid: String?, _ point: ECDSAParameters?) -> String {
        jwk("EC", kid, ["crv": name, "x": urlForm(point?.x ?? ""), "y": urlForm(point?.y ?? "")])
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
        return text + "." + Self.base64(try key.sign(Array(text.utf8)))
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
