/// What a JSON value is.
package enum JSONKind: UInt8, Hashable, Sendable {
    case object, array, string, number, yes, no, null
}

/// One value on the tape that `JSONScanner` writes: values in the order of the text, a key before its value.
struct JSONNode: Sendable {
    var kind: JSONKind
    /// Strings only: a backslash occurs, so that the raw bytes are not the text.
    var hasEscapes = false
    var start: Int
    /// Past the last byte.
    var end = 0
    /// Index of the node after this one and everything in it.
    var next = 0
}

/// A validating JSON parser (RFC 8259) over bytes that keeps positions and copies nothing.
struct JSONScanner {
    private let bytes: [UInt8]
    private let limits: JSONLimits
    private var position = 0
    private(set) var nodes: [JSONNode] = []

    private static let trueWord = Array("true".utf8)
    private static let falseWord = Array("false".utf8)
    private static let nullWord = Array("null".utf8)

    init(_ bytes: [UInt8], limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    /// Scans the whole text: one value and nothing but white space around it.
    mutating func scan() throws(WireFormatError) {
        guard bytes.count <= limits.maxBytes else {
            throw WireFormatError(.limitExceeded, "The JSON text is longer than \(limits.maxBytes) bytes.")
        }
        nodes.reserveCapacity(min(bytes.count / 8 + 8, 4096))
        skipSpace()
        try scanValue(depth: 1)
        skipSpace()
        guard position == bytes.count else { throw malformed("Something follows the JSON value") }
    }

    private func malformed(_ what: String) -> WireFormatError {
        WireFormatError(.malformedJSON, "\(what) at byte \(position).", offset: position)
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private func peek() throws(WireFormatError) -> UInt8 {
        guard position < bytes.count else { throw malformed("The JSON text ends too early") }
        return bytes[position]
    }

    private mutating func open(_ kind: JSONKind) throws(WireFormatError) -> Int {
        guard nodes.count < limits.maxNodes else {
            throw WireFormatError(
                .limitExceeded, "The JSON text has more than \(limits.maxNodes) values.", offset: position)
        }
        nodes.append(JSONNode(kind: kind, start: position))
        return nodes.count - 1
    }

    private mutating func close(_ index: Int) {
        nodes[index].end = position
        nodes[index].next = nodes.count
    }

    private mutating func scanValue(depth: Int) throws(WireFormatError) {
        switch try peek() {
        case UInt8(ascii: "{"): try scanObject(depth: depth)
        case UInt8(ascii: "["): try scanArray(depth: depth)
        case UInt8(ascii: "\""): try scanString()
        case UInt8(ascii: "t"): try scanWord(Self.trueWord, .yes)
        case UInt8(ascii: "f"): try scanWord(Self.falseWord, .no)
        case UInt8(ascii: "n"): try scanWord(Self.nullWord, .null)
        case UInt8(ascii: "-"), 0x30...0x39: try scanNumber()
        default: throw malformed("A JSON value is missing")
        }
    }

    private func checkDepth(_ depth: Int) throws(WireFormatError) {
        guard depth <= limits.maxDepth else {
            throw WireFormatError(
                .limitExceeded, "The JSON text is nested deeper than \(limits.maxDepth).", offset: position)
        }
    }

    private mutating func scanObject(depth: Int) throws(WireFormatError) {
        try checkDepth(depth)
        let index = try open(.object)
        position += 1
        skipSpace()
        if try peek() == UInt8(ascii: "}") {
            position += 1
            return close(index)
        }
        while true {
            guard try peek() == UInt8(ascii: "\"") else { throw malformed("A key is missing") }
            try scanString()
            skipSpace()
            guard try peek() == UInt8(ascii: ":") else { throw malformed("A colon is missing") }
            position += 1
            skipSpace()
            try scanValue(depth: depth + 1)
            skipSpace()
            let byte = try peek()
            guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") else {
                throw malformed("A comma or a closing brace is missing")
            }
            position += 1
            if byte == UInt8(ascii: "}") { break }
            skipSpace()
        }
        close(index)
        if depth <= limits.uniqueKeyDepth { try checkUniqueKeys(of: index) }
    }

    /// Small objects are compared pair by pair, which allocates nothing; large ones through a set.
    private static let maxKeysComparedByPair = 24

    private func checkUniqueKeys(of object: Int) throws(WireFormatError) {
        var keys: [Int] = []
        var isPlain = true
        var key = object + 1
        while key < nodes[object].next {
            keys.append(key)
            isPlain = isPlain && !nodes[key].hasEscapes
            key = nodes[key + 1].next
        }
        if isPlain, keys.count <= Self.maxKeysComparedByPair {
            for (index, key) in keys.enumerated() {
                for earlier in keys[..<index] where isSameText(nodes[earlier], nodes[key]) {
                    throw duplicate(key, in: object)
                }
            }
            return
        }
        var seen: Set<[UInt8]> = []
        for key in keys where !seen.insert(name(of: nodes[key])).inserted { throw duplicate(key, in: object) }
    }

    private func isSameText(_ one: JSONNode, _ other: JSONNode) -> Bool {
        let count = one.end - one.start
        guard count == other.end - other.start else { return false }
        let span = bytes.span
        for offset in 0..<count where span[one.start + offset] != span[other.start + offset] { return false }
        return true
    }

    /// Decoded, since "max_tokens" and "max\u005ftokens" are the same key.
    private func name(of node: JSONNode) -> [UInt8] {
        let inside = bytes[(node.start + 1)..<(node.end - 1)]
        return node.hasEscapes ? JSONText.decode(inside) : Array(inside)
    }

    private func duplicate(_ key: Int, in object: Int) -> WireFormatError {
        let start = nodes[key].start
        let name = String(decoding: name(of: nodes[key]).prefix(64), as: UTF8.self)
        return WireFormatError(
            .duplicateKey, "A key occurs twice in one object, at byte \(start).", param: object == 0 ? name : nil,
            offset: start)
    }

    private mutating func scanArray(depth: Int) throws(WireFormatError) {
        try checkDepth(depth)
        let index = try open(.array)
        position += 1
        skipSpace()
        if try peek() == UInt8(ascii: "]") {
            position += 1
            return close(index)
        }
        while true {
            try scanValue(depth: depth + 1)
            skipSpace()
            let byte = try peek()
            guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") else {
                throw malformed("A comma or a closing bracket is missing")
            }
            position += 1
            if byte == UInt8(ascii: "]") { return close(index) }
            skipSpace()
        }
    }

    private mutating func scanWord(_ word: [UInt8], _ kind: JSONKind) throws(WireFormatError) {
        let index = try open(kind)
        guard bytes[position...].starts(with: word) else { throw malformed("An unknown word stands") }
        position += word.count
        close(index)
    }

    private mutating func scanNumber() throws(WireFormatError) {
        let index = try open(.number)
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let isZero = try peek() == UInt8(ascii: "0")
        let whole = scanDigits()
        guard whole > 0, !(isZero && whole > 1) else { throw malformed("A number is malformed") }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            guard scanDigits() > 0 else { throw malformed("A number is malformed") }
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[position]) {
                position += 1
            }
            guard scanDigits() > 0 else { throw malformed("A number is malformed") }
        }
        close(index)
    }

    private mutating func scanDigits() -> Int {
        let start = position
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
        return position - start
    }
}

extension JSONScanner {
    private mutating func scanString() throws(WireFormatError) {
        let index = try open(.string)
        position += 1
        while true {
            position = endOfPlainText(from: position)
            switch try peek() {
            case UInt8(ascii: "\""):
                position += 1
                return close(index)
            case UInt8(ascii: "\\"):
                nodes[index].hasEscapes = true
                try skipEscape()
            case 0..<0x20: throw malformed("A control character stands unescaped in a string")
            default:
                let length = JSONText.lengthOfScalar(in: bytes, at: position)
                guard length > 0 else {
                    throw WireFormatError(
                        .invalidUTF8, "The JSON text is not valid UTF-8 at byte \(position).", offset: position)
                }
                position += length
            }
        }
    }

    /// Skips printable ASCII up to a quote or backslash: nearly all bytes of nearly all texts, so on locals.
    private func endOfPlainText(from start: Int) -> Int {
        let span = bytes.span
        var index = start
        while index + 8 <= span.count {
            let word = unsafe span.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            guard Self.isPlain(word) else { break }
            index += 8
        }
        while index < span.count {
            let byte = span[index]
            guard byte >= 0x20, byte < 0x80, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else { break }
            index += 1
        }
        return index
    }

    /// Whether none of eight bytes ends plain text: each condition has the highest bit of its byte set, or of a byte
    /// above such a one, so that it may say no too often but not yes.
    private static func isPlain(_ word: UInt64) -> Bool {
        let (ones, highest) = (0x0101_0101_0101_0101 as UInt64, 0x8080_8080_8080_8080 as UInt64)
        let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        let isControl = (word &- ones &* 0x20) & ~word
        let isQuote = (quote &- ones) & ~quote
        let isBackslash = (backslash &- ones) & ~backslash
        return (word | isControl | isQuote | isBackslash) & highest == 0
    }

    private mutating func skipEscape() throws(WireFormatError) {
        position += 1
        switch try peek() {
        case UInt8(ascii: "u"):
            position += 1
            for _ in 0..<4 {
                guard JSONText.hexValue(try peek()) != nil else { throw malformed("An escape is malformed") }
                position += 1
            }
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        default: throw malformed("An escape is malformed")
        }
    }
}
