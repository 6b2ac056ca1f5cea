/// The bytes of a record that are hashed: its members by name, each with its length. See README.md beside this file.
///
/// Members without a value are left out, so a member that is added later changes nothing that was sealed before.
package struct RecordEncoding: Sendable {
    /// Version 1 of the encoding.
    package static let magic = Array("gboost-record/1\n".utf8)
    /// Longest name of a member.
    package static let maxName = 255
    /// RFC 6962's sign of a leaf, then the encoding.
    private var bytes: [UInt8] = [0] + magic

    package init() { bytes.reserveCapacity(2048) }

    /// What comes before a member's length: made once for all records.
    package static func prefix(_ name: some StringProtocol) -> [UInt8] {
        [UInt8(clamping: name.utf8.count)] + Array(name.utf8)
    }

    /// Begins another record.
    package mutating func reset() {
        bytes.removeSubrange((1 + Self.magic.count)...)
    }

    /// Adds a member. Names come in ascending order of their bytes.
    package mutating func append(prefix: [UInt8], value: [UInt8]) {
        append(prefix: prefix, count: value.count) { $0.append(contentsOf: value) }
    }

    /// The same, of a name that has no prefix yet.
    package mutating func append(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>) {
        bytes.append(UInt8(clamping: name.count))
        bytes.append(contentsOf: name)
        append(prefix: [], count: value.count) { $0.append(contentsOf: value) }
    }

    /// Adds a member of which `write` writes exactly `count` bytes.
    package mutating func append(prefix: [UInt8], count: Int, write: (inout [UInt8]) -> Void) {
        bytes.append(contentsOf: prefix)
        let count = UInt32(clamping: count)
        bytes.append(UInt8(truncatingIfNeeded: count >> 24))
        bytes.append(UInt8(truncatingIfNeeded: count >> 16))
        bytes.append(UInt8(truncatingIfNeeded: count >> 8))
        bytes.append(UInt8(truncatingIfNeeded: count))
        write(&bytes)
    }

    /// The record's leaf in its log's tree.
    package var leaf: AuditHash { .leaf(prefixed: bytes) }

    /// The record as it is hashed, without RFC 6962's prefix.
    package var encoded: [UInt8] { Array(bytes.dropFirst()) }
}
