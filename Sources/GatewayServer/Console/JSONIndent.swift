/// JSON with a member a line: only the space between its words changes, so that no number becomes another one.
enum JSONIndent {
    /// What is not JSON comes out as it can.
    static func text(_ json: String) -> String {
        var out: [UInt8] = []
        var depth = 0
        var isInString = false
        var isEscaped = false
        let bytes = Array(json.utf8)
        func line(_ depth: Int) -> [UInt8] { [UInt8(ascii: "\n")] + [UInt8](repeating: 0x20, count: 2 * max(0, depth)) }
        for (index, byte) in bytes.enumerated() {
            if isInString {
                out.append(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                isInString = true
                out.append(byte)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                out.append(byte)
                depth += 1
                if !closes(bytes, after: index) { out += line(depth) }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if !isOpening(out.last) { out += line(depth) }
                out.append(byte)
            case UInt8(ascii: ","):
                out.append(byte)
                out += line(depth)
            case UInt8(ascii: ":"): out += [byte, 0x20]
            default: if !isSpace(byte) { out.append(byte) }
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x0A, 0x0D, 0x09].contains(byte) }

    private static func isOpening(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") }

    /// Whether the next word ends what has just begun.
    private static func closes(_ bytes: [UInt8], after index: Int) -> Bool {
        let next = bytes[(index + 1)...].first { !isSpace($0) }
        return next == UInt8(ascii: "}") || next == UInt8(ascii: "]")
    }
}
