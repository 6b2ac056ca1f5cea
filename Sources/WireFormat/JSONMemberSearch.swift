/// Finds a member of an object whose text is beyond the limits of a document. Only strings and brackets are told apart,
/// nothing is kept, and nothing is known of the rest: it may be no JSON.
struct JSONMemberSearch {
    private static let quote = UInt8(ascii: "\"")
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The object that is the last value of `name` in the outermost object, as it stands there; nil: there is none.
    /// What has that name deeper within, or in a text, does not count.
    func object(_ name: String) -> [UInt8]? {
        let key = Array("\"\(name)\"".utf8)
        var (index, depth) = (0, 0)
        var open: Int?
        var found: Range<Int>?
        while index < bytes.count {
            switch bytes[index] {
            case Self.quote:
                let end = endOfString(at: index)
                if depth == 1, bytes[index..<end].elementsEqual(key) { open = startOfObject(after: end) }
                index = end
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 1, let start = open {
                    found = start..<index + 1
                    open = nil
                }
            default: break
            }
            index += 1
        }
        return found.map { Array(bytes[$0]) }
    }

    /// Past the quote that ends the string.
    private func endOfString(at start: Int) -> Int {
        var index = start + 1
        while index < bytes.count, bytes[index] != Self.quote { index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1 }
        return min(index + 1, bytes.count)
    }

    /// Where the object behind a key begins; nil where its value is none.
    private func startOfObject(after key: Int) -> Int? {
        let colon = afterSpace(key)
        guard colon < bytes.count, bytes[colon] == UInt8(ascii: ":") else { return nil }
        let start = afterSpace(colon + 1)
        return start < bytes.count && bytes[start] == UInt8(ascii: "{") ? start : nil
    }

    private func afterSpace(_ start: Int) -> Int {
        var index = start
        while index < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[index]) { index += 1 }
        return index
    }
}
