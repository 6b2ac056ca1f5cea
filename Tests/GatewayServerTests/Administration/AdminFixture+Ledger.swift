import Foundation
import GatewayCore
import GatewayTesting
import Ledger
import Logging
import Postgres
import Testing

@testable import GatewayServer

extension AdminFixture {
    static let model = ModelReference(provider: "sim", model: "general")

    /// Who pays for calls of a tenant: a key of its own, with a budget of ten dollars a month, and a price.
    struct Payer: Sendable {
        let ledger: PostgresLedger
        let caller: Caller
        let priceID: Int64

        /// Settled calls that cost so many nano-dollars each, in their order.
        func pay(_ amounts: [Int64]) async throws -> [HoldID] {
            var holds: [HoldID] = []
            for amount in amounts {
                let hold = HoldID(request: UUID(), step: 0, attempt: 0)
                let outcome = try await ledger.reserve(
                    Reservation(
                        id: hold, caller: caller, route: nil, model: AdminFixture.model, priceID: priceID,
                        amount: NanoUSD(1000)))
                guard case .granted = outcome else { throw LedgerError(.conflict, "\(outcome)") }
                await ledger.settle(
                    Settlement(
                        id: hold, outcome: .completed, amount: NanoUSD(amount), usage: TokenUsage(input: 3, output: 2),
                        providerRequestID: "req-1", escalation: EscalationRecord(kind: .direct, reason: "=asked for")))
                holds.append(hold)
            }
            return holds
        }

        /// A request whose only paid calls were refused, so many of them.
        func refused(_ count: Int) async {
            var record = RequestRecord(
                id: UUID(), tenantID: caller.tenant.id, teamID: nil, keyID: caller.keyID, model: "math", route: "math",
                servedBy: .slm, status: 200, steps: 3, escalations: 0, degraded: .budgetExhausted, slmInputTokens: 0,
                slmOutputTokens: 0, costNanoUSD: 0, startedAt: Date(), milliseconds: 5)
            record.refused = (0..<count).map { step in
                var call = RefusedCall(
                    step: Int16(step), at: Date(), model: AdminFixture.model, reason: .budget,
                    escalation: EscalationRecord(kind: .step, reason: "best_utility"))
                call.wanted = NanoUSD(900)
                return call
            }
            await ledger.record(record)
        }
    }

    /// A gateway's ledger over the fixture's database, and a payer for each of acme and other.
    func payers() async throws -> (acme: Payer, other: Payer) {
        var configuration = LedgerConfiguration(instance: "test")
        // Tests share a busy machine.
        configuration.reserveTimeout = .seconds(20)
        configuration.settleTimeout = .seconds(20)
        let journal = try SettlementJournal(directory: TestFiles.path("admin"))
        let ledger = await PostgresLedger.start(
            pools: LedgerPools(pool), journal: journal, configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let price = try await store.setPrice(
            PriceDraft(
                model: Self.model, inputUSDPerMtok: "1", outputUSDPerMtok: "2",
                effectiveAt: Date(timeIntervalSince1970: 0)))
        func payer(_ name: String) async throws -> Payer {
            let tenant = try await store.tenant(named: name)
            _ = try await store.setBudget(BudgetDraft(tenant: name, limit: NanoUSD(10 * NanoUSD.perDollar)))
            let key = try await store.createKey(KeyDraft(tenant: name, name: "payer"))
            let owner = Tenant(id: tenant.id, name: name, timeZone: "UTC", isSuspended: false)
            return Payer(
                ledger: ledger, caller: Caller(tenant: owner, teamID: nil, keyID: key.info.id),
                priceID: price.price.id)
        }
        return (try await payer("acme"), try await payer("other"))
    }

    /// So many escalations more, by the function of the database that ledgers settle with.
    func record(_ count: Int, by payer: Payer) async throws {
        try await run(
            """
            select p.seq from generate_series(1, \(count)) n, lateral gboost_post(
              jsonb_populate_record(null::holds, jsonb_build_object('request_id', gen_random_uuid(), 'step', 0,
                'attempt', 0, 'state', 's', 'tenant_id', \(payer.caller.tenant.id), 'key_id', \(payer.caller.keyID),
                'tags', array['a'], 'price_id', \(payer.priceID), 'route', 'math', 'amount', 1000, 'actual', n,
                'periods', array[1], 'gateway', gen_random_uuid(), 'taken_at', now())), 'charge', 'completed', n,
              '{"kind": "step", "reason": "weak", "in": 3}', gen_random_uuid()) p
            """)
    }

    func run(_ sql: String) async throws { _ = try await pool.query(PostgresStatement(trusted: sql)) }

    /// The same fixture with other keys for records.
    func having(_ records: AdminRecords) -> AdminFixture {
        var fixture = self
        fixture.services.records = records
        return fixture
    }
}

extension AdminFixture.Answer {
    /// A member of each element of a list.
    func each(_ list: String, _ member: String) -> [String] {
        var values: [String] = []
        while json(list, String(values.count)) != nil {
            values.append(json(list, String(values.count), member) ?? "null")
        }
        return values
    }
}
