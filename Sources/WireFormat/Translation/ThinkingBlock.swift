/// Anthropic's thinking within OpenAI's format, where it has no place of its own: `thinking_blocks` of a message, and
/// of the deltas of a stream.
package enum ThinkingBlock {
    private static let number = Array(#"{"index":"#.utf8)

    /// A delta with one whole block. It is numbered: OpenAI's clients put lists of deltas together by `index`, and stop
    /// with an error at an entry that has none.
    /// - Parameter block: a JSON object.
    package static func delta(_ block: [UInt8], number: Int) -> [UInt8] {
        var out = Array(#"{"thinking_blocks":["#.utf8) + Self.number + Array("\(number)".utf8)
        let members = block.dropFirst().drop { $0 <= 0x20 }
        if members.first != UInt8(ascii: "}") { out.append(UInt8(ascii: ",")) }
        return out + members + Array("]}".utf8)
    }

    /// A block that a client sends back, as Anthropic takes it: without the number that it got in a stream.
    package static func unnumbered(_ block: JSONValue) -> [UInt8] {
        guard block["index"] != nil, var editor = try? JSONObjectEditor(block) else { return Array(block.rawBytes) }
        editor.remove("index")
        return editor.bytes
    }
}
