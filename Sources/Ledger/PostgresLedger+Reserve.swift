internal import Foundation
package import GatewayCore
internal import Postgres
internal import Synchronization

extension PostgresLedger {
    /// So many tries that failed, then the database counts as away.
    private static let reserveTries = 8
    /// Between two looks at a caller whose limits, teams or keys are being changed one after the other.
    private static let longestPause = Duration.milliseconds(50)

    package func reserve(_ reservation: Reservation) async throws(LedgerUnavailable) -> ReservationOutcome {
        guard !Task.isCancelled else { throw LedgerUnavailable(reason: "cancelled before it was sent") }
        try requireRoom()
        inFlight.enter()
        defer { inFlight.leave() }
        Failpoint.beforeReserve.hit()
        // Nothing below looks at the task's cancellation: it must not lose the answer to a hold that was committed.
        switch await attempt(reservation) {
        case .success(let outcome):
            if Task.isCancelled, case .granted = outcome {
                tally.withLock { $0.abandoned += 1 }
                await post(.abandonment(JournalRecord.Abandonment(reservation)))
                throw LedgerUnavailable(reason: "cancelled; its hold is settled as failed")
            }
            tally.withLock { tally in
                switch outcome {
                case .granted: tally.granted += 1
                case .refused, .limited, .noBudget, .callerRejected, .priceUnknown: tally.refused += 1
                }
            }
            return outcome
        case .failure(let failure):
            tally.withLock { $0.unavailable += 1 }
            throw failure
        }
    }

    /// Tries until the deadline, always under the same hold id, which makes the retry of an unknown outcome safe.
    private func attempt(_ reservation: Reservation) async -> Result<ReservationOutcome, LedgerUnavailable> {
        let deadline = ContinuousClock.now + configuration.reserveTimeout
        var mayHaveCommitted = false
        var last = "no time was left"
        var (failures, outdated) = (0, 0)
        while failures < Self.reserveTries, ContinuousClock.now < deadline {
            let planned: PlannedReservation
            switch await plan(reservation) {
            case .success(.planned(let reservation)): planned = reservation
            // An earlier try of it may stand: what has become of the key or the price says nothing about that one.
            case .success(.outcome(let outcome)) where !mayHaveCommitted: return .success(outcome)
            case .success(.outcome): return await giveUp(reservation, last, mayHaveCommitted)
            case .failure(let error):
                last = "\(error)"
                failures += 1
                continue
            }
            switch await lane(of: reservation.caller.tenant.id).reserve(planned) {
            case .granted(let state, let takenAt, let isReplay):
                Failpoint.afterReserveCommit.hit()
                let hold = OpenHold(hold: isReplay ? nil : planned, takenAt: takenAt)
                open.withLock { $0[reservation.id] = hold }
                return .success(.granted(tightest: state))
            // An earlier try may still be on its way to a hold: that must not stay open.
            case .refused where mayHaveCommitted, .limited where mayHaveCommitted:
                return await giveUp(reservation, last, mayHaveCommitted)
            case .refused(let state): return .success(.refused(state))
            case .limited(let state): return .success(.limited(state))
            case .conflict: return .failure(LedgerUnavailable(reason: "hold \(reservation.id) was used before"))
            case .stale:
                last = "what it was planned with was out of date each time"
                plans.forget(reservation.caller, planned.plan, price: reservation.priceID, planned.window)
                outdated += 1
                if outdated > 2 { await Self.pause(min(.milliseconds(outdated), Self.longestPause)) }
            case .fenced:
                last = "this gateway is not registered"
                failures += 1
                guard await beat() else { return await giveUp(reservation, last, mayHaveCommitted) }
            case .failed(let error):
                last = "\(error)"
                failures += 1
                mayHaveCommitted = mayHaveCommitted || error.outcomeUnknown
                guard Self.isWorthRetrying(error) else { return await giveUp(reservation, last, mayHaveCommitted) }
            }
        }
        return await giveUp(reservation, last, mayHaveCommitted)
    }

    private enum Planning {
        case planned(PlannedReservation)
        case outcome(ReservationOutcome)
    }

    private func plan(_ reservation: Reservation) async -> Result<Planning, PostgresError> {
        var planned: PlannedReservation?
        // A plan from the cache may be out of date where it says no: what it grants is tested, what it denies is not.
        for isSecondReading in [false, true] where planned == nil {
            if isSecondReading { plans.forget(reservation.caller) }
            let plan: CallerPlan
            switch await plans.plan(of: reservation.caller) {
            case .failure(let error): return .failure(error)
            case .success(nil): return .success(.outcome(.callerRejected))
            case .success(let known?): plan = known
            }
            guard plan.isUsable else { return .success(.outcome(.callerRejected)) }
            switch await plans.window(of: reservation.priceID) {
            case .failure(let error): return .failure(error)
            case .success(let window?) where window.isInForce && window.model == reservation.model:
                planned = PlannedReservation(reservation, plan: plan, window: window)
            case .success: return .success(.outcome(.priceUnknown))
            }
        }
        return .success(planned.map { .planned($0) } ?? .outcome(.noBudget))
    }

    private func giveUp(
        _ reservation: Reservation, _ reason: String, _ mayHaveCommitted: Bool
    ) async -> Result<ReservationOutcome, LedgerUnavailable> {
        if mayHaveCommitted {
            // Taken or still on its way: it must not stay open. Straight to the journal, as the database is slow.
            tally.withLock { $0.abandoned += 1 }
            await keep(.abandonment(JournalRecord.Abandonment(reservation)), because: reason)
        }
        return .failure(LedgerUnavailable(reason: reason))
    }

    /// Also of a cancelled task: what it waits for must not become a spin.
    private static func pause(_ time: Duration) async {
        await Task.detached { try? await Task.sleep(for: time) }.value
    }

    private static func isWorthRetrying(_ error: PostgresError) -> Bool {
        error.outcomeUnknown || error.isConnectionLoss || error.sqlState == "40001" || error.sqlState == "40P01"
    }
}
