/// JSON in the one form in which it is hashed: members in ascending order of their names' bytes, no white space,
/// strings with as few escapes as there must be, numbers as they were written.
package enum CanonicalJSON {
    /// Deeper values are refused.
    package static let maxDepth = 64

    /// The canonical form of `text`; nil when it is no JSON, or names a member twice.
    package static func of(_ text: [UInt8]) -> [UInt8]? {
        var scanner = Scanner(text: text)
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        guard scanner.value(into: &out, depth: 0) else { return nil }
        scanner.skipSpace()
        return scanner.position == text.count ? out : nil
    }

    /// Adds `text` as a JSON string, with its quotes.
    package static func append(string text: some Collection<UInt8>, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        if text.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            out.append(contentsOf: text)
        } else {
            for byte in text {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): out.append(contentsOf: [UInt8(ascii: "\\"), byte])
                case ..<0x20:
                    out.append(contentsOf: Array("\\u00".utf8))
                    out.append(AuditHash.digit(byte >> 4))
                    out.append(AuditHash.digit(byte & 15))
                default: out.append(byte)
                }
            }
        }
        out.append(UInt8(ascii: "\""))
    }

    private struct Scanner {
        let text: [UInt8]
        var position = 0

        mutating func skipSpace() {
            while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) { position += 1 }
        }

        private mutating func take(_ byte: Unicode.Scalar) -> Bool {
            skipSpace()
            guard position < text.count, text[position] == UInt8(ascii: byte) else { return false }
            position += 1
            return true
        }

        mutating func value(into out: inout [UInt8], depth: Int) -> Bool {
            skipSpace()
            guard position < text.count, depth < CanonicalJSON.maxDepth else { return false }
            switch text[position] {
            case UInt8(ascii: "{"): return object(into: &out, depth: depth)
            case UInt8(ascii: "["): return array(into: &out, depth: depth)
            case UInt8(ascii: "\""):
                guard let string = string() else { return false }
                CanonicalJSON.append(string: string, to: &out)
                return true
            default: return word(into: &out)
            }
        }

        private mutating func object(into out: inout [UInt8], depth: Int) -> Bool {
            position += 1
            var members: [(name: [UInt8], value: [UInt8])] = []
            if !take("}") {
                repeat {
                    skipSpace()
                    guard let name = string(), take(":") else { return false }
                    var value: [UInt8] = []
                    guard self.value(into: &value, depth: depth + 1) else { return false }
                    members.append((name, value))
                } while take(",")
                guard take("}") else { return false }
            }
            members.sort { $0.name.lexicographicallyPrecedes($1.name) }
            guard zip(members, members.dropFirst()).allSatisfy({ $0.name != $1.name }) else { return false }
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                CanonicalJSON.append(string: member.name, to: &out)
                out.append(UInt8(ascii: ":"))
                out.append(contentsOf: member.value)
            }
            out.append(UInt8(ascii: "}"))
            return true
        }

        private mutating func array(into out: inout [UInt8], depth: Int) -> Bool {
            position += 1
            out.append(UInt8(ascii: "["))
            if !take("]") {
                var isFirst = true
                repeat {
                    if !isFirst { out.append(UInt8(ascii: ",")) }
                    isFirst = false
                    guard value(into: &out, depth: depth + 1) else { return false }
                } while take(",")
                guard take("]") else { return false }
            }
            out.append(UInt8(ascii: "]"))
            return true
        }

        private mutating func string() -> [UInt8]? {
            guard let read = JSONString.read(text, at: position) else { return nil }
            position = read.end
            return read.value
        }

        /// A number, true, false or null, as it stands.
        private mutating func word(into out: inout [UInt8]) -> Bool {
            let start = position
            while position < text.count, Self.isWord(text[position]) { position += 1 }
            guard position > start else { return false }
            out.append(contentsOf: text[start..<position])
            return true
        }

        private static func isWord(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
    }
}

/// A string in JSON text.
enum JSONString {
    /// The string that begins with the quote at `start`, and where it ends; nil when there is none.
    static func read(_ text: [UInt8], at start: Int) -> (value: [UInt8], end: Int)? {
        guard start < text.count, text[start] == UInt8(ascii: "\"") else { return nil }
        var position = start + 1
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") { return (Array(text[(start + 1)..<position]), position + 1) }
            if byte == UInt8(ascii: "\\") { break }
            if byte < 0x20 { return nil }
            position += 1
        }
        var value = Array(text[(start + 1)..<position])
        while position < text.count {
            let byte = text[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return (value, position)
            case UInt8(ascii: "\\"): guard escape(text, &position, &value) else { return nil }
            case ..<0x20: return nil
            default: value.append(byte)
            }
        }
        return nil
    }

    private static func escape(_ text: [UInt8], _ position: inout Int, _ value: inout [UInt8]) -> Bool {
        guard position < text.count else { return false }
        let byte = text[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): value.append(byte)
        case UInt8(ascii: "b"): value.append(0x08)
        case UInt8(ascii: "f"): value.append(0x0C)
        case UInt8(ascii: "n"): value.append(0x0A)
        case UInt8(ascii: "r"): value.append(0x0D)
        case UInt8(ascii: "t"): value.append(0x09)
        case UInt8(ascii: "u"):
            guard var unit = unit(text, &position) else { return false }
            if (0xD800..<0xDC00).contains(unit) {
                guard position + 1 < text.count, text[position] == UInt8(ascii: "\\"),
                    text[position + 1] == UInt8(ascii: "u")
                else { return false }
                position += 2
                guard let low = self.unit(text, &position), (0xDC00..<0xE000).contains(low) else { return false }
                unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(unit) else { return false }
            value.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
        default: return false
        }
        return true
    }

    private static func unit(_ text: [UInt8], _ position: inout Int) -> UInt32? {
        guard position + 4 <= text.count else { return nil }
        let digits = String(decoding: text[position..<(position + 4)], as: UTF8.self)
        position += 4
        return digits.utf8.count == 4 && digits.first != "+" && digits.first != "-" ? UInt32(digits, radix: 16) : nil
    }
}
