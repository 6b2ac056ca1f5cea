internal import Foundation
internal import WireFormat

/// How a token may be signed: by a private key alone.
///
/// With a secret that both sides have (HS256) whoever can read our public keys could take one of them for that secret,
/// and with `none` anybody could sign. So these are all there are, and a token's own word only chooses among them.
enum TokenAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case eddsa = "EdDSA"

    static let names = allCases.map(\.rawValue).joined(separator: ", ")
}

/// A token in its parts (RFC 7515), read and not yet believed.
struct SignedToken: Sendable {
    /// Longer ones are refused: those of people in very many groups.
    static let maxBytes = 16 * 1024

    let algorithm: TokenAlgorithm
    /// The key that it says it is signed with.
    let keyID: String?
    /// An object.
    let claims: JSONValue
    /// What the signature is of.
    let signed: [UInt8]
    let signature: [UInt8]

    /// - Throws: why it is none that we take; never a word of it.
    init(_ text: String) throws(GatewayRefusal) {
        guard text.utf8.count <= Self.maxBytes else {
            throw .invalidToken("is longer than \(Self.maxBytes) bytes")
        }
        let bytes = Array(text.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.object(parts[0]), let claims = Self.object(parts[1]),
            let signature = Self.decode(parts[2])
        else { throw .invalidToken("is malformed") }
        guard let name = header["alg"]?.string else { throw .invalidToken("names no algorithm") }
        guard let algorithm = TokenAlgorithm(rawValue: name) else {
            throw .invalidToken("is not signed by one of the algorithms \(TokenAlgorithm.names)")
        }
        // Whoever lists a header there wants the token refused where it is not understood.
        guard header["crit"] == nil else { throw .invalidToken("asks for an extension that is not known here") }
        switch header["kid"] {
        case nil: keyID = nil
        case let value? where value.isNull: keyID = nil
        case let value?:
            guard let name = value.string else { throw .invalidToken("is malformed") }
            keyID = name
        }
        self.algorithm = algorithm
        self.claims = claims
        self.signature = signature
        signed = Array(bytes[..<parts[1].endIndex])
    }

    /// A part that is a JSON object, without a key that stands twice: two readers could take another one of them each.
    private static func object(_ part: ArraySlice<UInt8>) -> JSONValue? {
        guard let bytes = decode(part), let document = try? JSONDocument(bytes), document.root.kind == .object else {
            return nil
        }
        return document.root
    }

    /// Base64 in its form for URLs, without padding.
    static func decode(_ part: ArraySlice<UInt8>) -> [UInt8]? {
        var text = Array(part)
        for index in text.indices {
            switch text[index] {
            case UInt8(ascii: "-"): text[index] = UInt8(ascii: "+")
            case UInt8(ascii: "_"): text[index] = UInt8(ascii: "/")
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): return nil
            default: break
            }
        }
        text += [UInt8](repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
        return Data(base64Encoded: Data(text)).map { Array($0) }
    }
}
