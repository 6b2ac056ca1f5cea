import Foundation
import GatewayCore
import Postgres

@testable import Ledger

/// Gateways that one worker plays all its sequences on.
struct SimulatedGateways {
    let fixture: LedgerFixture
    let pool: PostgresPool
    let clock = SettableClock(moment("2026-02-27T22:30:00Z"))
    let prices: [String: Int64]
    private(set) var ledgers: [PostgresLedger] = []
    let types: BatchTypes
    private var journals: [SettlementJournal] = []

    init(_ fixture: LedgerFixture, pool: PostgresPool, prices: [String: Int64]) async throws {
        (self.fixture, self.pool, self.prices) = (fixture, pool, prices)
        types = try BatchTypes(try await pool.query(BatchTypes.statement))
        for _ in 0..<LedgerScenario.gateways {
            journals.append(try SettlementJournal(directory: temporaryDirectory()))
            ledgers.append(try await start(journals[journals.count - 1]))
        }
    }

    private func start(_ journal: SettlementJournal) async throws -> PostgresLedger {
        let clock = clock
        return try await fixture.ledger(
            pool: pool, journal: journal, now: { clock.now },
            configure: {
                // Nobody sends heartbeats here: only a successor on the same journal takes another one for dead.
                $0.gatewayTTL = .seconds(24 * 3600)
                $0.lanes = 1
            })
    }

    /// The process is gone; another one starts on its journal.
    mutating func crash(_ index: Int) async throws { ledgers[index] = try await start(journals[index]) }

    /// As a lane asks: the usual batch first, unless something speaks against it, then each item by itself.
    func answers(
        to arguments: BatchArguments, isExact: Bool, _ gateway: Int
    ) async throws -> BatchAnswers {
        let incarnation = ledgers[gateway].incarnation
        if !isExact, !arguments.isOverflowing {
            do {
                let usual = arguments.usualStatement(types, gateway: incarnation, now: clock.now)
                return try BatchAnswers(try await pool.query(usual), to: arguments, isUsual: true)
            } catch  where LedgerLane.isRolledBack(error) {}
        }
        let exact = arguments.exactStatement(types, gateway: incarnation, now: clock.now)
        return try BatchAnswers(try await pool.query(exact), to: arguments, isUsual: false)
    }
}
