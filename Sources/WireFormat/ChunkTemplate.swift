/// What the chunks of one stream have in common, so that most of them need not be parsed.
///
/// The chunks of an answer differ in a few words of text only. Once one is parsed, any other that begins and ends with
/// the same bytes, and has plain string content between them (no quote, backslash or control character), is the same
/// JSON with another text. Whatever is not told so is parsed.
package struct ChunkTemplate: Sendable {
    /// Longer chunks are not remembered.
    private static let maxBytes = 4096

    private let head: [UInt8]
    private let tail: [UInt8]

    /// - Parameters:
    ///   - data: a valid chunk.
    ///   - text: where the string lies in it that differs from chunk to chunk, quotes included.
    package init?(_ data: [UInt8], text: Range<Int>) {
        guard data.count <= Self.maxBytes, text.count >= 2, text.lowerBound >= 0, text.upperBound <= data.count else {
            return nil
        }
        head = Array(data[...text.lowerBound])
        tail = Array(data[(text.upperBound - 1)...])
    }

    /// The text of a chunk that is this one but for its text; nil: it must be parsed.
    package func text(of data: [UInt8]) -> String? {
        let end = data.count - tail.count
        guard end >= head.count else { return nil }
        let bytes = data.span
        for index in head.indices where bytes[index] != head[index] { return nil }
        for index in tail.indices where bytes[end + index] != tail[index] { return nil }
        for index in head.count..<end {
            let byte = bytes[index]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return nil }
        }
        return String(validating: data[head.count..<end], as: UTF8.self)
    }
}
