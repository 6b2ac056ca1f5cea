import Foundation
import GatewayCore
import Ledger
import Testing

@Suite("Budget periods")
struct PeriodTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var zone: String
        var window: BudgetWindow
        var at: String
        var period: String
        var resetsAt: String
        var testDescription: String { "\(zone) \(at) \(window)" }
        init(_ zone: String, _ window: BudgetWindow, _ at: String, _ period: String, _ resetsAt: String) {
            self.zone = zone
            self.window = window
            self.at = at
            self.period = period
            self.resetsAt = resetsAt
        }
    }

    static let cases = [
        // The year's end, at the two ends of the world.
        Case("Pacific/Kiritimati", .month, "2026-12-31T09:59:59Z", "month:2026-12", "2026-12-31T10:00:00Z"),
        Case("Pacific/Kiritimati", .month, "2026-12-31T10:00:00Z", "month:2027-01", "2027-01-31T10:00:00Z"),
        Case("Pacific/Pago_Pago", .month, "2027-01-01T10:59:59Z", "month:2026-12", "2027-01-01T11:00:00Z"),
        Case("Pacific/Pago_Pago", .month, "2027-01-01T11:00:00Z", "month:2027-01", "2027-02-01T11:00:00Z"),
        // Clocks go forward on 2026-03-29 and back on 2026-10-25.
        Case("Europe/Berlin", .day, "2026-03-28T23:00:00Z", "day:2026-03-29", "2026-03-29T22:00:00Z"),
        Case("Europe/Berlin", .day, "2026-03-29T21:59:59Z", "day:2026-03-29", "2026-03-29T22:00:00Z"),
        Case("Europe/Berlin", .day, "2026-10-24T22:00:00Z", "day:2026-10-25", "2026-10-25T23:00:00Z"),
        Case("Europe/Berlin", .day, "2026-10-25T22:59:59Z", "day:2026-10-25", "2026-10-25T23:00:00Z"),
        Case("Europe/Berlin", .month, "2026-03-15T12:00:00Z", "month:2026-03", "2026-03-31T22:00:00Z"),
        Case("Europe/Berlin", .month, "2026-10-31T22:59:59Z", "month:2026-10", "2026-10-31T23:00:00Z"),
        Case("America/New_York", .month, "2026-11-01T04:00:00Z", "month:2026-11", "2026-12-01T05:00:00Z"),
        // A day without a midnight: Cairo's clocks go from 00:00 to 01:00.
        Case("Africa/Cairo", .day, "2026-04-23T22:00:00Z", "day:2026-04-24", "2026-04-24T21:00:00Z"),
        // A day without a midnight, and one with two; clocks that move by half an hour.
        Case("America/Havana", .day, "2026-03-08T05:00:00Z", "day:2026-03-08", "2026-03-09T04:00:00Z"),
        Case("America/Havana", .day, "2026-11-01T04:30:00Z", "day:2026-11-01", "2026-11-02T05:00:00Z"),
        Case("Australia/Lord_Howe", .day, "2026-04-04T14:30:00Z", "day:2026-04-05", "2026-04-05T13:30:00Z"),
        Case("Australia/Lord_Howe", .day, "2026-10-03T15:30:00Z", "day:2026-10-04", "2026-10-04T13:00:00Z"),
        Case("America/New_York", .week, "2026-03-08T06:59:59Z", "week:2026-W10", "2026-03-09T04:00:00Z"),
        Case("Pacific/Pago_Pago", .quarter, "2026-10-01T11:00:00Z", "quarter:2026-Q4", "2027-01-01T11:00:00Z"),
        // Leap day, and February's end in other years.
        Case("UTC", .day, "2028-02-29T00:00:00Z", "day:2028-02-29", "2028-03-01T00:00:00Z"),
        Case("UTC", .month, "2028-02-29T23:59:59Z", "month:2028-02", "2028-03-01T00:00:00Z"),
        Case("UTC", .month, "2027-02-28T23:59:59Z", "month:2027-02", "2027-03-01T00:00:00Z"),
        Case("UTC", .month, "2026-01-31T23:59:59Z", "month:2026-01", "2026-02-01T00:00:00Z"),
        // Weeks begin on Monday; the first one of a year may begin in the old one.
        Case("UTC", .week, "2027-01-03T23:59:59Z", "week:2026-W53", "2027-01-04T00:00:00Z"),
        Case("Asia/Kathmandu", .week, "2026-11-22T18:15:00Z", "week:2026-W48", "2026-11-29T18:15:00Z"),
    ]

    @Test("row 14: a hold falls into the period that its moment belongs to in the budget's own time zone")
    func periods() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let clock = SettableClock(Date())
            let ledger = try await f.ledger(now: { clock.now })
            for test in Self.cases {
                for window in BudgetWindow.allCases where window != .month {
                    try await f.run("delete from budgets where cycle = '\(window.rawValue)'")
                }
                // The smaller limit makes it the tightest, which is the one reported.
                let limit = test.window == .month ? NanoUSD(100_000) : NanoUSD(1000)
                _ = try await f.admin.setBudget(
                    BudgetDraft(tenant: "acme", window: test.window, limit: limit, timeZone: test.zone))
                clock.now = moment(test.at)
                guard case .granted(let state) = try await ledger.reserve(f.reservation(1)) else {
                    Issue.record("\(test.testDescription) was not granted")
                    continue
                }
                print("\(test.zone) \(test.at): \(state.period) until \(state.resetsAt?.formatted(.iso8601) ?? "–")")
                #expect(state.period == test.period, "\(test.testDescription)")
                #expect(state.resetsAt == moment(test.resetsAt), "\(test.testDescription)")
            }
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a period opens however large limit and roll-over are: what does not fit is not carried")
    func largest() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            let huge = NanoUSD(9_000_000_000_000_000_000)
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: .day, limit: huge, rollover: .upTo(huge)))
            try await f.run("update budgets set created_at = '2031-03-01T00:00:00Z'")
            let clock = SettableClock(moment("2031-03-01T12:00:00Z"))
            let ledger = try await f.ledger(now: { clock.now })
            for day in ["2031-03-01", "2031-03-02", "2031-03-05"] {
                clock.now = moment("\(day)T12:00:00Z")
                #expect(try await ledger.reserve(f.reservation(1)).isGranted, "\(day)")
            }
            #expect(try await f.number("select target from budget_periods order by id desc limit 1") == Int64.max)
            // What was not carried is not gone: the day before still has it.
            let left = "select target - passed_on from budget_periods order by id limit 1"
            #expect(try await f.number(left) == huge.rawValue - 2 * (Int64.max - huge.rawValue))
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a limit, an override or a top-up that makes a sum which cannot be counted is refused by its field")
    func range() async throws {
        try await LedgerFixture.with(limit: 9_000_000_000_000_000_000) { f in
            let rest = NanoUSD(Int64.max - 9_000_000_000_000_000_000)
            let full = try await f.admin.topUpBudget(BudgetDraft(tenant: "acme", limit: rest))
            #expect(full.periodLimit == NanoUSD(Int64.max))
            let more = BudgetDraft(tenant: "acme", limit: NanoUSD(1))
            let most = BudgetDraft(tenant: "acme", limit: NanoUSD(Int64.max))
            let topUp = await #expect(throws: LedgerError.self) { try await f.admin.topUpBudget(more) }
            #expect(topUp?.code == .invalid && topUp?.field == "amount-usd")
            let limit = await #expect(throws: LedgerError.self) { try await f.admin.setBudget(most) }
            #expect(limit?.code == .invalid && limit?.field == "limit-usd")
            let raised = await #expect(throws: LedgerError.self) {
                try await f.admin.overrideBudget(most, from: "2020-01-01", until: "2120-01-01")
            }
            #expect(raised?.code == .invalid && raised?.field == "limit-usd")
            #expect(try await f.number("select target from budget_periods") == Int64.max)
            #expect(try await f.admin.setBudget(more).periodLimit == NanoUSD(rest.rawValue + 1))
        }
    }

    @Test("what is carried over is shown before the period's first call, and opens nothing")
    func shown() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", limit: NanoUSD(100), rollover: .upTo(NanoUSD(60))))
            try await f.run("update budgets set created_at = date_trunc('month', now()) - interval '10 days'")
            let shown = try #require(try await f.admin.budgets(tenant: "acme").first)
            #expect(shown.carried == NanoUSD(60) && shown.periodLimit == NanoUSD(160))
            #expect(shown.state.limit == NanoUSD(160) && shown.limit == NanoUSD(100))
            #expect(try await f.number("select count(*) from budget_periods") == 0)
            #expect(try await f.ledger().reserve(f.reservation(160)).isGranted)
            let opened = try #require(try await f.admin.budgets(tenant: "acme").first)
            #expect(opened.carried == shown.carried && opened.periodLimit == shown.periodLimit)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("what is carried is reckoned at once, however many idle days there were before the roll-over's cap held it")
    func longIdle() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            _ = try await f.admin.setBudget(
                BudgetDraft(tenant: "acme", window: .day, limit: NanoUSD(100), rollover: .upTo(NanoUSD(250))))
            try await f.run("update budgets set created_at = '4000-01-01 BC'")
            // Two million days: half a minute, if each were gone through.
            let start = ContinuousClock.now
            #expect(try await f.admin.budgets(tenant: "acme").first?.carried == NanoUSD(250))
            #expect(try await f.admin.gauges().budgets.first?.state.limit == NanoUSD(350))
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }

    @Test("row 14: a new period opens with the whole limit and without a reset job, top-ups left behind")
    func turnover() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let clock = SettableClock(moment("2026-11-30T23:59:59Z"))
            let ledger = try await f.ledger(now: { clock.now })
            #expect(try await ledger.reserve(f.reservation(100)).isGranted)
            #expect(try await ledger.reserve(f.reservation(1)).refusedBy?.period == "month:2026-11")
            try await f.run("select gboost_top_up(1, 50, '2026-11-30T23:59:59Z')")
            #expect(try await ledger.reserve(f.reservation(50)).isGranted)
            clock.now = moment("2026-12-01T00:00:00Z")
            #expect(try await ledger.budgets(f.caller).first?.remaining == NanoUSD(100))
            #expect(try await ledger.reserve(f.reservation(101)).refusedBy?.limit == NanoUSD(100))
            #expect(try await ledger.reserve(f.reservation(100)).isGranted)
            #expect(try await f.number("select count(*) from budget_periods") == 2)
            #expect(try await f.violations() == 0)
        }
    }
}
