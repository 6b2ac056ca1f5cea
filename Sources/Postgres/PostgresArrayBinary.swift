internal import FoundationEssentials

/// PostgreSQL's binary form of one-dimensional arrays: neither side has to write or read digits.
///
/// Layout, big-endian: dimensions, whether nulls may occur, the elements' type; with one dimension its length and lower
/// bound; then each element's length (-1: null) and bytes.
package struct PostgresArrayBinary {
    private(set) var bytes: [UInt8] = []

    init(count: Int, elementType: UInt32) {
        bytes.reserveCapacity(20 + count * 12)
        put(Int32(count == 0 ? 0 : 1))
        put(Int32(1))
        put(elementType)
        guard count > 0 else { return }
        put(Int32(count))
        put(Int32(1))
    }

    private mutating func put(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ number: some FixedWidthInteger) {
        put(Int32(number.bitWidth / 8))
        put(number)
    }

    mutating func append(_ element: some Collection<UInt8>) {
        put(Int32(element.count))
        bytes.append(contentsOf: element)
    }

    mutating func append(_ id: UUID) {
        put(Int32(16))
        withUnsafeBytes(of: id.uuid) { bytes.append(contentsOf: $0) }
    }

    /// `jsonb`: a version before the text.
    mutating func append(json text: String) {
        put(Int32(text.utf8.count + 1))
        bytes.append(1)
        bytes.append(contentsOf: text.utf8)
    }

    mutating func appendNull() { put(Int32(-1)) }
}
