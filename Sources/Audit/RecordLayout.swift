/// What records of one kind are made of: the names of their members, which come in ascending order of their bytes.
package struct RecordLayout: Sendable {
    /// Before each value in the bytes that are hashed: the name with its length, four zeros for the value's length.
    let prefixes: [UInt8]
    /// Before each value in an export: the name in quotes, and a colon.
    let keys: [UInt8]
    let prefixEnds: [Int]
    let keyEnds: [Int]
    let isJSON: [Bool]

    package init(_ members: [(name: String, isJSON: Bool)]) {
        var (prefixes, keys, prefixEnds, keyEnds): ([UInt8], [UInt8], [Int], [Int]) = ([], [], [], [])
        for member in members {
            prefixes += RecordEncoding.prefix(member.name) + [0, 0, 0, 0]
            prefixEnds.append(prefixes.count)
            keys += Array("\"\(member.name)\":".utf8)
            keyEnds.append(keys.count)
        }
        (self.prefixes, self.keys, self.prefixEnds, self.keyEnds) = (prefixes, keys, prefixEnds, keyEnds)
        isJSON = members.map(\.isJSON)
    }

    /// How many members a record can have.
    package var count: Int { isJSON.count }
}

/// The values of one record in its layout's order, one after another: space that serves for all records.
package struct RecordValues: Sendable {
    /// The values' texts, then perhaps room that an earlier record has needed.
    package var bytes: [UInt8] = []
    /// Where each value ends in `bytes`; below zero: the record has no such member.
    package var ends: [Int] = []

    package init() {}
}

/// Goes through the members of a record.
struct RecordCursor {
    /// The next member.
    private(set) var index = 0
    private var prefix = 0
    private var text = 0

    /// Where the next member's prefix stands in the layout, and its value in the values; nil when it has none.
    mutating func next(
        _ values: borrowing RecordValues, _ layout: borrowing RecordLayout
    ) -> (prefix: Range<Int>, value: Range<Int>?) {
        let (prefix, end) = (prefix..<layout.prefixEnds[index], values.ends[index])
        self.prefix = prefix.upperBound
        index += 1
        guard end >= text else { return (prefix, nil) }
        defer { text = end }
        return (prefix, text..<end)
    }
}
