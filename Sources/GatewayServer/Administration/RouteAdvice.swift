internal import Foundation
package import Ledger
package import Router

/// What a route's budget buys, by what its router has learned.
package enum RouteAdvice {
    /// As gateways store it; the rest of it is theirs.
    private struct Stored: Decodable { var router: RouterState }

    /// Throws what says so where the route is not there, or has learned nothing yet.
    package static func read(
        _ route: String, tenant: String, _ store: AdminStore
    ) async throws(LedgerError) -> BudgetAdvice {
        let text = try await store.routerState(of: route, tenant: tenant)
        guard let text, let stored = try? JSONDecoder().decode(Stored.self, from: Data(text.utf8)) else {
            throw LedgerError(
                .notFound, field: "route", "\(route) has answered nothing yet that its router could learn from")
        }
        return BudgetAdvice(stored.router)
    }
}
