/// Whether a JSON object that came from elsewhere can stand in a settlement's record as it is.
///
/// PostgreSQL's jsonb refuses some of what JSON allows (escaped zero bytes and lone surrogates, numbers with huge
/// exponents, deep nesting), and one text that it refuses would fail a whole batch of settlements. So this takes the
/// plain JSON only that usage objects are written in: no \u escapes, no exponents.
struct EmbeddedJSON {
    private static let maxDepth = 16
    private let bytes: [UInt8]
    private var position = 0

    static func isStorable(_ text: String) -> Bool {
        var json = EmbeddedJSON(bytes: Array(text.utf8))
        json.skipSpace()
        guard json.peek == UInt8(ascii: "{"), json.skipValue(depth: 1) else { return false }
        json.skipSpace()
        return json.position == json.bytes.count
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, [0x20, 0x0A, 0x0D, 0x09].contains(byte) { position += 1 }
    }

    private mutating func skipValue(depth: Int) -> Bool {
        guard depth <= Self.maxDepth, let byte = peek else { return false }
        switch byte {
        case UInt8(ascii: "{"): return skipList(depth: depth, end: UInt8(ascii: "}"), hasKeys: true)
        case UInt8(ascii: "["): return skipList(depth: depth, end: UInt8(ascii: "]"), hasKeys: false)
        case UInt8(ascii: "\""): return skipString()
        case UInt8(ascii: "t"): return skipWord("true")
        case UInt8(ascii: "f"): return skipWord("false")
        case UInt8(ascii: "n"): return skipWord("null")
        default: return skipNumber()
        }
    }

    private mutating func skipList(depth: Int, end: UInt8, hasKeys: Bool) -> Bool {
        position += 1
        skipSpace()
        if skip(end) { return true }
        while true {
            skipSpace()
            if hasKeys {
                guard skipString() else { return false }
                skipSpace()
                guard skip(UInt8(ascii: ":")) else { return false }
                skipSpace()
            }
            guard skipValue(depth: depth + 1) else { return false }
            skipSpace()
            if skip(end) { return true }
            guard skip(UInt8(ascii: ",")) else { return false }
        }
    }

    private mutating func skipString() -> Bool {
        guard skip(UInt8(ascii: "\"")) else { return false }
        while let byte = peek, byte >= 0x20 {
            position += 1
            if byte == UInt8(ascii: "\"") { return true }
            guard byte == UInt8(ascii: "\\") else { continue }
            guard let escaped = peek, Self.escapes.contains(escaped) else { return false }
            position += 1
        }
        return false
    }

    private static let escapes = Array("\"\\/bfnrt".utf8)

    private mutating func skipWord(_ word: StaticString) -> Bool {
        let end = position + word.utf8CodeUnitCount
        guard end <= bytes.count, String(decoding: bytes[position..<end], as: UTF8.self) == word.description
        else { return false }
        position = end
        return true
    }

    private mutating func skipNumber() -> Bool {
        _ = skip(UInt8(ascii: "-"))
        let isZero = peek == UInt8(ascii: "0")
        let whole = skipDigits()
        guard whole == 1 || whole > 1 && !isZero else { return false }
        return skip(UInt8(ascii: ".")) ? skipDigits() > 0 : true
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
        return position - start
    }
}
