internal import CLibPQ

/// Values by their column's number, as the server sent them: for readers of very many rows.
extension PostgresRow {
    /// How many bytes the value has in PostgreSQL's text format; nil when it is NULL or there is no such column.
    package func byteCount(at column: Int) -> Int? {
        let raw = storage.handle.raw
        guard column >= 0, column < Int(PQnfields(raw)), PQgetisnull(raw, index, CInt(column)) == 0 else { return nil }
        return Int(PQgetlength(raw, index, CInt(column)))
    }

    /// Adds the value's bytes; nothing when it is NULL.
    package func append(column: Int, to bytes: inout [UInt8]) {
        guard let count = byteCount(at: column), let start = PQgetvalue(storage.handle.raw, index, CInt(column)) else {
            return
        }
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
    }

    /// The value's bytes; nil when it is NULL.
    package func bytes(at column: Int) -> [UInt8]? {
        guard byteCount(at: column) != nil else { return nil }
        var bytes: [UInt8] = []
        append(column: column, to: &bytes)
        return bytes
    }

    /// The column's number, for reading many rows without a search for its name in each.
    package func column(_ name: String) throws(PostgresError) -> Int {
        let raw = storage.handle.raw
        let number = (0..<PQnfields(raw)).first { PQfname(raw, $0).map { name == String(cString: $0) } ?? false }
        guard let number else { throw PostgresError(.decoding, "no column \(name)") }
        return Int(number)
    }

    /// The whole number in a column; nil when it is NULL or something else.
    package func integer(at column: Int) -> Int64? {
        guard let count = byteCount(at: column), let start = PQgetvalue(storage.handle.raw, index, CInt(column)) else {
            return nil
        }
        let bytes = UnsafeRawBufferPointer(start: start, count: count)
        return bytes.withMemoryRebound(to: UInt8.self) { Int64(postgresText: $0.span) }
    }

    /// Puts the values of the first columns into `bytes`, one after another, and into `ends` where each of them ends;
    /// below zero: it is NULL. What is in `bytes` after the last of them means nothing.
    package func copy(columns: Int, to bytes: inout [UInt8], ends: inout [Int]) {
        let raw = storage.handle.raw
        let columns = min(columns, Int(PQnfields(raw)))
        Self.resize(&bytes, to: max(bytes.count, clibpq_row_length(raw, index, CInt(columns)), 1))
        Self.resize(&ends, to: columns)
        bytes.withUnsafeMutableBufferPointer { bytes in
            ends.withUnsafeMutableBufferPointer { ends in
                guard let bytes = bytes.baseAddress, let ends = ends.baseAddress else { return }
                clibpq_copy_row(raw, index, CInt(columns), bytes, ends)
            }
        }
    }

    private static func resize<T: ExpressibleByIntegerLiteral>(_ array: inout [T], to count: Int) {
        if array.count > count {
            array.removeLast(array.count - count)
        } else {
            array.append(contentsOf: repeatElement(0, count: count - array.count))
        }
    }
}
