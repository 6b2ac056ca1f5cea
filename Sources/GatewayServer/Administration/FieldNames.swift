internal import Ledger

/// Fields in what administration found wrong, as the JSON spells them: the store's errors are spelled for commands.
enum FieldNames {
    /// - Parameter names: those that differ by more than hyphens.
    static func inJSON<Value>(
        _ names: [String: String] = [:], _ work: () async throws -> Value
    ) async throws -> Value {
        do { return try await work() } catch let error as LedgerError {
            throw error.naming { names[$0] ?? $0.replacing("-", with: "_") }
        }
    }
}
