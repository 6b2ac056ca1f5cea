internal import GatewayCore
internal import Ledger

/// Budgets and rate limits of a tenant, its teams and its keys, read once for all of them.
struct LiteLLMBooks: Sendable {
    let budgets: [BudgetInfo]
    let rates: [LimitInfo]

    init(_ store: AdminStore, tenant: String) async throws {
        budgets = try await store.budgets(tenant: tenant)
        rates = try await store.limits(tenant: tenant)
    }

    /// What is set for a team, for a key, or, where both are nil, for the tenant itself; and the budget's period.
    func of(team: Int64? = nil, key: Int64? = nil) -> (limits: LiteLLMLimits, budget: BudgetInfo?) {
        var limits = LiteLLMLimits()
        let budget = Self.plain(budgets, team: team, key: key).first
        if let budget { (limits.maxBudget, limits.window) = (budget.limit, budget.window) }
        for limit in rates
        where limit.teamID == team && limit.keyID == key && limit.model == nil && limit.tag == nil
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
    static func plain(_ budgets: [BudgetInfo], team: Int64?, key: Int64?) -> [BudgetInfo] {
        budgets.filter {
            $0.teamID == team && $0.keyID == key && $0.model == nil && $0.tag == nil && $0.window != .request
        }
    }
}
