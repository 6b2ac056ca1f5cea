internal import Ledger

/// Fields in what the store found wrong, as LiteLLM spells them: the store's errors are spelled for commands.
enum LiteLLMFieldNames {
    private static let names = [
        "tenant": "organization_id", "team": "team_id", "expires": "duration", "limit-usd": "max_budget",
        "prefix": "key",
    ]

    static func spelled(_ error: LedgerError) -> LedgerError { error.naming { names[$0] ?? $0 } }

    /// - Parameter names: those that the request has words of its own for.
    static func naming<Value>(
        _ names: [String: String], _ work: () async throws -> Value
    ) async throws -> Value {
        do { return try await work() } catch let error as LedgerError { throw error.naming { names[$0] ?? $0 } }
    }
}
