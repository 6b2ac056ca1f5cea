/// One connection; the working core follows in the next commit.
package actor PostgresConnection {
    package struct Lease: Sendable, Equatable { let number: UInt64 }
    func query(_ s: PostgresStatement, lease: Lease?) async throws(PostgresError) -> PostgresResult { throw PostgresError(.connection, "stub") }
    func script(_ sql: String, timeout: Duration, lease: Lease?) async throws(PostgresError) { throw PostgresError(.connection, "stub") }
    func begin(_ i: PostgresIsolation, lease: Lease) async throws(PostgresError) { throw PostgresError(.connection, "stub") }
    func commit(lease: Lease) async throws(PostgresError) { throw PostgresError(.connection, "stub") }
    func rollback(lease: Lease) async {}
}
