internal import Foundation
internal import GatewayCore
internal import Postgres

/// One reservation or settlement on its way through a lane, and who waits for it.
enum BatchItem: Sendable {
    case reserve(PlannedReservation, CheckedContinuation<ReserveAnswer, Never>)
    case settle(PlannedSettlement, CheckedContinuation<SettleAnswer, Never>)

    func fail(_ error: PostgresError) {
        switch self {
        case .reserve(_, let waiter): waiter.resume(returning: .failed(error))
        case .settle(_, let waiter): waiter.resume(returning: .failed(error))
        }
    }
}

/// What the database said to one reservation.
enum ReserveAnswer: Sendable {
    /// Committed. The tightest budget, after this batch, and the moment that its periods were computed from. A replay:
    /// an earlier try had committed it, perhaps under another plan and at another moment.
    case granted(BudgetState, takenAt: Date, isReplay: Bool)
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

/// A hold of this process that is not settled yet.
struct OpenHold: Sendable {
    /// As the database has it; nil: taken by an earlier try, and only the database knows with which plan.
    var hold: PlannedReservation?
    /// When it was taken, or later.
    var takenAt: Date
}
