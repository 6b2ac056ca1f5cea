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
    /// The values' texts.
    package var bytes: [UInt8] = []
    /// Where each value ends in `bytes`; below zero: the record has no such member.
    package var ends: [Int] = []

    package init() {}
}
