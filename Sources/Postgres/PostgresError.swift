/// What went wrong between the gateway and PostgreSQL.
///
/// `description` is safe for any log: it holds the code, the SQLSTATE and the constraint, never a parameter's value,
/// a password or the server's DETAIL. `message` may quote a value and belongs in a debug log only.
package struct PostgresError: Error, Sendable {
    /// The kind of failure, for callers that decide what to do next.
    package enum Code: String, Sendable {
        /// The server cannot be reached, or the connection broke.
        case connection
        /// No answer within the statement timeout, or the server ended the statement for the same reason.
        case timeout
        /// The calling task was cancelled before anything was sent.
        case cancelled
        /// The pool's queue is full, or no connection became free in time.
        case poolExhausted
        /// The server refused the statement; see `sqlState`.
        case server
        /// A result does not have the shape the caller asked for.
        case decoding
        /// A parameter cannot be sent: it has no representation in PostgreSQL.
        case encoding
        /// The connection URL or a limit makes no sense.
        case invalidConfiguration
    }

    package let code: Code
    /// The five-character SQLSTATE, where the server gave one.
    package let sqlState: String?
    /// The primary message, for the log. May quote a value; never holds a password.
    package let message: String
    /// The constraint that was violated, where the server named one.
    package let constraint: String?
    /// The statement was sent and its answer never seen: a commit may have happened.
    package let outcomeUnknown: Bool
    /// The statement failed because its connection did, not because of what it says.
    package let isConnectionLoss: Bool

    package init(
        _ code: Code, _ message: String, sqlState: String? = nil, constraint: String? = nil,
        outcomeUnknown: Bool = false
    ) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.constraint = constraint
        self.outcomeUnknown = outcomeUnknown
        self.isConnectionLoss = code == .connection
    }

    /// The same failure, with what is known about its outcome replaced.
    package func with(outcomeUnknown: Bool) -> PostgresError {
        PostgresError(
            code, message, sqlState: sqlState, constraint: constraint, outcomeUnknown: outcomeUnknown)
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        var text = "PostgreSQL: \(code.rawValue)"
        if let sqlState { text += ", SQLSTATE \(sqlState)" }
        if let constraint { text += ", constraint \(constraint)" }
        if outcomeUnknown { text += ", outcome unknown" }
        return text
    }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
