import Foundation
import Testing

@testable import Ledger

/// A tenant in Berlin, around the night of 2026-03-29 in which its clocks go forward.
@Suite("Finished days are added up once, and with what is posted later they are the ledger")
struct RolledDayTests {
    /// What most entries have alike.
    private struct Details {
        /// Between the hold and what was posted.
        var delay = "1 second"
        var kind = "charge"
        var tenant: Int64?
        var tokens: Int64 = 5
    }

    /// A call's entry, by when its hold was taken.
    private static func entry(
        _ f: LedgerFixture, _ moment: String, _ amount: Int64, _ details: Details = Details()
    ) async throws {
        try await f.run(
            """
            insert into ledger_entries (at, taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt,
              kind, held, amount, price_id, input_tokens, output_tokens, periods)
            select '\(moment)'::timestamptz + interval '\(details.delay)', '\(moment)',
              \(details.tenant ?? f.tenant.id), null, \(f.key.info.id), case when \(amount) % 2 = 0 then 'math' end,
              gen_random_uuid(), 0, 0, '\(details.kind)', 0, \(amount), \(f.priceID), \(details.tokens), 2, '{}'
            """)
    }

    private static func entries(_ f: LedgerFixture) async throws {
        try await entry(f, "2026-03-28 22:59:59Z", 1)
        try await entry(f, "2026-03-28 23:00:00Z", 20)
        try await entry(f, "2026-03-29 01:00:00Z", 300)
        try await entry(f, "2026-03-29 21:59:59Z", 4000)
        try await entry(f, "2026-03-29 22:00:00Z", 50000)
        try await entry(f, "2026-03-29 12:00:00Z", 600_000, Details(delay: "2 hours"))
    }

    private static func days(_ f: LedgerFixture) async throws -> [String: Int64] {
        let rows = try await f.admin.spend(tenant: "acme", month: "2026-03", by: .day).rows
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0.nanoUSD) })
    }

    @Test("a report is the same before and after; a late call and a correction are in it at once")
    func later() async throws {
        try await LedgerFixture.with(limit: nil, timeZone: "Europe/Berlin") { f in
            try await Self.entries(f)
            let before = try await f.admin.statement(tenant: "acme", month: "2026-03")
            let focus = try await f.admin.focus(tenant: "acme", month: "2026-03")
            #expect(try await Self.days(f) == ["2026-03-28": 1, "2026-03-29": 604_320, "2026-03-30": 50000])
            #expect(try await f.admin.rollDays(atMost: 2) == 2)
            while try await f.admin.rollDays(atMost: 100) > 0 {}
            // The call that was posted two hours later is none of the day's.
            #expect(try await f.number("select sum(amount) from rolled_spend") == 54321)
            #expect(try await f.number("select count(*) from rolled_spend") == 3)
            #expect(try await f.admin.statement(tenant: "acme", month: "2026-03") == before)
            #expect(try await f.admin.focus(tenant: "acme", month: "2026-03") == focus)
            try await Self.entry(f, "2026-03-29 13:00:00Z", -300, Details(delay: "30 days", kind: "adjustment"))
            try await Self.entry(f, "2026-03-28 12:00:00Z", 7, Details(delay: "61 minutes"))
            #expect(try await Self.days(f) == ["2026-03-28": 8, "2026-03-29": 604_020, "2026-03-30": 50000])
            let after = try await f.admin.statement(tenant: "acme", month: "2026-03")
            #expect(after.spendNanoUSD == 654_028)
            #expect(before.breakdown["day"]?.map(\.calls) == [1, 4, 1])
            #expect(after.breakdown["day"]?.map(\.calls) == [2, 4, 1])
            // Other days, by another clock, than those that were rolled up.
            try await f.run("update tenants set time_zone = 'UTC'")
            #expect(try await Self.days(f) == ["2026-03-28": 28, "2026-03-29": 654_000])
        }
    }

    @Test("counts that do not fit are cut, and a day whose sums do not fit keeps no other day waiting")
    func outOfRange() async throws {
        try await LedgerFixture.with(limit: nil, timeZone: "Europe/Berlin") { f in
            for hour in [10, 11] {
                try await Self.entry(f, "2026-03-28 \(hour):00:00Z", 1, Details(tokens: .max))
            }
            let before = try await f.admin.spend(tenant: "acme", month: "2026-03", by: .day)
            let most = Int64.max / 2
            #expect(before.rows.map(\.inputTokens) == [most] && before.rows.map(\.outputTokens) == [4])
            let focus = try await f.admin.focus(tenant: "acme", month: "2026-03")
            #expect(focus.map(\.inputTokens) == [most])
            let year = Date(timeIntervalSince1970: 1_750_000_000)..<Date(timeIntervalSince1970: 1_800_000_000)
            #expect(try await f.admin.usage(ofProvider: "sim", in: year).map(\.inputTokens) == [most])
            _ = try await f.admin.statement(tenant: "acme", month: "2026-03")
            // Another tenant's first day, and its money does not fit.
            let other = try await f.admin.createTenant(name: "other").id
            for hour in [10, 11] {
                try await Self.entry(f, "2026-03-01 \(hour):00:00Z", 9_000_000_000_000_000_000, Details(tenant: other))
            }
            try await Self.entry(f, "2026-03-03 10:00:00Z", 7, Details(tenant: other))
            while try await f.admin.rollDays(atMost: 100) > 0 {}
            let rolled = "select sum(calls) from rolled_spend where tenant_id ="
            #expect(try await f.number("\(rolled) \(f.tenant.id)") == 2)
            #expect(try await f.number("\(rolled) \(other)") == 1)
            let first = "select count(*) from rolled_days where tenant_id = \(other) and first < '2026-03-02'"
            #expect(try await f.number(first) == 0)
            #expect(try await f.admin.spend(tenant: "acme", month: "2026-03", by: .day) == before)
        }
    }

    @Test("a day is added up two hours after its end, by whoever comes first, and once")
    func finished() async throws {
        try await LedgerFixture.with(limit: nil, timeZone: "Europe/Berlin") { f in
            try await Self.entries(f)
            #expect(try await f.number("select gboost_roll(100, '2026-03-29 00:59:59Z')") == 0)
            #expect(try await f.number("select gboost_roll(100, '2026-03-29 23:59:59Z')") == 1)
            #expect(try await f.number("select gboost_roll(100, '2026-03-30 00:00:00Z')") == 1)
            let short = "select count(*) from rolled_days where last - first = interval '23 hours'"
            #expect(try await f.number(short) == 1)
            async let one = f.admin.rollDays(atMost: 50)
            async let other = f.admin.rollDays(atMost: 50)
            #expect(try await one + other >= 50)
            #expect(try await f.number("select sum(calls) from rolled_spend") == 5)
            for table in ["rolled_days", "rolled_spend"] {
                await #expect(throws: (any Error).self) { try await f.run("delete from \(table)") }
            }
        }
    }
}
