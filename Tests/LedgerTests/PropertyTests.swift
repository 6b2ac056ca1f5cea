import Foundation
import GatewayCore
import Ledger
import Postgres
import Testing

@Suite("Against a plain model")
struct PropertyTests {
    private static let sequences = 240
    private static let lanes = 4
    private static let steps = 15

    @Test("random reserve, settle, fail, crash, late settlement, limit change and month turn agree with the model")
    func agrees() async throws {
        let given = ProcessInfo.processInfo.environment["GBOOST_TEST_SEED"].flatMap { UInt64($0) }
        let seed = given ?? UInt64.random(in: 0...UInt64.max)
        print("seed of the ledger's property test: \(seed) (set GBOOST_TEST_SEED to repeat it)")
        let start = ContinuousClock.now
        try await LedgerFixture.with(limit: nil, poolSize: 8) { f in
            let operations = try await withThrowingTaskGroup(of: Int.self) { group in
                for lane in 0..<Self.lanes {
                    group.addTask {
                        let journal = try SettlementJournal(directory: temporaryDirectory())
                        var count = 0
                        for number in stride(from: lane, to: Self.sequences, by: Self.lanes) {
                            var sequence = try await Sequence(f, journal, seed &+ UInt64(number), number)
                            for _ in 0..<Self.steps { try await sequence.step() }
                            count += Self.steps
                        }
                        return count
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(try await f.violations() == 0)
            let grants = try await f.number("select count(*) from holds") ?? 0
            let entries = try await f.number("select count(*) from ledger_entries") ?? 0
            print(
                "\(Self.sequences) sequences, \(operations) operations, \(grants) holds, \(entries) entries in",
                ContinuousClock.now - start)
        }
    }

    /// One random life of one tenant.
    private struct Sequence {
        let f: LedgerFixture
        let journal: SettlementJournal
        let clock = SettableClock(moment("2026-02-27T22:30:00Z"))
        var ledger: PostgresLedger
        var random: SeededRandom
        var plain: PlainLedger
        var ids: [HoldID] = []
        let caller: Caller
        let seed: UInt64

        init(_ f: LedgerFixture, _ journal: SettlementJournal, _ seed: UInt64, _ number: Int) async throws {
            self.f = f
            self.journal = journal
            self.seed = seed
            random = SeededRandom(seed: seed)
            let zone = ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"].randomElement(using: &random)
            let name = "t\(number)"
            let tenant = try await f.admin.createTenant(name: name, timeZone: zone ?? "UTC")
            let key = try await f.admin.createKey(KeyDraft(tenant: name))
            caller = Caller(
                tenant: Tenant(id: tenant.id, name: name, timeZone: zone ?? "UTC", isSuspended: false), teamID: nil,
                keyID: key.info.id)
            let (month, day) = (Int64.random(in: 0...300, using: &random), Int64.random(in: 0...300, using: &random))
            let first = try await f.admin.setBudget(BudgetDraft(tenant: name, limit: NanoUSD(month)))
            let second = try await f.admin.setBudget(
                BudgetDraft(
                    tenant: name, scope: .key(key.info.id), window: .day, limit: NanoUSD(day), timeZone: "Asia/Tokyo"))
            plain = PlainLedger(budgets: [
                .init(
                    id: first.id, scope: "tenant:\(name)", isDaily: false,
                    zone: try #require(TimeZone(identifier: zone ?? "UTC")), limit: month),
                .init(
                    id: second.id, scope: "key:\(key.info.id)", isDaily: true,
                    zone: try #require(TimeZone(identifier: "Asia/Tokyo")), limit: day),
            ])
            let clock = clock
            ledger = try await f.ledger(journal: journal, now: { clock.now })
        }

        mutating func step() async throws {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<9: try await reserve()
            case 9..<15: try await settle()
            case 15: try await crash()
            case 16, 17: try await setLimit()
            default: clock.now += Double.random(in: 0...(40 * 3600), using: &random)
            }
            try await compare()
        }

        private mutating func reserve() async throws {
            let isReplay = Int.random(in: 0..<8, using: &random) == 0
            if isReplay, let index = plain.holds.indices.randomElement(using: &random) {
                let call = call(plain.holds[index].amount, ids[index])
                let answer = try? await ledger.reserve(call)
                // After a crash the new incarnation does not own the hold, which is settled by then anyway.
                #expect((answer?.isGranted == true) == (plain.holds[index].state == .open), "seed \(seed)")
                return
            }
            let id = HoldID.fresh()
            let amount = Int64.random(in: 0...120, using: &random)
            let refusing = plain.reserve(amount, clock.now)
            let answer = try await ledger.reserve(call(amount, id))
            #expect(answer.refusedBy?.scope == refusing, "seed \(seed)")
            #expect(answer.isGranted == (refusing == nil), "seed \(seed)")
            if refusing == nil { ids.append(id) }
        }

        private mutating func settle() async throws {
            guard let index = plain.holds.indices.randomElement(using: &random) else { return }
            let amount = plain.holds[index].amount
            let outcome = CallOutcome.allKinds.randomElement(using: &random) ?? .completed
            // Now and then more than was held.
            let charge = Int64.random(in: 0...(amount + (Bool.random(using: &random) ? 0 : 20)), using: &random)
            await ledger.settle(.of(ids[index], outcome, charge))
            switch outcome {
            case .completed: plain.settle(index, charge)
            case .estimated: plain.settle(index, amount)
            case .failed: plain.settle(index, 0)
            }
        }

        private mutating func crash() async throws {
            let clock = clock
            ledger = try await f.ledger(journal: journal, now: { clock.now })
            plain.crash()
        }

        private mutating func setLimit() async throws {
            let index = Int.random(in: 0...1, using: &random)
            let limit = Int64.random(in: 0...400, using: &random)
            let id = plain.budgets[index].id
            _ = try await f.pool.query("select gboost_set_limit(\(id), \(limit), \(clock.now))")
            plain.setLimit(index, limit, clock.now)
        }

        private func call(_ amount: Int64, _ id: HoldID) -> Reservation {
            var call = f.reservation(amount, id: id)
            call.caller = caller
            return call
        }

        private func compare() async throws {
            let budgets = plain.budgets.map(\.id)
            let rows = try await f.pool.query(
                """
                select p.*, (select coalesce(sum(amount), 0) from ledger_entries e where e.tenant_id = \(caller.tenant.id)
                  and p.id = any (e.periods))::bigint as posted,
                  (select count(*) from escalations where tenant_id = \(caller.tenant.id)) as records
                from budget_periods p where p.id / 100000000 = any (\(budgets))
                """
            ).rows
            var found: [Int64: PlainLedger.Period] = [:]
            for row in rows {
                let period = PlainLedger.Period(
                    target: try row.get("target"), settled: try row.get("settled"), held: try row.get("held"),
                    lim: try row.get("lim"))
                found[try row.get("id")] = period
                #expect(period.settled + period.held <= period.lim, "seed \(seed)")
                #expect(try row.get("posted", as: Int64.self) == period.settled, "seed \(seed)")
                #expect(try row.get("records", as: Int.self) == plain.entries, "seed \(seed)")
            }
            #expect(found == plain.periods, "seed \(seed)")
        }
    }
}

extension CallOutcome {
    static let allKinds: [CallOutcome] = [.completed, .completed, .estimated, .failed]
}
