internal import CLibPQ

/// One `PGresult`, freed exactly once.
struct ResultHandle: ~Copyable, @unchecked Sendable {
    // Unchecked: a complete result is immutable and independent of its connection, so that any thread may read it.
    let raw: OpaquePointer

    init(_ raw: OpaquePointer) { self.raw = raw }
    deinit { PQclear(raw) }

    var status: ExecStatusType { PQresultStatus(raw) }
    var commandTag: String { PQcmdStatus(raw).map { String(cString: $0) } ?? "" }
    var affected: Int { PQcmdTuples(raw).flatMap { Int(String(cString: $0)) } ?? 0 }

    /// The server's error in this result.
    var error: PostgresError {
        let sqlState = clibpq_sqlstate(raw).map { String(cString: $0) }
        let message = clibpq_primary_message(raw) ?? UnsafePointer(PQresultErrorMessage(raw))
        let isServerTimeout = sqlState == PostgresState.queryCanceled
        return PostgresError(
            isServerTimeout ? .timeout : .server, message.map { String(cString: $0) } ?? "no message",
            sqlState: sqlState, constraint: clibpq_constraint(raw).map { String(cString: $0) })
    }
}

/// The SQLSTATEs this module itself decides by.
enum PostgresState {
    static let queryCanceled = "57014"
    static let inFailedTransaction = "25P02"
    static let invalidStatementName = "26000"
    static let insufficientPrivilege = "42501"
    static let undefinedObject = "42704"
    static let featureNotSupported = "0A000"
}
