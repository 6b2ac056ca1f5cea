/// The text inside JSON strings: unescaping, and the rules of UTF-8 (RFC 3629).
enum JSONText {
    /// Length of the well-formed multi-byte scalar at `index`; 0: not well-formed (overlong forms, surrogates and
    /// values past U+10FFFF included).
    static func lengthOfScalar(in bytes: [UInt8], at index: Int) -> Int {
        let first = bytes[index]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return 0 }
        for offset in 2..<max(length, 2) where !(0x80...0xBF).contains(bytes[index + offset]) { return 0 }
        return length
    }

    static func hexValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x41 + 10)
        case 0x61...0x66: UInt32(byte - 0x61 + 10)
        default: nil
        }
    }

    /// UTF-8 of an already validated string's inside. A surrogate escape without its partner becomes U+FFFD.
    static func decode(_ inside: ArraySlice<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(inside.count)
        var index = inside.startIndex
        while index < inside.endIndex {
            let rest = inside[index...]
            let backslash = rest.firstIndex(of: UInt8(ascii: "\\")) ?? inside.endIndex
            out.append(contentsOf: rest[..<backslash])
            guard backslash < inside.endIndex else { break }
            index = backslash
            let kind = inside[index + 1]
            index += 2
            switch kind {
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0C)
            case UInt8(ascii: "n"): out.append(0x0A)
            case UInt8(ascii: "r"): out.append(0x0D)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "u"): appendUnicodeEscape(inside, at: &index, to: &out)
            default: out.append(kind)
            }
        }
        return out
    }

    /// `index` stands on the first hex digit, and is moved past the escape (past both of a surrogate pair).
    private static func appendUnicodeEscape(
        _ inside: ArraySlice<UInt8>, at index: inout Int, to out: inout [UInt8]
    ) {
        var value = unit(inside, at: index)
        index += 4
        if (0xD800..<0xDC00).contains(value), index + 6 <= inside.endIndex, inside[index] == UInt8(ascii: "\\"),
            inside[index + 1] == UInt8(ascii: "u")
        {
            let low = unit(inside, at: index + 2)
            if (0xDC00..<0xE000).contains(low) {
                value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
                index += 6
            }
        }
        out.append(contentsOf: UTF8.encode(Unicode.Scalar(value) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter)
    }

    private static func unit(_ inside: ArraySlice<UInt8>, at index: Int) -> UInt32 {
        (0..<4).reduce(0) { value, offset in value << 4 | (hexValue(inside[index + offset]) ?? 0) }
    }
}
