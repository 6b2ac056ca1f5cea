internal import Foundation
internal import GatewayCore
internal import Postgres

/// A reservation with the period rows that it is tested against.
///
/// An object: it goes from hand to hand, and its fields would all be counted anew each time.
final class PlannedReservation: Sendable {
    let reservation: Reservation
    let plan: CallerPlan
    let window: PriceWindow
    /// Money first, then limits, each ascending by period.
    let budgets: [CallerPlan.Budget]
    /// The lowest ceiling of a single request.
    let ceiling: CallerPlan.Budget?
    /// As the database takes it; written here, where many callers do so at once.
    let record: PostgresRecord
    /// The periods of its budgets.
    let money: [Int64]
    /// What it wants of each period row.
    let deltas: [PeriodDelta]

    /// Nil: no budget of the tenant's covers the call, so nothing may be spent.
    init?(_ reservation: Reservation, plan: CallerPlan, window: PriceWindow) {
        self.reservation = reservation
        self.plan = plan
        self.window = window
        var (money, limits): ([CallerPlan.Budget], [CallerPlan.Budget]) = ([], [])
        var (isCapped, ceiling) = (false, CallerPlan.Budget?.none)
        for budget in plan.budgets where budget.counts(reservation.model, tags: reservation.tags) {
            switch budget.unit {
            case .money:
                money.append(budget)
                isCapped = isCapped || budget.isTenant
            case .limit: limits.append(budget)
            case .ceiling: if ceiling.map({ budget.limit < $0.limit }) ?? true { ceiling = budget }
            }
        }
        guard isCapped else { return nil }
        self.ceiling = ceiling
        self.money = money.map(\.period)
        record = Self.record(reservation, plan, self.money, limits, ceiling)
        budgets = money + limits
        deltas = budgets.map { PeriodDelta(period: $0.period, wanted: reservation.amount(of: $0), isReserved: true) }
    }

    private static func record(
        _ call: Reservation, _ plan: CallerPlan, _ money: [Int64], _ limits: [CallerPlan.Budget],
        _ ceiling: CallerPlan.Budget?
    ) -> PostgresRecord {
        var record = PostgresRecord(fields: 16, capacity: 320)
        record.add(call.id.request)
        record.add(call.id.step)
        record.add(call.id.attempt)
        record.add(call.caller.tenant.id)
        record.add(plan.teamID)
        record.add(call.caller.keyID)
        record.add(call.priceID)
        record.add(call.route)
        record.add(call.amount.rawValue)
        record.add(call.tokens)
        record.add(ceiling?.limit)
        record.add(money)
        for unit in [LimitUnit.requests, .tokens, .parallel] {
            let periods = limits.compactMap { if case .limit(unit) = $0.unit { $0.period } else { nil } }
            record.add(periods.isEmpty ? nil : periods)
        }
        record.add(call.tags.isEmpty ? nil : call.tags)
        return record
    }

}

extension Reservation {
    /// What the call wants of a budget, in the budget's unit.
    func amount(of budget: CallerPlan.Budget) -> Int64 {
        switch budget.unit {
        case .money, .ceiling: amount.rawValue
        case .limit(.tokens): tokens
        case .limit(.requests), .limit(.parallel): 1
        }
    }
}

/// What a batch, or a part of it, does to a period row, in the row's unit.
struct PeriodDelta: Sendable {
    var period: Int64
    var released: Int64 = 0
    var spent: Int64 = 0
    var wanted: Int64 = 0
    /// A reservation counts on it, if for nothing.
    var isReserved = false
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
        var state = BudgetState(
            scope: scope, period: label, limit: NanoUSD(period.limit), settled: NanoUSD(period.settled),
            held: NanoUSD(period.held), resetsAt: resetsAt)
        state.periodID = self.period
        return state
    }
}
