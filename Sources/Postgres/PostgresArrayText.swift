/// PostgreSQL's text form of one-dimensional arrays: `{1,NULL,"a \"b\""}`.
enum PostgresArrayText {
    /// The literal for `values` as a parameter of `type`.
    static func bind(_ values: [PostgresBind.Value], type: UInt32) -> PostgresBind {
        var text: [UInt8] = []
        text.reserveCapacity(values.count * 8 + 2)
        text.append(UInt8(ascii: "{"))
        for (index, value) in values.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            switch value {
            case .null: text.append(contentsOf: "NULL".utf8)
            case .text(let element): appendQuoted(element.utf8, to: &text)
            case .binary(let bytes): appendQuoted(hex(bytes), to: &text)
            case .invalid: return PostgresBind(type: type, value: value)
            }
        }
        text.append(UInt8(ascii: "}"))
        return PostgresBind(type: type, value: .text(String(decoding: text, as: UTF8.self)))
    }

    /// Quoted only where the array's grammar needs it: numbers, by far the most frequent elements, do not.
    private static func appendQuoted(_ element: some Collection<UInt8>, to text: inout [UInt8]) {
        let isPlain =
            !element.isEmpty
            && element.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
                    || byte == UInt8(ascii: ".")
            }
        if isPlain { return text.append(contentsOf: element) }
        text.append(UInt8(ascii: "\""))
        for byte in element {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text.append(UInt8(ascii: "\\")) }
            text.append(byte)
        }
        text.append(UInt8(ascii: "\""))
    }

    private static func hex(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var text = Array("\\x".utf8)
        text.reserveCapacity(bytes.count * 2 + 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }

    /// The elements of an array in text form, nil for NULL. Nil for anything that is not a one-dimensional array.
    static func elements(of text: Span<UInt8>) -> [[UInt8]?]? {
        guard text.count >= 2, text[0] == UInt8(ascii: "{"), text[text.count - 1] == UInt8(ascii: "}") else {
            return nil
        }
        var elements: [[UInt8]?] = []
        if text.count == 2 { return elements }
        let end = text.count - 1
        var position = 1
        while true {
            guard let (element, next) = element(of: text, at: position, end: end) else { return nil }
            elements.append(element)
            if next == end { return elements }
            guard text[next] == UInt8(ascii: ",") else { return nil }
            position = next + 1
        }
    }

    /// One element, and the position after it.
    private static func element(of text: Span<UInt8>, at start: Int, end: Int) -> ([UInt8]?, Int)? {
        var bytes: [UInt8] = []
        var position = start
        let isQuoted = position < end && text[position] == UInt8(ascii: "\"")
        if isQuoted { position += 1 }
        while position < end {
            let byte = text[position]
            switch byte {
            case UInt8(ascii: "\\"):
                position += 1
                guard position < end else { return nil }
                bytes.append(text[position])
            case UInt8(ascii: "\"") where isQuoted:
                return (bytes, position + 1)
            case UInt8(ascii: ",") where !isQuoted:
                return (isNull(bytes) ? nil : bytes, position)
            case UInt8(ascii: "{") where !isQuoted, UInt8(ascii: "}") where !isQuoted:
                return nil
            default:
                bytes.append(byte)
            }
            position += 1
        }
        return isQuoted ? nil : (isNull(bytes) ? nil : bytes, position)
    }

    private static func isNull(_ bytes: [UInt8]) -> Bool { bytes.elementsEqual("NULL".utf8) }
}
