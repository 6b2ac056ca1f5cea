/// What can be told of a GBNF grammar before llama.cpp reads it.
///
/// Its parser calls itself for every parenthesis: a deep enough nest would end the process.
enum GrammarText {
    static let maxBytes = 64 << 10
    static let maxDepth = 64

    /// What is wrong, nil where nothing is.
    static func problem(_ text: String) -> String? {
        guard !text.isEmpty, text.utf8.count <= maxBytes else { return "must have 1 to \(maxBytes) bytes" }
        guard !text.utf8.contains(0) else { return "must not contain NUL" }
        return depth(text) > maxDepth ? "nests more than \(maxDepth) deep" : nil
    }

    /// Deepest nest of parentheses outside of literals, character ranges and comments.
    private static func depth(_ text: String) -> Int {
        var depth = 0
        var deepest = 0
        var closing: UInt8?
        var isEscaped = false
        for byte in text.utf8 {
            if let end = closing {
                if isEscaped {
                    isEscaped = false
                } else if byte == end {
                    closing = nil
                } else if byte == UInt8(ascii: "\\"), end != UInt8(ascii: "\n") {
                    isEscaped = true
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): closing = byte
            case UInt8(ascii: "["): closing = UInt8(ascii: "]")
            case UInt8(ascii: "#"): closing = UInt8(ascii: "\n")
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")"): depth -= 1
            default: break
            }
            deepest = max(deepest, depth)
        }
        return deepest
    }
}
