package import Postgres

/// A gateway's connections to its ledger.
package struct LedgerPools: Sendable {
    /// Its statement timeout should be the ledger's `reserveTimeout`.
    package var main: PostgresPool
    /// The lanes' own, so that no report delays a reservation; nil: `main`.
    package var lanes: PostgresPool?
    /// For rolling up days, dropping months and deleting what is over: statements that take as long as there are rows;
    /// nil: `main`.
    package var upkeep: PostgresPool?

    package init(_ main: PostgresPool, lanes: PostgresPool? = nil, upkeep: PostgresPool? = nil) {
        self.main = main
        self.lanes = lanes
        self.upkeep = upkeep
    }

    /// Those that are the ledger's own to close.
    var own: [PostgresPool] { [lanes, upkeep].compactMap { $0 } }
}
