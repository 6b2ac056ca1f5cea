internal import Crypto
internal import Foundation
internal import GatewayCore

/// Makes and hashes API keys. What is stored is an HMAC-SHA256 keyed by a pepper that the database never sees, so
/// that a stolen table neither yields keys nor lets anyone try them.
package struct KeyHasher: Sendable {
    /// Shorter peppers could be searched.
    package static let minimumPepperBytes = 16
    /// Nothing longer is hashed: a key that a client presents is not trusted.
    package static let maximumKeyBytes = 256
    static let displayedCharacters = 10
    private static let ownPrefix = "gb-"
    /// Of keys that another gateway made and whose SHA-256 was imported.
    private static let importedPrefix = "sk-"
    /// No key of our own begins like this, so that no two ways of hashing meet.
    private static let importedDomain = "sha256:"
    /// No key is hashed as this text either.
    private static let proofText = "pepper of this database"
    /// Has taken in the pepper: what a hash begins with is the same for all.
    private let begun: HMAC<SHA256>

    /// Fails with a pepper that is too short.
    package init(pepper: [UInt8]) throws(LedgerError) {
        guard pepper.count >= Self.minimumPepperBytes else {
            throw LedgerError(
                .invalid, field: "key pepper", "must have at least \(Self.minimumPepperBytes) bytes")
        }
        begun = HMAC(key: SymmetricKey(data: pepper))
    }

    /// The keyed hash of a presented key; nil when it cannot be one of ours.
    ///
    /// Snapshots look keys up by this hash. Whoever presents a key cannot choose its hash without the pepper, so the
    /// time of a lookup tells nothing about the keys that exist.
    package func hash(_ presented: String) -> [UInt8]? {
        guard presented.utf8.count <= Self.maximumKeyBytes else { return nil }
        if presented.hasPrefix(Self.ownPrefix) { return keyed(presented) }
        guard presented.hasPrefix(Self.importedPrefix) else { return nil }
        return hash(sha256: Self.plainDigest(presented))
    }

    /// The keyed hash of a key of which only the plain SHA-256 is known; nil where that is not 64 hexadecimal digits.
    ///
    /// Gateways that keep plain hashes can be left without new keys for the clients; here the plain one is not kept.
    package func hash(sha256 digits: String) -> [UInt8]? {
        let digits = digits.lowercased()
        guard digits.utf8.count == 64, digits.utf8.allSatisfy({ Self.isHexadecimal($0) }) else { return nil }
        return keyed(Self.importedDomain + digits)
    }

    /// The plain SHA-256 of a key, hexadecimal, for `hash(sha256:)`. To be kept nowhere.
    package static func plainDigest(_ key: String) -> String { SHA256.hash(data: Array(key.utf8)).hexadecimal }

    /// What a database knows the pepper by: see `PepperRecord`.
    var proof: [UInt8] { keyed(Self.proofText) }

    private func keyed(_ text: String) -> [UInt8] { Array(code(text)) }

    private func code(_ text: String) -> HMAC<SHA256>.MAC {
        var code = begun
        code.update(data: Array(text.utf8))
        return code.finalize()
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    /// A keyed hash of any text, lower-case hex: for prompts and answers in the audit.
    package func digest(_ text: String) -> String { code(text).hexadecimal }

    /// A new secret: 256 random bits.
    static func newSecret() -> String {
        let bytes = unsafe SymmetricKey(size: .bits256).withUnsafeBytes { unsafe Data($0) }
        return "gb-"
            + bytes.base64EncodedString()
            .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    static func displayPrefix(of secret: String) -> String { String(secret.prefix(displayedCharacters)) }
}
