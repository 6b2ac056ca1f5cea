import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

/// Row 16 of the list of failures: a month goes as a whole.
@Suite("Partitions are made ahead and dropped as a whole")
struct RetentionTests {
    @Test(
        "row 16: this month and the next three have partitions; what falls outside goes to the default one"
    )
    func ahead() async throws {
        try await LedgerFixture.with { f in
            for relation in AdminStore.retainedRelations {
                let made = try await f.number(
                    """
                    select count(*) from generate_series(0, 3) m where to_regclass('\(relation)_' || to_char(
                      date_trunc('month', now() at time zone 'UTC') + make_interval(months => m), 'YYYYMM')) is not null
                    """)
                #expect(made == 4)
            }
            #expect(try await f.number("select gboost_ensure_partitions()") == 0)
            try await Self.request(f, "now() + interval '9 months'")
            #expect(try await f.number("select count(*) from requests_default") == 1)
            // The month comes: its rows are there already, so it stays where it is, and nothing fails.
            let later = "select gboost_ensure_partitions(3, now() + interval '8 months')"
            #expect(try await f.number(later) == 11)
            try await Self.request(f, "now() + interval '9 months'")
            #expect(try await f.number("select count(*) from requests_default") == 2)
            try await Self.request(f, "now() + interval '8 months'")
            #expect(try await f.number("select count(*) from requests_default") == 2)
        }
    }

    @Test("row 16: the gateway's own job drops the months that retention has run out for, says so, and leaves the rest")
    func dropped() async throws {
        try await LedgerFixture.with { f in
            try await f.run("select gboost_ensure_partitions(5, now() - interval '5 months')")
            for month in [5, 2, 0] { try await Self.request(f, "now() - interval '\(month) months'") }
            try await RoleTests.withRole(DatabaseRole.app, f) { app in
                let admin = AdminStore(pool: app, hasher: f.admin.hasher, actor: "test")
                let kept = try await admin.retention()
                #expect(kept.map(\.relation) == ["requests", "escalations"] && kept.allSatisfy { $0.months == nil })
                let ledger = try await f.ledger(pool: app)
                await ledger.keepPartitions()
                #expect(try await f.number("select count(*) from requests") == 3)
                _ = try await admin.setRetention("requests", months: 2)
                await ledger.keepPartitions()
                let info = try await admin.retention()[0]
                #expect(info.months == 2 && info.partitions.count == 2 + 1 + 3)
                #expect(try await f.number("select count(*) from requests") == 2)
                #expect(try await f.number("select count(*) from events where action = 'partition.drop'") == 3)
                #expect(try await admin.retention()[1].partitions.count == 5 + 1 + 3)
                // A gateway cannot ask for more than what the retention allows today.
                _ = try await app.query("select gboost_expire('0 days', now() + interval '50 years')")
                #expect(try await f.number("select count(*) from requests") == 2)
                for (relation, months) in [("ledger_entries", 3), ("requests", 0)] {
                    let error = await #expect(throws: LedgerError.self) {
                        try await admin.setRetention(relation, months: months)
                    }
                    #expect(error?.field == (months == 0 ? "months" : "relation"))
                }
                #expect(try await admin.setRetention("requests", months: nil).months == nil)
                #expect(try await admin.events().first?.before == "{\"months\": 2}")
            }
        }
    }

    @Test("a transaction drops one month and no more: until it ends, nobody can write into any other")
    func oneByOne() async throws {
        try await LedgerFixture.with { f in
            try await f.run("select gboost_ensure_partitions(5, now() - interval '5 months')")
            _ = try await f.admin.setRetention("requests", months: 2)
            for expected: Int64 in [1, 1, 1, 0] {
                #expect(try await f.number("select cardinality(gboost_expire())") == expected)
            }
            #expect(try await f.number("select count(*) from events where action = 'partition.drop'") == 3)
            #expect(try await f.admin.retention()[0].partitions.count == 2 + 1 + 3)
        }
    }

    @Test("what takes as long as there are rows goes over connections that may take long")
    func patience() async throws {
        try await LedgerFixture.with { f in
            var configuration = try PostgresConfiguration(url: f.url)
            configuration.applicationName = "upkeep"
            let upkeep = PostgresPool(configuration: configuration, size: 1, maxWaiting: 4, logger: .quiet)
            let ledger = try await f.ledger(upkeep: upkeep)
            func last() async throws -> String? {
                try await f.pool.query("select query from pg_stat_activity where application_name = 'upkeep'")
                    .rows.first?.get("query")
            }
            await ledger.rollDays()
            #expect(try await last()?.contains("gboost_roll") == true)
            // Budgets that wait to be counted again are looked for elsewhere: there are seldom any.
            await ledger.countMoved()
            #expect(try await last()?.contains("gboost_roll") == true)
            try await f.run("insert into moved_periods values (99900000000, tstzrange(now(), now(), '[]'))")
            await ledger.countMoved()
            #expect(try await last()?.contains("gboost_count_moved") == true)
            #expect(try await f.number("select count(*) from moved_periods") == 0)
            await ledger.keepPartitions()
            #expect(try await last()?.contains("gboost_expire_holds") == true)
            await upkeep.close()
        }
    }

    @Test("finished holds go after their time, open and unreconciled ones stay, and entries stay in any case")
    func holds() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let calls = (0..<3).map { _ in f.reservation(10) }
            for call in calls { #expect(try await ledger.reserve(call).isGranted) }
            await ledger.settle(.of(calls[0].id, 4))
            await ledger.settle(.of(calls[1].id, 4))
            try await f.run("update holds set unreconciled = true where request_id = '\(calls[1].id.request)'")
            try await f.run("update holds set created_at = now() - interval '40 days'")
            await ledger.keepPartitions()
            #expect(try await f.number("select count(*) from holds where state = 's'") == 1)
            #expect(try await f.number("select count(*) from holds where state = 'd'") == 1)
            #expect(try await f.number("select count(*) from ledger_entries") == 2)
        }
    }

    @Test("more finished holds than one commit deletes are all gone at once, by who has a gateway's rights only")
    func manyHolds() async throws {
        try await LedgerFixture.with { f in
            let first = try await f.ledger()
            let calls = (0..<2).map { _ in f.reservation(10) }
            for call in calls { #expect(try await first.reserve(call).isGranted) }
            await first.settle(.of(calls[0].id, 4))
            try await Self.addHolds(f, Self.ids(20_001, daysAgo: 36), daysAgo: 36)
            try await RoleTests.withRole(DatabaseRole.app, f) { app in
                try await f.ledger(pool: app).keepPartitions()
            }
            #expect(try await f.number("select count(*) from holds where state = 's'") == 1)
            #expect(try await f.number("select count(*) from holds where state = 'd'") == 1)
        }
    }

    @Test("old holds are found by their ids, without reading the young ones that have come into their pages")
    func oldHolds() async throws {
        try await LedgerFixture.with { f in
            try await Self.addHolds(f, Self.ids(2000, daysAgo: 1), daysAgo: 1)
            try await Self.addHolds(f, Self.ids(2000, daysAgo: 36), daysAgo: 36)
            let read: Int64 = try await f.pool.transaction { transaction in
                _ = try await transaction.query("select gboost_expire_holds(10)")
                return try await transaction.query(
                    "select idx_tup_fetch as n from pg_stat_xact_user_tables where relname = 'holds'"
                ).rows[0].get("n")
            }
            #expect(read < 1000)
            #expect(try await f.number("select count(*) from holds") == 3990)
        }
    }

    @Test("whether a hold goes is a matter of when it was taken, whatever its id tells of the time")
    func otherIDs() async throws {
        try await LedgerFixture.with { f in
            // Of no time, and by a clock that was ahead.
            let none = ["00000000-0000-4000-8000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"]
            let ids = try none.map { try #require(UUID(uuidString: $0)) } + Self.ids(1, daysAgo: -2)
            try await Self.addHolds(f, ids, daysAgo: 36)
            // A step of a long request.
            try await Self.addHolds(f, Self.ids(1, daysAgo: 36), daysAgo: 34)
            try await f.ledger().keepPartitions()
            #expect(try await f.number("select count(*) from holds") == 1)
            #expect(try await f.number("select count(*) from holds where created_at > now() - interval '35 days'") == 1)
        }
    }

    private static func ids(_ count: Int, daysAgo: Double) -> [UUID] {
        var random = SystemRandomNumberGenerator()
        let milliseconds = UInt64((Date().timeIntervalSince1970 - daysAgo * 86_400) * 1000)
        return (0..<count).map { _ in RequestID.make(milliseconds: milliseconds, using: &random) }
    }

    /// Settled holds that were taken then.
    private static func addHolds(_ f: LedgerFixture, _ ids: [UUID], daysAgo: Double) async throws {
        let at = Date(timeIntervalSinceNow: -daysAgo * 86_400)
        _ = try await f.pool.query(
            """
            insert into holds (request_id, step, attempt, state, tenant_id, key_id, price_id, amount, actual, periods,
              gateway, taken_at, created_at, settled_at)
            select i, 0, 0, 's', \(f.tenant.id), \(f.key.info.id), \(f.priceID), 10, 4, '{}', gen_random_uuid(),
              \(at), \(at), \(at) from unnest(\(ids)) i
            """)
    }

    private static func request(_ f: LedgerFixture, _ at: String) async throws {
        try await f.run(
            """
            insert into requests (id, started_at, tenant_id, key_id, model, status, steps, escalations,
              slm_input_tokens, slm_output_tokens, cost_n, milliseconds)
            values (gen_random_uuid(), \(at), \(f.tenant.id), \(f.key.info.id), 'm', 200, 1, 0, 0, 0, 0, 1)
            """)
    }
}
