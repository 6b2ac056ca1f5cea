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
}
