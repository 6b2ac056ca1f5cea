internal import Crypto
internal import Foundation

/// Who can check a signed note: a name and an Ed25519 public key (C2SP signed-note).
package struct NoteVerifier: Hashable, Sendable {
    package let name: String
    /// First four bytes of SHA-256 of name, line feed, type and key.
    package let keyHash: UInt32
    private let key: [UInt8]

    /// From "name+hash+key", as `gboost audit key` prints it. Throws what is wrong with it.
    package init(_ text: String) throws(NoteError) {
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let bytes = Data(base64Encoded: parts[2]), bytes.first == NoteKey.ed25519 else {
            throw NoteError("is not a verifier key of the form name+hash+key")
        }
        try self.init(name: parts[0], key: Array(bytes.dropFirst()))
        guard NoteKey.hexadecimal(keyHash) == parts[1] else { throw NoteError("has a hash that is not its key's") }
    }

    init(name: String, key: [UInt8]) throws(NoteError) {
        try NoteKey.check(name)
        guard key.count == 32 else { throw NoteError("is not an Ed25519 key") }
        self.name = name
        self.key = key
        keyHash = NoteKey.hash(name: name, key: key)
    }

    /// "name+hash+key".
    package var text: String {
        "\(name)+\(NoteKey.hexadecimal(keyHash))+\(Data([NoteKey.ed25519] + key).base64EncodedString())"
    }

    func isValid(_ signature: [UInt8], of text: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: key) else { return false }
        return key.isValidSignature(signature, for: text)
    }
}

/// Who signs notes.
package struct NoteSigner: Sendable {
    /// What others check its signatures with.
    package let verifier: NoteVerifier
    private let seed: [UInt8]

    /// A signer with a key of 32 random bytes.
    package init(name: String, seed: [UInt8]) throws(NoteError) {
        guard seed.count == 32, let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else {
            throw NoteError("is not an Ed25519 seed of 32 bytes")
        }
        self.seed = seed
        verifier = try NoteVerifier(name: name, key: Array(key.publicKey.rawRepresentation))
    }

    /// From "PRIVATE+KEY+name+hash+seed". The error does not repeat it.
    package init(_ text: String) throws(NoteError) {
        let wrong = NoteError("is not a signing key of the form PRIVATE+KEY+name+hash+seed")
        let parts = text.split(separator: "+", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, parts[0] == "PRIVATE", parts[1] == "KEY", let bytes = Data(base64Encoded: parts[4]),
            bytes.first == NoteKey.ed25519
        else { throw wrong }
        try self.init(name: parts[2], seed: Array(bytes.dropFirst()))
        guard NoteKey.hexadecimal(verifier.keyHash) == parts[3] else { throw wrong }
    }

    /// "PRIVATE+KEY+name+hash+seed": a secret.
    package var secretText: String {
        let seed = Data([NoteKey.ed25519] + seed).base64EncodedString()
        return "PRIVATE+KEY+\(verifier.name)+\(NoteKey.hexadecimal(verifier.keyHash))+\(seed)"
    }

    /// Whether another signer signs with the same key, whatever either is called.
    package func hasKey(of other: NoteSigner) -> Bool { seed == other.seed }

    func signature(of text: [UInt8]) throws(NoteError) -> [UInt8] {
        do {
            return Array(try Curve25519.Signing.PrivateKey(rawRepresentation: seed).signature(for: text))
        } catch {
            throw NoteError("cannot be signed")
        }
    }
}

/// What is wrong with a key, a note or a checkpoint. Holds no secret.
package struct NoteError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Follows the name of what is wrong: "is not …".
    package let description: String
    init(_ description: String) { self.description = description }
}

/// What keys of both kinds have in common.
enum NoteKey {
    /// The type of an Ed25519 key.
    static let ed25519: UInt8 = 1

    static func check(_ name: String) throws(NoteError) {
        let isPlain = name.unicodeScalars.allSatisfy { !$0.properties.isWhitespace && $0 != "+" && $0.value > 0x20 }
        guard !name.isEmpty, name.utf8.count <= 255, isPlain else {
            throw NoteError("has a name that is empty, or has a space or a plus in it")
        }
    }

    static func hash(name: String, key: [UInt8]) -> UInt32 {
        let digest = SHA256.hash(data: Array(name.utf8) + [0x0A, ed25519] + key)
        return digest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    static func hexadecimal(_ hash: UInt32) -> String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
