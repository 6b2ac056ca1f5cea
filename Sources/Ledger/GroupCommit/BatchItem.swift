internal import Foundation
internal import GatewayCore
internal import Postgres

/// One reservation or settlement on its way through a lane, and who waits for it.
enum BatchItem: Sendable {
    case reserve(PlannedReservation, CheckedContinuation<ReserveAnswer, Never>)
    case settle(Settlement, CheckedContinuation<SettleAnswer, Never>)

    var kind: BatchQueue<BatchItem>.Kind {
        switch self {
        case .reserve: .reservation
        case .settle: .settlement
        }
    }

    func fail(_ error: PostgresError) {
        switch self {
        case .reserve(_, let waiter): waiter.resume(returning: .failed(error))
        case .settle(_, let waiter): waiter.resume(returning: .failed(error))
        }
    }
}

/// What the database said to one reservation.
enum ReserveAnswer: Sendable {
    /// Committed. The tightest budget, after this batch.
    case granted(BudgetState)
    case refused(BudgetState)
    case limited(LimitState)
    /// Planned with what is no longer in force.
    case stale
    case conflict
    case fenced
    case failed(PostgresError)
}

/// What the database said to one settlement.
enum SettleAnswer: Sendable {
    case settled
    /// Settled above its hold.
    case alarm
    /// There is no open hold of that name: ask for it alone.
    case notOpen
    case failed(PostgresError)
}

/// A batch taken apart into what the database function takes.
struct BatchArguments {
    let reservations: [PlannedReservation]
    let settlements: [Settlement]
    /// The distinct period rows of all reservations, ascending.
    private(set) var periods: [Int64] = []
    private var wanted: [Int64] = []
    /// One element a reservation and period: reservation (from 1), index into `periods` (from 1), amount, is money.
    private var edges: (of: [Int32], period: [Int32], amount: [Int64], isMoney: [Bool]) = ([], [], [], [])

    init(_ items: [BatchItem]) {
        var (reservations, settlements): ([PlannedReservation], [Settlement]) = ([], [])
        for item in items {
            switch item {
            case .reserve(let reservation, _): reservations.append(reservation)
            case .settle(let settlement, _): settlements.append(settlement)
            }
        }
        self.init(reservations: reservations, settlements: settlements)
    }

    init(reservations: [PlannedReservation], settlements: [Settlement]) {
        self.reservations = reservations
        self.settlements = settlements
        periods = Set(reservations.lazy.flatMap { $0.budgets.lazy.map(\.period) }).sorted()
        wanted = Array(repeating: 0, count: periods.count)
        let index = Dictionary(uniqueKeysWithValues: zip(periods, periods.indices))
        for (number, reservation) in reservations.enumerated() {
            for budget in reservation.budgets {
                guard let position = index[budget.period] else { continue }
                let amount = reservation.amount(of: budget)
                // A sum that does not fit into the column fits no budget either: the database then tries one by one.
                wanted[position] =
                    wanted[position].addingReportingOverflow(amount).overflow
                    ? Int64.max / 4 : min(wanted[position] + amount, Int64.max / 4)
                edges.of.append(Int32(number + 1))
                edges.period.append(Int32(position + 1))
                edges.amount.append(amount)
                if case .money = budget.unit { edges.isMoney.append(true) } else { edges.isMoney.append(false) }
            }
        }
    }

    /// The period rows that a reservation's hold is on, as indices into `periods`.
    func index(of period: Int64) -> Int? {
        var (low, high) = (0, periods.count)
        while low < high {
            let middle = (low + high) / 2
            if periods[middle] < period { low = middle + 1 } else { high = middle }
        }
        return low < periods.count && periods[low] == period ? low : nil
    }

    func statement(isExact: Bool, gateway: UUID, now: Date?) -> PostgresStatement {
        var binds: [any PostgresBindable] = [isExact, now, gateway]
        binds += planBinds
        binds += settlementBinds
        binds += reservationBinds
        binds += [periods, wanted, edges.of, edges.period, edges.amount, edges.isMoney]
        return PostgresStatement(trusted: Self.sql, binds)
    }

    /// For a batch of one reservation and nothing else.
    func loneStatement(gateway: UUID, now: Date?) -> PostgresStatement? {
        guard settlements.isEmpty, reservations.count == 1, let planned = reservations.first, planned.ceiling == nil
        else {
            return nil
        }
        let call = planned.reservation
        return """
            select * from gboost_reserve_one(
              \(optional: now), \(gateway), \(max(planned.plan.from, planned.window.from)),
              \(min(planned.plan.until, planned.window.until)), \(planned.window.version), \(planned.plan.version),
              \(call.id.request), \(call.id.step), \(call.id.attempt), \(call.caller.tenant.id),
              \(optional: planned.plan.teamID), \(call.caller.keyID), \(call.priceID),
              \(optional: call.route?.replacing("\0", with: "")), \(call.amount.rawValue), \(call.tokens),
              \(optional: planned.tags), \(planned.money), \(optional: planned.limits(.requests)),
              \(optional: planned.limits(.tokens)), \(optional: planned.limits(.parallel)), \(periods), \(wanted))
            """
    }

    private static let sql = """
        select * from gboost_batch($1, $2, $3, $4, $5, $6, $7, $8,
          $9, $10, $11, $12::text[]::"char"[], $13, $14, $15,
          $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31,
          $32, $33, $34, $35, $36, $37)
        """

    private var planBinds: [any PostgresBindable] {
        var versions: [Int64: Int64] = [:]
        for reservation in reservations {
            let tenant = reservation.reservation.caller.tenant.id
            // Of two versions of one tenant the older one counts: then both are planned anew.
            versions[tenant] = min(versions[tenant] ?? .max, reservation.plan.version)
        }
        let tenants = versions.keys.sorted()
        let from = reservations.map { max($0.plan.from, $0.window.from) }.max() ?? .beginning
        let until = reservations.map { min($0.plan.until, $0.window.until) }.min() ?? .distantFuture
        return [
            from, until, reservations.map(\.window.version).min() ?? 0, tenants, tenants.map { versions[$0] ?? 0 },
        ]
    }

    private var settlementBinds: [any PostgresBindable] {
        [
            settlements.map(\.id.request), settlements.map(\.id.step), settlements.map(\.id.attempt),
            settlements.map(\.outcome.letter), settlements.map(\.amount.rawValue),
            settlements.map(\.tokens), settlements.map { PostgresJSON(SettlementRecord.json($0)) },
        ]
    }

    private var reservationBinds: [any PostgresBindable] {
        let all = reservations.map(\.reservation)
        return [
            all.map(\.id.request), all.map(\.id.step), all.map(\.id.attempt), all.map(\.caller.tenant.id),
            reservations.map(\.plan.teamID), all.map(\.caller.keyID), all.map(\.priceID),
            all.map { $0.route?.replacing("\0", with: "") }, all.map(\.amount.rawValue), all.map(\.tokens),
            reservations.map(\.ceiling?.limit), reservations.map(\.tags),
            reservations.map(\.money), reservations.map { $0.limits(.requests) },
            reservations.map { $0.limits(.tokens) }, reservations.map { $0.limits(.parallel) },
        ]
    }
}

extension CallOutcome {
    /// As the database function takes it.
    var letter: String {
        switch self {
        case .completed: "c"
        case .estimated: "e"
        case .failed: "f"
        }
    }
}

extension Settlement {
    /// What the call used of token limits; nil: not known, so all that was held.
    var tokens: Int64? {
        guard let usage, usage.input >= 0, usage.output >= 0 else { return nil }
        let (sum, overflow) = usage.input.addingReportingOverflow(usage.output)
        return overflow ? nil : sum
    }
}
