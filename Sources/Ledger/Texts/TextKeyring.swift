internal import Crypto
internal import Foundation
package import GatewayCore

/// The key that texts are encrypted with, and the one before it while texts of its time are still kept.
package struct TextKeyring: Sendable, CustomStringConvertible, CustomReflectable {
    /// One of the two texts of a call.
    package enum Part: String, Sendable { case prompt, answer }

    private struct Key: Sendable {
        let id: String
        let key: SymmetricKey
    }
    /// AES-256.
    package static let keyBytes = 32
    private let current: Key
    private let previous: Key?

    /// - Parameters:
    ///   - current: 32 bytes in hexadecimal or base64.
    ///   - previous: opens what it has sealed, and seals nothing.
    package init(_ current: String, previous: String? = nil) throws(LedgerError) {
        self.current = try Self.key(current, field: "capture.key")
        self.previous = if let previous { try Self.key(previous, field: "capture.previous_key") } else { nil }
    }

    /// Names the current key.
    package var id: String { current.id }

    /// Nonce, ciphertext and tag. What it is bound to: tenant, call, and which of its texts it is.
    package func seal(
        _ text: [UInt8], _ part: Part, of call: HoldID, tenant: Int64
    ) throws(LedgerError) -> [UInt8] {
        let bound = Self.bound(part, call, tenant)
        guard let box = try? AES.GCM.seal(text, using: current.key, authenticating: bound), let bytes = box.combined
        else { throw LedgerError(.invalid, field: "text", "cannot be encrypted") }
        return Array(bytes)
    }

    /// The text; throws where the key is not known, or where a byte of it or its place is another one.
    package func open(
        _ sealed: [UInt8], key id: String, _ part: Part, of call: HoldID, tenant: Int64
    ) throws(LedgerError) -> [UInt8] {
        guard let key = [current, previous].compactMap(\.self).first(where: { $0.id == id }) else {
            throw LedgerError(
                .invalid, field: "capture.key", "the text is encrypted with the key \(id), which is not configured")
        }
        guard let box = try? AES.GCM.SealedBox(combined: sealed),
            let text = try? AES.GCM.open(box, using: key.key, authenticating: Self.bound(part, call, tenant))
        else { throw LedgerError(.invalid, field: "text", "is not as it was encrypted, or is another call's") }
        return Array(text)
    }

    private static func bound(_ part: Part, _ call: HoldID, _ tenant: Int64) -> [UInt8] {
        Array("gboost-text/1\n\(tenant)\n\(call)\n\(part.rawValue)".utf8)
    }

    private static func key(_ text: String, field: String) throws(LedgerError) -> Key {
        let bytes = unhex(text) ?? Data(base64Encoded: text).map { Array($0) } ?? []
        guard bytes.count == keyBytes else {
            throw LedgerError(.invalid, field: field, "is not \(keyBytes) bytes in hexadecimal or base64")
        }
        let digest = SHA256.hash(data: Array("gboost text key\n".utf8) + bytes)
        return Key(id: String(digest.hexadecimal.prefix(16)), key: SymmetricKey(data: bytes))
    }

    private static func unhex(_ text: String) -> [UInt8]? {
        guard text.utf8.count == 2 * keyBytes else { return nil }
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == 2 * keyBytes else { return nil }
        return (0..<keyBytes).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }

    /// Shows no key.
    package var description: String { "text key \(current.id)" }
    /// Shows no key, to `dump` either.
    package var customMirror: Mirror { Mirror(self, children: ["id": current.id]) }
}
