internal import GatewayCore
internal import Ledger

/// Budgets and rate limits of a tenant, some of its teams or some of its keys, read once for all of these.
struct LiteLLMBooks: Sendable {
    let budgets: [BudgetInfo]
    let rates: [LimitInfo]

    init(_ store: AdminStore, tenant: String, of owners: [BudgetOwner]) async throws {
        budgets = try await store.budgets(tenant: tenant, of: owners)
        rates = try await store.limits(tenant: tenant, of: owners)
    }

    /// What is set for one of the owners, and the budget's period.
    func of(_ owner: BudgetOwner) -> (limits: LiteLLMLimits, budget: BudgetInfo?) {
        var limits = LiteLLMLimits()
        let budget = Self.plain(budgets, of: owner).first
        if let budget { (limits.maxBudget, limits.window) = (budget.limit, budget.window) }
        for limit in rates
        where BudgetOwner(team: limit.teamID, key: limit.keyID) == owner && limit.model == nil && limit.tag == nil
            && limit.traffic == .paid
        {
            switch limit.unit {
            case .requests: limits.requestsPerMinute = limit.limit
            case .tokens: limits.tokensPerMinute = limit.limit
            case .parallel: limits.parallel = limit.limit
            }
        }
        return (limits, budget)
    }

    /// Those that LiteLLM's fields can be: for every model and tag, with a period.
    static func plain(_ budgets: [BudgetInfo], of owner: BudgetOwner) -> [BudgetInfo] {
        budgets.filter {
            BudgetOwner(team: $0.teamID, key: $0.keyID) == owner && $0.model == nil && $0.tag == nil
                && $0.window != .request
        }
    }
}
