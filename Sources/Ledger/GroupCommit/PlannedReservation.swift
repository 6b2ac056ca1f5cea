internal import Foundation
internal import GatewayCore

/// A reservation with the period rows that it is tested against.
struct PlannedReservation: Sendable {
    let reservation: Reservation
    let plan: CallerPlan
    let window: PriceWindow
    /// Money first, then limits, each ascending by period.
    let budgets: [CallerPlan.Budget]
    /// The lowest ceiling of a single request.
    let ceiling: CallerPlan.Budget?

    /// Nil: no budget of the tenant's covers the call, so nothing may be spent.
    init?(_ reservation: Reservation, plan: CallerPlan, window: PriceWindow) {
        self.reservation = reservation
        self.plan = plan
        self.window = window
        var (money, limits): ([CallerPlan.Budget], [CallerPlan.Budget]) = ([], [])
        var (isCapped, ceiling) = (false, CallerPlan.Budget?.none)
        for budget in plan.applying(to: reservation.model, tags: reservation.tags) {
            switch budget.unit {
            case .money:
                money.append(budget)
                isCapped = isCapped || budget.isTenant
            case .limit: limits.append(budget)
            case .ceiling: if ceiling.map({ budget.limit < $0.limit }) ?? true { ceiling = budget }
            }
        }
        guard isCapped else { return nil }
        budgets = money + limits
        self.ceiling = ceiling
    }

    /// What the call wants of a budget, in the budget's unit.
    func amount(of budget: CallerPlan.Budget) -> Int64 {
        switch budget.unit {
        case .money, .ceiling: reservation.amount.rawValue
        case .limit(.tokens): reservation.tokens
        case .limit(.requests), .limit(.parallel): 1
        }
    }

    /// The periods of its budgets as an array literal.
    var money: String { periods { if case .money = $0 { true } else { false } } ?? "{}" }

    /// The periods of its rate limits of a unit as an array literal; nil where there are none.
    func limits(_ unit: LimitUnit) -> String? { periods { if case .limit(unit) = $0 { true } else { false } } }

    private func periods(_ isUnit: (CallerPlan.Budget.Unit) -> Bool) -> String? {
        var text = ""
        for budget in budgets where isUnit(budget.unit) {
            text += text.isEmpty ? "{" : ","
            text += String(budget.period)
        }
        return text.isEmpty ? nil : text + "}"
    }

    /// The tags as an array literal; they hold no character that would need an escape.
    var tags: String? {
        reservation.tags.isEmpty ? nil : "{" + reservation.tags.map { "\"\($0)\"" }.joined(separator: ",") + "}"
    }
}

/// A period row's state after a batch.
struct PeriodState: Sendable {
    var limit: Int64
    var settled: Int64
    var held: Int64
    var room: Int64 { limit - settled - held }
}

extension CallerPlan.Budget {
    func state(_ period: PeriodState) -> BudgetState {
        BudgetState(
            scope: scope, period: label, limit: NanoUSD(period.limit), settled: NanoUSD(period.settled),
            held: NanoUSD(period.held), resetsAt: resetsAt)
    }
}
