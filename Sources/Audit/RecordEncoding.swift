/// The bytes of a record that are hashed: its members by name, each with its length. See README.md beside this file.
///
/// Members without a value are left out, so a member that is added later changes nothing that was sealed before.
package struct RecordEncoding: Sendable {
    /// Version 1 of the encoding.
    package static let magic = Array("gboost-record/1\n".utf8)
    /// Longest name of a member.
    package static let maxName = 255
    /// How many bytes there are before the first member.
    private static let head = 1 + magic.count
    /// RFC 6962's sign of a leaf, then the encoding.
    private var bytes: [UInt8] = [0] + magic
    /// Where the latest member that was read is in `bytes`.
    private var name = 0..<0
    private var value = 0..<0
    private var json = CanonicalJSON.Scanner()

    package init() { bytes.reserveCapacity(4096) }

    /// What comes before a member's length: made once for all records.
    package static func prefix(_ name: some StringProtocol) -> [UInt8] {
        [UInt8(clamping: name.utf8.count)] + Array(name.utf8)
    }

    /// Begins another record.
    package mutating func reset() {
        bytes.removeSubrange(Self.head...)
        name = 0..<0
    }

    /// Adds a member. Names come in ascending order of their bytes.
    package mutating func append(prefix: [UInt8], value: [UInt8]) {
        bytes.append(contentsOf: prefix)
        bytes.append(contentsOf: [0, 0, 0, 0])
        bytes.store(length: value.count, before: bytes.count)
        bytes.append(contentsOf: value)
    }

    /// Adds all members that have a value; false when one is no JSON, or JSON too deep.
    package mutating func append(_ values: borrowing RecordValues, _ layout: borrowing RecordLayout) -> Bool {
        var cursor = RecordCursor()
        while cursor.index < layout.count {
            if layout.isJSON[cursor.index] {
                guard append(json: &cursor, values, layout) else { return false }
            } else {
                append(texts: &cursor, values, layout)
            }
        }
        return true
    }

    private mutating func append(
        json cursor: inout RecordCursor, _ values: borrowing RecordValues, _ layout: borrowing RecordLayout
    ) -> Bool {
        let (prefix, value) = cursor.next(values, layout)
        guard let value else { return true }
        bytes.append(layout.prefixes.span.extracting(prefix))
        let first = bytes.count
        let text = values.bytes.span.extracting(value)
        // Most often there is nothing in JSON: such a text is its own form.
        if value.count == 2 {
            bytes.append(text)
        } else {
            guard json.append(text, to: &bytes) else { return false }
        }
        bytes.store(length: bytes.count - first, before: first)
        return true
    }

    /// Adds the members before the next one in JSON: room is made once for all of them.
    private mutating func append(
        texts cursor: inout RecordCursor, _ values: borrowing RecordValues, _ layout: borrowing RecordLayout
    ) {
        var ahead = cursor
        var (count, position) = (0, bytes.count)
        while ahead.index < layout.count, !layout.isJSON[ahead.index] {
            let (prefix, value) = ahead.next(values, layout)
            if let value { count += prefix.count + value.count }
        }
        bytes.append(contentsOf: repeatElement(0, count: count))
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe layout.prefixes.withUnsafeBytes { prefixes in
                unsafe values.bytes.withUnsafeBytes { texts in
                    while cursor.index < ahead.index {
                        let (prefix, value) = cursor.next(values, layout)
                        guard let value else { continue }
                        unsafe bytes.put(prefixes[prefix], at: &position)
                        unsafe bytes.store(length: value.count, before: position)
                        unsafe bytes.put(texts[value], at: &position)
                    }
                }
            }
        }
    }

    /// The record's leaf in its log's tree.
    package var leaf: AuditHash { .leaf(prefixed: bytes) }

    /// The record as it is hashed, without RFC 6962's prefix.
    package var encoded: [UInt8] { Array(bytes.dropFirst()) }
}

/// Records as an export has them.
extension RecordEncoding {
    /// Adds the member whose name and value stand in `text` as JSON strings with a colon between, and goes past them;
    /// false when they do not, or the name is not after the one before.
    mutating func append(_ text: Span<UInt8>, _ position: inout Int) -> Bool {
        let before = name
        let first = bytes.count
        bytes.append(0)
        guard JSONString.append(text, &position, to: &bytes) else { return false }
        name = (first + 1)..<bytes.count
        guard name.count <= Self.maxName, precedes(before, name) else { return false }
        bytes[first] = UInt8(truncatingIfNeeded: name.count)
        guard position < text.count, text[position] == UInt8(ascii: ":") else { return false }
        position += 1
        for _ in 0..<4 { bytes.append(0) }
        let start = bytes.count
        guard JSONString.append(text, &position, to: &bytes) else { return false }
        value = start..<bytes.count
        bytes.store(length: value.count, before: start)
        return true
    }

    private func precedes(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        for offset in 0..<min(a.count, b.count) {
            let (x, y) = (bytes[a.lowerBound + offset], bytes[b.lowerBound + offset])
            if x != y { return x < y }
        }
        return a.count < b.count
    }

    /// Whether the member that was read last has this name.
    func isLatest(_ other: StaticString) -> Bool {
        guard other.utf8CodeUnitCount == name.count else { return false }
        return unsafe bytes.withUnsafeBytes { own in
            unsafe UnsafeRawBufferPointer(rebasing: own[name]).elementsEqual(
                UnsafeBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
        }
    }

    /// The value that was read last.
    var latest: ArraySlice<UInt8> { bytes[value] }

    /// The value that was read last as a number; nil when it is none.
    var latestNumber: Int64? {
        var (number, digits): (Int64, Int) = (0, 0)
        for byte in bytes[value] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), digits < 19 else { return nil }
            let (product, isOver) = number.multipliedReportingOverflow(by: 10)
            let (sum, isBeyond) = product.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
            if isOver || isBeyond { return nil }
            (number, digits) = (sum, digits + 1)
        }
        return digits > 0 ? number : nil
    }
}
