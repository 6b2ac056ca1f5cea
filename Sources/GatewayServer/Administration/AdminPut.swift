internal import Ledger

/// PUT of something by its name: it is changed where it is there, else made.
enum AdminPut {
    /// How often that is tried while others make and remove the same.
    private static let attempts = 4

    /// Each try is a transaction of its own. To look first would tell nothing: until the tenant is locked, others make
    /// and remove it.
    /// - Parameter field: what the store's error names when it is not there.
    static func run<Value>(
        _ field: String, change: () async throws -> Value, make: () async throws -> Value
    ) async throws -> (value: Value, isNew: Bool) {
        var conflict = LedgerError(.conflict, field: field, "others make and remove it at the same moment")
        for _ in 0..<attempts {
            do { return (try await change(), false) } catch let error as LedgerError {
                // A conflict: it was removed while it was being changed.
                guard error.code == .notFound && error.field == field || error.code == .conflict else { throw error }
            }
            do { return (try await make(), true) } catch let error as LedgerError {
                guard error.code == .conflict else { throw error }
                conflict = error
            }
        }
        throw conflict
    }
}
