internal import Foundation
package import GatewayCore
internal import Postgres
internal import Synchronization

extension PostgresLedger {
    /// Serialization failures and deadlocks are rolled back whole; so many tries, then the database counts as away.
    private static let reserveTries = 4

    package func reserve(_ reservation: Reservation) async throws(LedgerUnavailable) -> ReservationOutcome {
        guard !Task.isCancelled else { throw LedgerUnavailable(reason: "cancelled before it was sent") }
        guard !journal.isNearlyFull else {
            throw LedgerUnavailable(reason: "the settlement journal is nearly full")
        }
        inFlight.enter()
        defer { inFlight.leave() }
        // In a task of its own: a cancelled wait must not lose the answer to a hold that was committed.
        let result = await Task { await self.attempt(reservation) }.value
        switch result {
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

    package func remaining(_ caller: Caller) async throws(LedgerUnavailable) -> BudgetState? {
        let statement = LedgerStatements.states(
            tenantID: caller.tenant.id, keyID: caller.keyID, now: configuration.now?())
        let result = await bounded(configuration.reserveTimeout) { [pool] () async throws(PostgresError) in
            let rows = try await pool.query(statement).rows
            var isCapped = false
            for row in rows where try row.get("is_tenant", as: Bool.self) { isCapped = true }
            guard isCapped, let tightest = rows.first else { return BudgetState?.none }
            return try LedgerStatements.budget(tightest)
        }
        switch result {
        case .success(let state): return state
        case .failure(let error): throw LedgerUnavailable(reason: "\(error)")
        }
    }

    /// Tries until the deadline, always under the same hold id, which makes the retry of an unknown outcome safe.
    private func attempt(_ reservation: Reservation) async -> Result<ReservationOutcome, LedgerUnavailable> {
        let statement = LedgerStatements.reserve(reservation, gateway: incarnation, now: configuration.now?())
        let deadline = ContinuousClock.now + configuration.reserveTimeout
        var mayHaveCommitted = false
        var last = PostgresError(.timeout, "no time was left")
        for _ in 0..<Self.reserveTries where ContinuousClock.now < deadline {
            let result = await bounded(deadline - ContinuousClock.now) { [pool] () async throws(PostgresError) in
                try Self.decode(try await pool.query(statement))
            }
            switch result {
            case .success(.outcome(let outcome)): return .success(outcome)
            case .success(.conflict):
                return .failure(LedgerUnavailable(reason: "hold \(reservation.id) was used before"))
            case .success(.fenced):
                last = PostgresError(.server, "this gateway is not registered")
                guard await beat() else { return await giveUp(reservation, last, mayHaveCommitted) }
            case .failure(let error):
                last = error
                mayHaveCommitted = mayHaveCommitted || error.outcomeUnknown
                guard Self.isWorthRetrying(error) else { return await giveUp(reservation, last, mayHaveCommitted) }
            }
        }
        return await giveUp(reservation, last, mayHaveCommitted)
    }

    private func giveUp(
        _ reservation: Reservation, _ error: PostgresError, _ mayHaveCommitted: Bool
    ) async -> Result<ReservationOutcome, LedgerUnavailable> {
        if mayHaveCommitted {
            // Taken or still on its way: it must not stay open. Straight to the journal, as the database is slow.
            tally.withLock { $0.abandoned += 1 }
            await keep(.abandonment(JournalRecord.Abandonment(reservation)), because: "\(error)")
        }
        return .failure(LedgerUnavailable(reason: "\(error)"))
    }

    private static func isWorthRetrying(_ error: PostgresError) -> Bool {
        error.outcomeUnknown || error.isConnectionLoss || error.sqlState == "40001" || error.sqlState == "40P01"
    }

    private enum Answer: Sendable {
        case outcome(ReservationOutcome)
        case conflict
        case fenced
    }

    private static func decode(_ result: PostgresResult) throws(PostgresError) -> Answer {
        guard let row = result.rows.first else { throw PostgresError(.decoding, "gboost_reserve returned no row") }
        let verdict = try row.get("verdict", as: String.self)
        switch verdict {
        case "granted": return .outcome(.granted(tightest: try LedgerStatements.budget(row)))
        case "refused": return .outcome(.refused(try LedgerStatements.budget(row)))
        case "no_budget": return .outcome(.noBudget)
        case "caller_rejected": return .outcome(.callerRejected)
        case "price_unknown": return .outcome(.priceUnknown)
        case "fenced": return .fenced
        case "conflict": return .conflict
        default: throw PostgresError(.decoding, "gboost_reserve answered \(verdict)")
        }
    }
}
