/// Where what a route's router has learned is kept, for all gateways together.
package protocol RouterMemory: Sendable {
    /// Takes off the outcomes that wait for a route and stores what `body` makes of the state and them: all of it or
    /// nothing, and nobody else in between.
    /// - Parameter body: gets the stored state (nil: none yet) and outcomes in the order in which they were recorded,
    ///   as JSON; gives the new state. It may run again after a broken connection.
    /// - Returns: the state as it is now.
    func fold(
        tenantID: Int64, route: String, _ body: @escaping @Sendable (String?, [String]) throws -> String?
    ) async throws(LedgerUnavailable) -> String?
}
