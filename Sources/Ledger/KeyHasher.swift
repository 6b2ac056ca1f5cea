internal import Crypto
internal import Foundation

/// Makes and hashes API keys. What is stored is an HMAC-SHA256 keyed by a pepper that the database never sees, so
/// that a stolen table neither yields keys nor lets anyone try them.
package struct KeyHasher: Sendable {
    /// Shorter peppers could be searched.
    package static let minimumPepperBytes = 16
    /// Nothing longer is hashed: a key that a client presents is not trusted.
    package static let maximumKeyBytes = 256
    static let displayedCharacters = 10
    private let pepper: SymmetricKey

    /// Fails with a pepper that is too short.
    package init(pepper: [UInt8]) throws(LedgerError) {
        guard pepper.count >= Self.minimumPepperBytes else {
            throw LedgerError(
                .invalid, field: "key pepper", "must have at least \(Self.minimumPepperBytes) bytes")
        }
        self.pepper = SymmetricKey(data: pepper)
    }

    /// The keyed hash of a presented key; nil when it cannot be one of ours.
    ///
    /// Snapshots look keys up by this hash. Whoever presents a key cannot choose its hash without the pepper, so the
    /// time of a lookup tells nothing about the keys that exist.
    package func hash(_ presented: String) -> [UInt8]? {
        guard presented.hasPrefix("gb-"), presented.utf8.count <= Self.maximumKeyBytes else { return nil }
        return Array(HMAC<SHA256>.authenticationCode(for: Array(presented.utf8), using: pepper))
    }

    /// A keyed hash of any text, lower-case hex: for prompts and answers in the audit.
    package func digest(_ text: String) -> String {
        hexadecimal(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: pepper))
    }

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

/// Lower-case hex of a digest.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
