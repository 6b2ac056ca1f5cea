internal import Foundation
internal import GatewayCore
internal import Postgres

/// The database's answer to a batch, one element an item.
struct BatchAnswers {
    private enum Verdicts {
        /// Everything went through.
        case usual
        case exact(reservations: [Int16], refusing: [Int64?], used: [Int64?], settlements: [Int16])
    }
    private let verdicts: Verdicts
    /// Period rows after the batch, ascending; what they hold beside it.
    private let periods: [Int64]
    private let states: [PeriodState]
    private let takenAt: Date

    /// - Parameter isUsual: what the answer is to: `usualStatement` or `exactStatement`.
    init(_ result: PostgresResult, to arguments: BatchArguments, isUsual: Bool) throws(PostgresError) {
        guard let row = result.rows.first else { throw PostgresError(.decoding, "a batch returned no row") }
        (periods, states) = try Self.states(row)
        takenAt = try row.get("taken_at")
        if isUsual {
            verdicts = .usual
            return
        }
        let reservations = try row.getOptional("r_verdict", as: [Int16].self) ?? []
        let settlements = try row.getOptional("s_verdict", as: [Int16].self) ?? []
        guard reservations.count == arguments.reservations.count, settlements.count == arguments.settlements.count
        else { throw PostgresError(.decoding, "gboost_batch returned arrays of the wrong length") }
        verdicts = .exact(
            reservations: reservations, refusing: try row.getOptional("r_period", as: [Int64?].self) ?? [],
            used: try row.getOptional("r_used", as: [Int64?].self) ?? [], settlements: settlements)
    }

    private static func states(_ row: PostgresRow) throws(PostgresError) -> ([Int64], [PeriodState]) {
        let ids = try row.getOptional("ids", as: [Int64].self) ?? []
        let limits = try numbers("lims", row)
        let settled = try numbers("settled", row)
        let held = try numbers("held", row)
        guard ids.isEmpty || limits.count == ids.count, limits.count == settled.count, settled.count == held.count
        else { throw PostgresError(.decoding, "a batch returned periods of the wrong number") }
        // They come in ascending order, but nothing promises it.
        let order = ids.indices.sorted { ids[$0] < ids[$1] }
        let states = order.map { PeriodState(limit: limits[$0], settled: settled[$0], held: held[$0]) }
        return (order.map { ids[$0] }, states)
    }

    /// A period that is not there has nothing in it.
    private static func numbers(_ column: String, _ row: PostgresRow) throws(PostgresError) -> [Int64] {
        if let plain = try? row.get(column, as: [Int64].self) { return plain }
        return (try row.getOptional(column, as: [Int64?].self) ?? []).map { $0 ?? 0 }
    }

    func settlement(_ index: Int, of arguments: BatchArguments) throws(PostgresError) -> SettleAnswer {
        guard case .exact(_, _, _, let verdicts) = verdicts else {
            let settlement = arguments.settlements[index]
            return settlement.actual > settlement.hold.reservation.amount.rawValue ? .alarm : .settled
        }
        switch verdicts[index] {
        case 0: return .settled
        case 1: return .alarm
        case 2: return .notOpen
        case let verdict: throw PostgresError(.decoding, "gboost_batch answered \(verdict) to a settlement")
        }
    }

    func reservation(_ index: Int, of arguments: BatchArguments) throws(PostgresError) -> ReserveAnswer {
        let planned = arguments.reservations[index]
        guard case .exact(let verdicts, let refusing, let used, _) = verdicts else {
            return .granted(try tightest(planned), takenAt: takenAt, isReplay: false)
        }
        switch verdicts[index] {
        case let verdict where verdict <= 1:
            return .granted(try tightest(planned), takenAt: takenAt, isReplay: verdict == 1)
        case 2: return try refusal(index < refusing.count ? refusing[index] : nil, planned)
        case 3: return .stale
        case 4: return .conflict
        case 5: return .fenced
        case 6:
            guard let ceiling = planned.ceiling else { break }
            let spent = index < used.count ? used[index] ?? 0 : 0
            return .refused(ceiling.state(PeriodState(limit: ceiling.limit, settled: spent, held: 0)))
        default: break
        }
        throw PostgresError(.decoding, "gboost_batch answered \(verdicts[index]) to a reservation")
    }

    private func state(_ period: Int64) throws(PostgresError) -> PeriodState {
        var (low, high) = (0, periods.count)
        while low < high {
            let middle = (low + high) / 2
            if periods[middle] < period { low = middle + 1 } else { high = middle }
        }
        guard low < periods.count, periods[low] == period else {
            throw PostgresError(.decoding, "a batch left out period \(period)")
        }
        return states[low]
    }

    private func tightest(_ planned: PlannedReservation) throws(PostgresError) -> BudgetState {
        var tightest: (budget: Int, state: PeriodState)?
        for index in planned.budgets.indices {
            guard case .money = planned.budgets[index].unit else { continue }
            let state = try state(planned.budgets[index].period)
            if tightest.map({ state.room < $0.state.room }) ?? true { tightest = (index, state) }
        }
        guard let tightest else { throw PostgresError(.decoding, "a hold without a budget") }
        return planned.budgets[tightest.budget].state(tightest.state)
    }

    private func refusal(_ period: Int64?, _ planned: PlannedReservation) throws(PostgresError) -> ReserveAnswer {
        guard let period, let budget = planned.budgets.first(where: { $0.period == period })
        else { throw PostgresError(.decoding, "gboost_batch refused without saying why") }
        let state = try state(period)
        guard case .limit(let unit) = budget.unit else { return .refused(budget.state(state)) }
        return .limited(
            LimitState(
                unit: unit, scope: budget.scope, limit: state.limit, used: state.settled + state.held,
                resetsAt: budget.resetsAt, needed: planned.reservation.amount(of: budget)))
    }

    /// The periods that refused something, for the next batches.
    var refusals: Set<Int64> {
        guard case .exact(_, let refusing, _, _) = verdicts else { return [] }
        return Set(refusing.compactMap { $0 })
    }
}
