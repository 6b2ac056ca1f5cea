internal import Foundation
internal import GatewayCore
internal import Postgres

/// The database's answer to a batch, one element an item.
struct BatchAnswers {
    private let reservationVerdicts: [Int16]
    private let refusing: [Int64?]
    private let used: [Int64?]
    private let settlementVerdicts: [Int16]
    private let states: [PeriodState?]

    init(_ result: PostgresResult, to arguments: BatchArguments) throws(PostgresError) {
        guard let row = result.rows.first else { throw PostgresError(.decoding, "gboost_batch returned no row") }
        let (reservations, settlements) = (arguments.reservations.count, arguments.settlements.count)
        reservationVerdicts = try row.getOptional("r_verdict", as: [Int16].self) ?? []
        settlementVerdicts = try row.getOptional("s_verdict", as: [Int16].self) ?? []
        refusing = try row.getOptional("r_period", as: [Int64?].self) ?? []
        used = try row.getOptional("r_used", as: [Int64?].self) ?? []
        let limits = try row.getOptional("d_lim", as: [Int64?].self) ?? []
        let settled = try row.getOptional("d_settled", as: [Int64?].self) ?? []
        let held = try row.getOptional("d_held", as: [Int64?].self) ?? []
        guard reservationVerdicts.count == reservations, settlementVerdicts.count == settlements,
            limits.count == settled.count, settled.count == held.count
        else { throw PostgresError(.decoding, "gboost_batch returned arrays of the wrong length") }
        states = limits.indices.map { index in
            guard let limit = limits[index], let settled = settled[index], let held = held[index] else { return nil }
            return PeriodState(limit: limit, settled: settled, held: held)
        }
    }

    func settlement(_ index: Int) throws(PostgresError) -> SettleAnswer {
        switch settlementVerdicts[index] {
        case 0: .settled
        case 1: .alarm
        case 2: .notOpen
        case let verdict: throw PostgresError(.decoding, "gboost_batch answered \(verdict) to a settlement")
        }
    }

    func reservation(_ index: Int, of arguments: BatchArguments) throws(PostgresError) -> ReserveAnswer {
        let planned = arguments.reservations[index]
        switch reservationVerdicts[index] {
        case 0, 1: return .granted(try tightest(planned, arguments))
        case 2: return try refusal(index, planned, arguments)
        case 3: return .stale
        case 4: return .conflict
        case 5: return .fenced
        case 6:
            guard let ceiling = planned.ceiling else { break }
            let spent = index < used.count ? used[index] ?? 0 : 0
            return .refused(ceiling.state(PeriodState(limit: ceiling.limit, settled: spent, held: 0)))
        default: break
        }
        throw PostgresError(.decoding, "gboost_batch answered \(reservationVerdicts[index]) to a reservation")
    }

    private func state(_ period: Int64, _ arguments: BatchArguments) throws(PostgresError) -> PeriodState {
        guard let index = arguments.index(of: period), index < states.count, let state = states[index] else {
            throw PostgresError(.decoding, "gboost_batch left out period \(period)")
        }
        return state
    }

    private func tightest(
        _ planned: PlannedReservation, _ arguments: BatchArguments
    ) throws(PostgresError) -> BudgetState {
        var tightest: (budget: CallerPlan.Budget, state: PeriodState)?
        for budget in planned.budgets {
            guard case .money = budget.unit else { continue }
            let state = try state(budget.period, arguments)
            if tightest.map({ state.room < $0.state.room }) ?? true { tightest = (budget, state) }
        }
        guard let tightest else { throw PostgresError(.decoding, "a hold without a budget") }
        return tightest.budget.state(tightest.state)
    }

    private func refusal(
        _ index: Int, _ planned: PlannedReservation, _ arguments: BatchArguments
    ) throws(PostgresError) -> ReserveAnswer {
        guard index < refusing.count, let period = refusing[index],
            let budget = planned.budgets.first(where: { $0.period == period })
        else { throw PostgresError(.decoding, "gboost_batch refused without saying why") }
        let state = try state(period, arguments)
        guard case .limit(let unit) = budget.unit else { return .refused(budget.state(state)) }
        return .limited(
            LimitState(
                unit: unit, scope: budget.scope, limit: state.limit, used: state.settled + state.held,
                resetsAt: budget.resetsAt))
    }

    /// The periods that refused something, for the next batches.
    var refusals: Set<Int64> { Set(refusing.compactMap { $0 }) }
}
