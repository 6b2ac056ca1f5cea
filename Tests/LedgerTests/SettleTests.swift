import Foundation
import GatewayCore
import Ledger
import Postgres
import Testing

@Suite("Ending holds")
struct SettleTests {
    @Test(
        "every outcome posts what it says",
        arguments: [
            (CallOutcome.completed, 30, 30, "charge"), (.estimated, 30, 100, "estimate"), (.failed, 30, 0, "release"),
        ])
    func outcomes(outcome: CallOutcome, amount: Int64, posted: Int64, kind: String) async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let call = f.reservation(100)
            #expect(try await ledger.reserve(call).isGranted)
            await ledger.settle(.of(call.id, outcome, amount))
            #expect(try await f.number("select settled from budget_periods") == posted)
            #expect(try await f.number("select held from budget_periods") == 0)
            let count = "select count(*) from ledger_entries where kind = '\(kind)' and amount = \(posted)"
            #expect(try await f.number(count) == 1)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("row 13: the second settlement of a hold changes nothing, whatever it says")
    func twice() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let call = f.reservation(100)
            #expect(try await ledger.reserve(call).isGranted)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<10 { group.addTask { await ledger.settle(.of(call.id, 40)) } }
            }
            await ledger.settle(.of(call.id, .estimated, 0))
            #expect(try await f.number("select settled from budget_periods") == 40)
            #expect(try await f.number("select count(*) from ledger_entries") == 1)
            #expect(try await f.number("select count(*) from outbox") == 1)
            #expect(ledger.counters.settled == 1)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("of a charge that a budget cannot count any more what it can is posted, alarmed and marked: no hold stays")
    func aboveAll() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let ledger = try await f.ledger()
            let calls = (0..<3).map { _ in f.reservation(10) }
            for call in calls { #expect(try await ledger.reserve(call).isGranted) }
            for call in calls { await ledger.settle(.of(call.id, 8_000_000_000_000_000_000)) }
            await ledger.drain()
            #expect(ledger.journalDepth.records == 0 && ledger.counters.quarantined == 0)
            #expect(ledger.counters.alarms == 3)
            #expect(try await f.number("select count(*) from holds where state = 'd'") == 0)
            #expect(try await f.number("select settled from budget_periods") == Int64.max)
            let marked = "select count(*) from escalations where reason like '%8000000000000000000 nano-dollars%'"
            #expect(try await f.number(marked) == 2)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a charge above the hold is posted in full and raises an alarm; the invariant still holds")
    func above() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let ledger = try await f.ledger()
            let call = f.reservation(100)
            #expect(try await ledger.reserve(call).isGranted)
            await ledger.settle(.of(call.id, 130))
            #expect(ledger.counters.alarms == 1)
            #expect(try await f.number("select settled from budget_periods") == 130)
            #expect(try await f.number("select lim from budget_periods") == 130)
            #expect(try await ledger.reserve(f.reservation(1)).refusedBy != nil)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a settlement without a hold changes nothing")
    func unknown() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            await ledger.settle(.of(.fresh(), 5))
            #expect(try await f.number("select count(*) from ledger_entries") == 0)
            #expect(ledger.journalDepth.records == 0)
        }
    }

    @Test("row 14: a hold settled in the next month counts in the month it was taken in, in report and budget alike")
    func nextMonth() async throws {
        try await LedgerFixture.with(timeZone: "Europe/Berlin") { f in
            let clock = SettableClock(moment("2026-03-31T21:59:00Z"))  // 23:59 in Berlin
            let ledger = try await f.ledger(now: { clock.now })
            let call = f.reservation(100)
            #expect(try await ledger.reserve(call).isGranted)
            clock.now = moment("2026-03-31T22:00:00Z")
            let next = f.reservation(900)
            #expect(try await ledger.reserve(next).isGranted)
            await ledger.settle(.of(call.id, 60))
            await ledger.settle(.of(next.id, 850))
            #expect(try await f.number("select settled from budget_periods where id = 120260300") == 60)
            #expect(try await f.number("select settled from budget_periods where id = 120260400") == 850)
            let march = try await f.admin.spend(tenant: "acme", month: "2026-03", by: .day)
            #expect(march.settledNanoUSD == 60 && march.rows.map(\.name) == ["2026-03-31"])
            #expect(march.limitNanoUSD == 1000 && march.heldNanoUSD == 0)
            let april = try await f.admin.spend(tenant: "acme", month: "2026-04", by: .team)
            #expect(april.settledNanoUSD == 850 && april.rows.map(\.name) == ["research"])
            #expect(try await f.violations() == 0)
        }
    }

    @Test("the escalation record keeps the decision, with caller, hold, price, cost and usage")
    func record() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let id = HoldID.fresh(step: 3)
            #expect(try await ledger.reserve(f.reservation(100, id: id, route: "math")).isGranted)
            let estimate = ActionEstimate(
                action: .llmRest, gain: 0.125, costUSD: 0.1, latencySeconds: 1, utility: -Double.infinity)
            let escalation = EscalationRecord(
                kind: .rest, rewardRaw: 0.1, rewardCalibrated: 0.2, shadowPrice: 1.5, actions: [estimate],
                reason: "below\0 the bar", slmSHA256: "aa", promptHash: "bb")
            await ledger.settle(
                Settlement(
                    id: id, outcome: .completed, amount: NanoUSD(70), usage: TokenUsage(input: 10, output: 30),
                    providerRequestID: "r\0q", escalation: escalation))
            let all = try await f.admin.escalations(tenant: "acme")
            let first = try #require(all.first)
            #expect(all.count == 1 && first.seq == 1 && first.kind == "rest" && first.hold == id.description)
            #expect(first.actions == [estimate] && first.reason == "below the bar" && first.rewardRaw == 0.1)
            #expect(first.amount == NanoUSD(70) && first.held == NanoUSD(100) && first.model == LedgerFixture.model)
            #expect(first.team == "research" && first.route == "math" && first.outcome == .completed)
            #expect(try await f.number("select output_tokens from ledger_entries") == 30)
        }
    }

    @Test("no statement takes a period over its limit: the row itself refuses")
    func hardCap() async throws {
        try await LedgerFixture.with { f in
            let error = await #expect(throws: PostgresError.self) {
                try await f.run("insert into budget_periods (id, base, target, lim, held) values (1, 5, 5, 5, 6)")
            }
            #expect(error?.constraint == "hard_cap")
        }
    }

    @Test("escalations of a tenant are numbered without gaps under parallel commits, also when some fail")
    func sequence() async throws {
        try await LedgerFixture.with(limit: 1_000_000, poolSize: 8) { f in
            let ledger = try await f.ledger()
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<120 {
                    group.addTask {
                        let call = f.reservation(10)
                        guard (try? await ledger.reserve(call))?.isGranted == true else { return }
                        // Every third one first fails after it has drawn a number.
                        let bad = "select gboost_settle('\(call.id.request)', 0::int2, 0::int2, 'completed', 7,"
                        let rest = " null, null, '{\"kind\": \"none\", \"reason\": \"\"}', '\(ledger.incarnation)')"
                        if index % 3 == 0 { await #expect(throws: PostgresError.self) { try await f.run(bad + rest) } }
                        await ledger.settle(.of(call.id, 7))
                    }
                }
            }
            #expect(try await f.number("select count(*) from escalations") == 120)
            #expect(try await f.number("select max(seq) from escalations") == 120)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a finished request is stored once, in its month's partition")
    func requests() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let request = RequestRecord(
                id: UUID(), tenantID: f.tenant.id, teamID: nil, keyID: f.key.info.id, model: "math", route: "math",
                servedBy: .mixed, status: 200, steps: 4, escalations: 1, degraded: nil, slmInputTokens: 10,
                slmOutputTokens: 20, costNanoUSD: 70, startedAt: Date(), milliseconds: 12)
            await ledger.record(request)
            await ledger.record(request)
            #expect(try await f.number("select count(*) from requests") == 1)
            #expect(try await f.number("select count(*) from requests_default") == 0)
        }
    }
}
