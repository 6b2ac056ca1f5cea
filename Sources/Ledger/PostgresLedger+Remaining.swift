internal import Foundation
package import GatewayCore
internal import Postgres

extension PostgresLedger {
    private static let remainingTries = 3

    package func budgets(_ caller: Caller) async throws(LedgerUnavailable) -> [BudgetState] {
        for _ in 0..<Self.remainingTries {
            switch await plans.plan(of: caller) {
            case .failure(let error): throw LedgerUnavailable(reason: "\(error)")
            case .success(nil): return []
            case .success(let plan?):
                switch await states(of: plan, caller) {
                case .failure(let error): throw LedgerUnavailable(reason: "\(error)")
                case .success(nil): plans.forget(caller)
                case .success(let states?): return sorted(states)
                }
            }
        }
        throw LedgerUnavailable(reason: "the budgets change faster than they can be read")
    }

    /// The budgets that count every call of the caller's, as they are now. Nil: the plan is out of date.
    private func states(
        of plan: CallerPlan, _ caller: Caller
    ) async -> Result<[(CallerPlan.Budget, PeriodState)]?, PostgresError> {
        let budgets = plan.budgets.filter { budget in
            guard case .money = budget.unit else { return false }
            return budget.model == nil && budget.tag == nil
        }
        let now = configuration.now?()
        let statement: PostgresStatement = """
            select t.version = \(plan.version) and at >= \(plan.from) and at < \(plan.until) as in_force,
              p.id, p.lim, p.settled, p.held
            from tenants t cross join (select coalesce(\(optional: now), now()) as at) c
            left join budget_periods p on p.id = any (\(budgets.map(\.period)))
            where t.id = \(caller.tenant.id)
            """
        let result = await bounded(configuration.reserveTimeout) { [pool] () async throws(PostgresError) in
            try await pool.query(statement).rows
        }
        do throws(PostgresError) {
            let rows = try result.get()
            guard try rows.first?.get("in_force", as: Bool.self) == true else { return .success(nil) }
            var states: [(CallerPlan.Budget, PeriodState)] = []
            for row in rows {
                guard let id = try row.getOptional("id", as: Int64.self),
                    let budget = budgets.first(where: { $0.period == id })
                else { continue }
                let state = PeriodState(
                    limit: try row.get("lim"), settled: try row.get("settled"), held: try row.get("held"))
                states.append((budget, state))
            }
            return .success(states)
        } catch {
            return .failure(error)
        }
    }

    private func sorted(_ states: [(budget: CallerPlan.Budget, period: PeriodState)]) -> [BudgetState] {
        guard states.contains(where: \.budget.isTenant) else { return [] }
        return states.sorted { ($0.period.room, $0.budget.period) < ($1.period.room, $1.budget.period) }
            .map { $0.budget.state($0.period) }
    }
}
