/// Makes a provider's words fit for a log and for a client: no secrets, no control characters, bounded.
package struct Redaction: Sendable {
    /// Bound of a message, in UTF-8 bytes.
    package static let maxBytes = 2 * 1024
    private static let mark = "[redacted]"
    /// How the keys of known vendors, and of this gateway, begin.
    private static let beginnings = ["sk-", "sk_", "pk-", "rk-", "gsk_", "xai-", "AIza", "gb-", "eyJ", "hf_", "r8_"]
    private static let minKeyLength = 11
    private let secrets: [Secret]

    /// - Parameter secret: removed wherever it stands, whatever it looks like.
    package init(_ secret: Secret?) { self.init([secret].compactMap(\.self)) }

    /// The same for several.
    package init(_ secrets: [Secret]) { self.secrets = secrets }

    /// Redacts first and cuts after, so that no cut leaves a part of a key that is not known as one.
    package func clean(_ text: String) -> String {
        var text = text
        for secret in secrets where !secret.revealed.isEmpty { text = replacing(secret.revealed, in: text) }
        var result = ""
        var word = ""
        var isAfterBearer = false
        for character in text {
            if Self.isPartOfKey(character) {
                word.append(character)
                continue
            }
            append(word, to: &result, isAfterBearer: &isAfterBearer)
            word = ""
            let isControl = character.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
            result.append(isControl ? " " : character)
        }
        append(word, to: &result, isAfterBearer: &isAfterBearer)
        return Self.cut(result)
    }

    private func append(_ word: String, to result: inout String, isAfterBearer: inout Bool) {
        guard !word.isEmpty else { return }
        let isKey = word.count >= Self.minKeyLength && Self.beginnings.contains { word.hasPrefix($0) }
        result += isKey || isAfterBearer ? Self.mark : word
        isAfterBearer = word.lowercased() == "bearer"
    }

    private func replacing(_ secret: String, in text: String) -> String {
        let bytes = Array(text.utf8)
        let pattern = Array(secret.utf8)
        var out: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index...].starts(with: pattern) {
                out.append(contentsOf: Self.mark.utf8)
                index += pattern.count
            } else {
                out.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func isPartOfKey(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || "-_*.~+/".contains(character))
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > maxBytes else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: maxBytes)
        while end > text.startIndex, end.samePosition(in: text) == nil { end = text.utf8.index(before: end) }
        return String(text[..<end])
    }
}
