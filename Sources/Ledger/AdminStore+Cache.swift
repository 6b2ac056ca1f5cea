internal import Postgres

extension AdminStore {
    /// A week.
    package static let maxCacheSeconds = 604_800

    /// Has a tenant's answers of paid models kept for so many seconds for the same request; nil: no more from now on.
    @discardableResult
    package func setCache(seconds: Int?, tenant name: String) async throws(LedgerError) -> TenantInfo {
        guard seconds.map({ (1...Self.maxCacheSeconds).contains($0) }) ?? true else {
            throw LedgerError(.invalid, field: "seconds", "is a number of 1…\(Self.maxCacheSeconds)")
        }
        return try await changing { transaction in
            let before = try await lockedTenant(name, transaction)
            _ = try await transaction.query(
                "update tenants set cache_seconds = \(optional: seconds.map { Int32($0) }) where id = \(before.id)")
            let after = try await tenant(name, transaction)
            try await note("tenant.cache", (name, before.id), before: before, after: after, transaction)
            return after
        }
    }
}
