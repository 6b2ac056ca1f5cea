package import FoundationEssentials

/// A row of a composite type in PostgreSQL's binary form, written field by field in the type's order.
///
/// Layout, big-endian: the number of fields; of each its type, its length (-1: null) and its bytes. Text loses its zero
/// bytes, which PostgreSQL does not store.
package struct PostgresRecord: Sendable {
    package private(set) var bytes: [UInt8] = []

    /// - Parameters:
    ///   - fields: how many the type has; the server refuses a row with more or fewer.
    ///   - capacity: about how many bytes it will be.
    package init(fields: Int, capacity: Int) {
        bytes.reserveCapacity(capacity)
        begin(fields: fields)
    }

    private mutating func header(_ type: Int32, _ length: Int) {
        // In one: most of what a record costs is that its bytes are added piece by piece.
        bytes.append(bigEndian: UInt64(UInt32(bitPattern: type)) << 32 | UInt64(UInt32(truncatingIfNeeded: length)))
    }

    package mutating func add(_ value: UUID) {
        header(2950, 16)
        withUnsafeBytes(of: value.uuid) { bytes.append(contentsOf: $0) }
    }

    package mutating func add(_ value: Int16) {
        header(21, 2)
        bytes.append(bigEndian: value)
    }

    package mutating func add(_ value: Int64?) {
        guard let value else { return header(20, -1) }
        header(20, 8)
        bytes.append(bigEndian: value)
    }

    package mutating func add(_ value: Bool?) {
        guard let value else { return header(16, -1) }
        header(16, 1)
        bytes.append(value ? 1 : 0)
    }

    package mutating func add(_ value: Double?) {
        guard let value else { return header(701, -1) }
        header(701, 8)
        bytes.append(bigEndian: value.bitPattern)
    }

    /// Null for a moment that PostgreSQL cannot store.
    package mutating func add(_ value: Date?) {
        guard let value, let microseconds = PostgresTimestamp.microseconds(of: value) else { return header(1184, -1) }
        header(1184, 8)
        bytes.append(bigEndian: microseconds)
    }

    package mutating func add(_ value: String?) {
        guard let value else { return header(25, -1) }
        header(25, 0)
        addText(value)
    }

    /// JSON text, as `jsonb`.
    package mutating func add(json: String?) {
        guard let json else { return header(3802, -1) }
        header(3802, 0)
        let start = bytes.count
        bytes.append(1)
        addUTF8(json)
        patchLength(of: start)
    }

    package mutating func add(_ values: [Int64]?) {
        guard let values else { return header(1016, -1) }
        header(1016, values.isEmpty ? 12 : 20 + values.count * 12)
        bytes.append(arrayHeaderOf: values.count, type: 20)
        for value in values {
            bytes.append(bigEndian: Int32(8))
            bytes.append(bigEndian: value)
        }
    }

    package mutating func add(_ values: [String]?) {
        guard let values else { return header(1009, -1) }
        header(1009, 0)
        let start = bytes.count
        bytes.append(arrayHeaderOf: values.count, type: 25)
        for value in values {
            bytes.append(bigEndian: Int32(0))
            addText(value)
        }
        patchLength(of: start)
    }

    /// Text whose length, four bytes of zero, was written already.
    private mutating func addText(_ text: String) {
        let start = bytes.count
        addUTF8(text)
        patchLength(of: start)
    }

    private mutating func addUTF8(_ text: String) {
        var text = text
        text.withUTF8 { text in
            if text.hasZeroByte {
                bytes.append(contentsOf: text.filter { $0 != 0 })
            } else {
                bytes.append(contentsOf: text)
            }
        }
    }

    /// Writes the length of what begins at `start` before it.
    private mutating func patchLength(of start: Int) {
        let length = UInt32(truncatingIfNeeded: bytes.count - start)
        for index in 0..<4 { bytes[start - 4 + index] = UInt8(truncatingIfNeeded: length >> (24 - index * 8)) }
    }
}

/// An array of a composite type as one parameter.
///
/// The server checks the type's object identifier, which is the database's own: ask it with
/// `select 'name'::regtype::oid`.
package struct PostgresRecordArray: PostgresBindable {
    private var rows: PostgresRecord

    /// - Parameters:
    ///   - count: how many rows will be added.
    ///   - capacity: about how many bytes they will be.
    package init(type: UInt32, count: Int, capacity: Int) {
        rows = PostgresRecord(arrayOf: Int32(bitPattern: type), count: count, capacity: capacity + count * 4 + 20)
    }

    /// Adds a row that was written before; `rest` adds the fields that are still missing.
    package mutating func append(_ record: PostgresRecord, rest: (inout PostgresRecord) -> Void = { _ in }) {
        rows.addNested(record.bytes, rest)
    }

    /// Adds a row whose fields `write` adds.
    package mutating func append(fields: Int, _ write: (inout PostgresRecord) -> Void) {
        rows.addNested([]) { row in
            row.begin(fields: fields)
            write(&row)
        }
    }

    /// Adds a row of numbers.
    package mutating func append(numbers: Int64...) {
        rows.addNested([]) { row in
            row.begin(fields: numbers.count)
            for number in numbers { row.add(number) }
        }
    }

    /// The server derives the type from where the parameter stands.
    package static var postgresType: UInt32 { 0 }
    package var postgresBind: PostgresBind { PostgresBind(type: 0, value: .binary(rows.bytes)) }
}

extension PostgresRecord {
    fileprivate init(arrayOf type: Int32, count: Int, capacity: Int) {
        bytes.reserveCapacity(capacity)
        bytes.append(arrayHeaderOf: count, type: type)
    }

    fileprivate mutating func begin(fields: Int) { bytes.append(bigEndian: Int32(truncatingIfNeeded: fields)) }

    fileprivate mutating func addNested(_ start: [UInt8], _ rest: (inout PostgresRecord) -> Void) {
        bytes.append(bigEndian: Int32(0))
        let begin = bytes.count
        bytes.append(contentsOf: start)
        rest(&self)
        patchLength(of: begin)
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    /// Dimensions, whether nulls occur, the elements' type; with one dimension its length and lower bound.
    fileprivate mutating func append(arrayHeaderOf count: Int, type: Int32) {
        append(bigEndian: Int32(count == 0 ? 0 : 1))
        append(bigEndian: Int32(0))
        append(bigEndian: type)
        guard count > 0 else { return }
        append(bigEndian: Int32(truncatingIfNeeded: count))
        append(bigEndian: Int32(1))
    }
}
