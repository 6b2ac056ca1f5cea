import Foundation
import GatewayCore
import GatewayTesting
import Postgres
import Testing

@testable import Ledger

@Suite("Against a plain model")
struct PropertyTests {
    private static let workers = 4
    /// How often a failing sequence is played to find a shorter one.
    private static let maxShrinks = 200
    /// Seeds that have found something; they come first, always.
    private static let regressions: [UInt64] = [
        // A reservation sent again after its budget was removed was settled as if planned without it.
        13_486_420_361_349_171_628
    ]

    /// `SEQUENCES` asks for more of them, `GBOOST_TEST_SEED` for the ones of a seed.
    @Test("random lives of tenants on three gateways, with crashes in between, agree with the model")
    func agrees() async throws {
        let environment = ProcessInfo.processInfo.environment
        let sequences = environment["SEQUENCES"].flatMap { Int($0) } ?? 10_000
        let seed = environment["GBOOST_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        print("seed of the ledger's property test: \(seed) (set GBOOST_TEST_SEED to repeat it)")
        let start = ContinuousClock.now
        try await LedgerFixture.with(limit: nil, poolSize: 2) { f in
            let prices = try await Self.prepare(f)
            let operations = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<Self.workers {
                    group.addTask {
                        let pool = try LedgerFixture.pool(f.url, size: 2)
                        defer { Task { await pool.close(within: .seconds(1)) } }
                        var gateways = try await SimulatedGateways(f, pool: pool, prices: prices)
                        var count = 0
                        if worker == 0 {
                            for (index, seed) in Self.regressions.enumerated() {
                                count += try await Self.play(seed, sequences + index, on: &gateways)
                            }
                        }
                        for number in stride(from: worker, to: sequences, by: Self.workers) {
                            count += try await Self.play(seed &+ UInt64(number), number, on: &gateways)
                        }
                        return count
                    }
                }
                return try await group.reduce(0, +)
            }
            let entries = try await f.number("select count(*) from ledger_entries") ?? 0
            print(
                "\(sequences) sequences, \(operations) operations, \(entries) entries in",
                ContinuousClock.now - start)
            #expect(entries > sequences, "the sequences hardly do anything")
        }
    }

    /// Commits need not outlive the machine here, and tenants are made in one statement.
    private static func prepare(_ f: LedgerFixture) async throws -> [String: Int64] {
        try await f.run(
            "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$")
        // A tenant's periods are a range of ids, which the planner takes for many: it would read those of all tenants.
        try await f.run(
            "do $$ begin execute format('alter database %I set enable_seqscan = off', current_database()); end $$")
        try await f.run(
            "do $$ begin execute format('alter database %I set enable_material = off', current_database()); end $$")
        try await f.run("create index on outbox (tenant_id)")
        try await f.run(
            """
            create function test_tenant(p_name text, p_zone text, p_created timestamptz, p_budgets jsonb,
              out tenant bigint, out keys bigint[], out budgets bigint[]) language plpgsql as $$
            declare
              team bigint;  b jsonb;  made bigint;
            begin
              insert into tenants (name, time_zone) values (p_name, p_zone) returning id into tenant;
              insert into teams (tenant_id, name) values (tenant, 'research') returning id into team;
              for i in 1 .. 2 loop
                insert into api_keys (tenant_id, team_id, prefix, hash)
                  values (tenant, case i when 1 then team end, 'gb', sha256((p_name || i)::bytea))
                  returning id into made;
                keys := keys || made;
              end loop;
              budgets := '{}';
              for b in select * from jsonb_array_elements(p_budgets) loop
                insert into budgets (tenant_id, team_id, key_id, unit, cycle, model_pattern, tag, week_start,
                  rollover_n, thresholds, limit_n, created_at)
                values (tenant, case b->>'scope' when 'team' then team end,
                  case b->>'scope' when 'key' then keys[1] end,
                  b->>'unit', b->>'cycle', b->>'model', b->>'tag', (b->>'week_start')::smallint,
                  (b->>'rollover')::bigint, (b->>'thresholds')::smallint[], (b->>'limit')::bigint, p_created)
                returning id into made;
                budgets := budgets || made;
              end loop;
            end $$
            """)
        let other = try await f.admin.setPrice(
            PriceDraft(
                model: ModelReference(provider: "sim", model: "other"), inputUSDPerMtok: "1", outputUSDPerMtok: "2",
                effectiveAt: Date(timeIntervalSince1970: 0)))
        return ["sim/general": f.priceID, "sim/other": other.price.id]
    }

    private static func play(
        _ seed: UInt64, _ number: Int, on gateways: inout SimulatedGateways
    ) async throws -> Int {
        let scenario = LedgerScenario(seed: seed)
        do {
            try await LedgerSequence.play(scenario, scenario.operations, name: "t\(number)", on: &gateways)
        } catch {
            // Another worker has failed, and this one was only stopped.
            if Task.isCancelled { throw error }
            let (shortest, failure) = await shrink(scenario, error, number, on: &gateways)
            Issue.record(
                """
                seed \(seed): \(failure)
                zone \(scenario.zone), start \(scenario.start), budgets:
                \(scenario.budgets.enumerated().map { "  \($0): \($1)" }.joined(separator: "\n"))
                operations:
                \(shortest.map { "  \($0)" }.joined(separator: "\n"))
                """)
            throw error
        }
        return scenario.operations.count
    }

    /// Leaves out what the failure does not need, one operation at a time, until nothing more can go.
    private static func shrink(
        _ scenario: LedgerScenario, _ failure: any Error, _ number: Int, on gateways: inout SimulatedGateways
    ) async -> ([LedgerOperation], any Error) {
        var (operations, failure) = (scenario.operations, failure)
        var (index, played) = (operations.count - 1, 0)
        while index >= 0, played < maxShrinks {
            var shorter = operations
            shorter.remove(at: index)
            played += 1
            do {
                try await LedgerSequence.play(scenario, shorter, name: "t\(number).\(played)", on: &gateways)
            } catch {
                (operations, failure) = (shorter, error)
            }
            index -= 1
        }
        return (operations, failure)
    }
}
