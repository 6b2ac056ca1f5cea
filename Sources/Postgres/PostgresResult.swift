internal import CLibPQ

/// A statement's complete result, held in memory as the server sent it and decoded on access.
///
/// Its size is bounded by the statement: ask for pages of large tables.
package struct PostgresResult: Sendable {
    /// The rows, in the server's order.
    package let rows: [PostgresRow]
    /// Rows inserted, updated, deleted, or returned.
    package let affected: Int
    /// What the server says it did: `INSERT 0 1`, `COMMIT`.
    let commandTag: String

    init(_ handle: consuming ResultHandle) {
        let count = PQntuples(handle.raw)
        affected = handle.affected
        commandTag = handle.commandTag
        if count == 0 {
            rows = []
        } else {
            let storage = ResultStorage(handle)
            rows = (0..<count).map { PostgresRow(storage: storage, index: $0) }
        }
    }
}

/// Keeps the result alive for as long as one of its rows is.
final class ResultStorage: Sendable {
    let handle: ResultHandle
    init(_ handle: consuming ResultHandle) { self.handle = handle }
}

/// One row of a result.
package struct PostgresRow: Sendable {
    let storage: ResultStorage
    let index: CInt

    /// The value of `column`. Throws on NULL, an unknown column or another type.
    package func get<T: PostgresReadable>(
        _ column: String, as type: T.Type = T.self
    ) throws(PostgresError) -> T {
        guard let value = try getOptional(column, as: type) else {
            throw PostgresError(.decoding, "column \(column) is NULL")
        }
        return value
    }

    /// The value of `column`, nil when it is NULL. Throws on an unknown column or another type.
    package func getOptional<T: PostgresReadable>(
        _ column: String, as type: T.Type = T.self
    ) throws(PostgresError) -> T? {
        let raw = storage.handle.raw
        let number = (0..<PQnfields(raw)).first { index in
            PQfname(raw, index).map { column == String(cString: $0) } ?? false
        }
        guard let number else { throw PostgresError(.decoding, "no column \(column)") }
        guard PQgetisnull(raw, index, number) == 0, let start = PQgetvalue(raw, index, number) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(raw, index, number)))
        let value = bytes.withMemoryRebound(to: UInt8.self) { T(postgresText: $0.span) }
        guard let value else { throw PostgresError(.decoding, "column \(column) is no \(T.self)") }
        return value
    }
}
