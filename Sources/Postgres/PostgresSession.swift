/// A connection that belongs to one caller for the duration of a closure.
///
/// It stops working when the closure returns. Calls from several tasks at once are answered in order.
package struct PostgresSession: Sendable {
    let connection: PostgresConnection
    let lease: PostgresConnection.Lease

    /// Runs one statement.
    package func query(_ statement: PostgresStatement) async throws(PostgresError) -> PostgresResult {
        try refuseIfCancelled()
        return try await connection.query(statement, lease: lease)
    }

    /// Runs several statements separated by semicolons; together they are one transaction unless they say otherwise.
    package func script(_ sql: String, timeout: Duration = PostgresPool.scriptTimeout) async throws(PostgresError) {
        try refuseIfCancelled()
        try await connection.script(sql, timeout: timeout, lease: lease)
    }

    /// Runs `body` between BEGIN and COMMIT; ROLLBACK when it throws.
    package func transaction<R: Sendable>(
        isolation: PostgresIsolation = .readCommitted, _ body: (PostgresTransaction) async throws -> R
    ) async throws -> R {
        try refuseIfCancelled()
        try await connection.begin(isolation, lease: lease)
        let result: R
        do {
            result = try await body(PostgresTransaction(connection: connection, lease: lease))
        } catch {
            await connection.rollback(lease: lease)
            throw error
        }
        try await connection.commit(lease: lease)
        return result
    }
}

/// An open transaction, for the duration of a closure.
package struct PostgresTransaction: Sendable {
    let connection: PostgresConnection
    let lease: PostgresConnection.Lease

    /// Runs one statement in the transaction. When it fails, PostgreSQL refuses all but a rollback.
    ///
    /// A failure here never leaves the outcome unknown: what is not committed is rolled back.
    package func query(_ statement: PostgresStatement) async throws(PostgresError) -> PostgresResult {
        try refuseIfCancelled()
        do throws(PostgresError) {
            return try await connection.query(statement, lease: lease)
        } catch {
            throw error.with(outcomeUnknown: false)
        }
    }

    /// Runs several statements separated by semicolons in the transaction. They must not commit or roll back.
    package func script(_ sql: String, timeout: Duration = PostgresPool.scriptTimeout) async throws(PostgresError) {
        try refuseIfCancelled()
        do throws(PostgresError) {
            try await connection.script(sql, timeout: timeout, lease: lease)
        } catch {
            throw error.with(outcomeUnknown: false)
        }
    }
}

/// How far a transaction is kept from others.
package enum PostgresIsolation: String, Sendable {
    case readCommitted = "BEGIN ISOLATION LEVEL READ COMMITTED"
    case repeatableRead = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    case serializable = "BEGIN ISOLATION LEVEL SERIALIZABLE"
}

/// Cancellation is honoured before anything is sent, never in the middle of a statement.
func refuseIfCancelled() throws(PostgresError) {
    if Task.isCancelled { throw PostgresError(.cancelled, "the task was cancelled before the statement was sent") }
}
