package import GatewayCore
internal import Postgres

extension PostgresLedger: RouterMemory {
    /// Outcomes folded in one transaction.
    static let foldedAtOnce: Int64 = 500

    package func fold(
        tenantID: Int64, route: String, _ body: @escaping @Sendable (String?, [String]) throws -> String?
    ) async throws(LedgerUnavailable) -> String? {
        let result = await bounded(configuration.settleTimeout) { [pool] () async throws(PostgresError) in
            try await Self.fold(tenantID: tenantID, route: route, pool: pool, body)
        }
        do { return try result.get() } catch { throw LedgerUnavailable(reason: "\(error)") }
    }

    private static func fold(
        tenantID: Int64, route: String, pool: PostgresPool,
        _ body: @escaping @Sendable (String?, [String]) throws -> String?
    ) async throws(PostgresError) -> String? {
        do {
            return try await pool.transaction { transaction in
                _ = try await transaction.query(
                    """
                    insert into router_states (tenant_id, route) values (\(tenantID), \(route)) on conflict do nothing
                    """)
                let rows = try await transaction.query(
                    """
                    select state::text as state from router_states
                    where tenant_id = \(tenantID) and route = \(route) for update
                    """
                ).rows
                let old = try rows.first?.getOptional("state", as: String.self)
                let outcomes = try await transaction.query(
                    """
                    with taken as (
                      delete from router_outcomes where id in (
                        select id from router_outcomes where tenant_id = \(tenantID) and route = \(route)
                        order by id limit \(foldedAtOnce))
                      returning id, outcome)
                    select outcome::text as outcome from taken order by id
                    """
                ).rows.map { try $0.get("outcome", as: String.self) }
                guard let new = try body(old, outcomes) else { return old }
                if new == old, outcomes.isEmpty { return old }
                _ = try await transaction.query(
                    """
                    update router_states set state = \(PostgresJSON(new)), updates = updates + \(Int64(outcomes.count)),
                      updated_at = now()
                    where tenant_id = \(tenantID) and route = \(route)
                    """)
                return new
            }
        } catch let error as PostgresError {
            throw error
        } catch {
            throw PostgresError(.decoding, "what a router learned cannot be read: \(error)")
        }
    }
}
