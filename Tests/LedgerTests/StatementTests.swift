import Foundation
import GatewayCore
import Testing

@testable import Ledger

/// A tenant in Berlin, whose clocks go forward on 2026-03-29; prices change in the middle of the month.
@Suite("Statements: a month closes, stays as it is, and equals the ledger")
struct StatementTests {
    private static func entry(
        _ f: LedgerFixture, _ moment: String, _ amount: Int64, kind: String = "charge", price: Int64? = nil
    ) async throws {
        try await f.run(
            """
            insert into ledger_entries (at, taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt,
              kind, held, amount, price_id, input_tokens, output_tokens, periods)
            select now(), '\(moment)', \(f.tenant.id), case when \(amount) % 2 = 0 then (select min(id) from teams) end,
              \(f.key.info.id), case when \(amount) % 2 = 0 then 'math' end, gen_random_uuid(), 0, 0, '\(kind)', 0,
              \(amount), \(price ?? f.priceID), 5, 2, '{}'
            """)
    }

    /// A call whose charge is not known, with its hold.
    private static func unreconciled(_ f: LedgerFixture, _ moment: String, _ amount: Int64, price: Int64) async throws {
        try await entry(f, moment, amount, kind: "unreconciled", price: price)
        try await f.run(
            """
            insert into holds (request_id, step, attempt, state, unreconciled, tenant_id, key_id, price_id, amount,
              actual, periods, gateway, taken_at)
            select request_id, 0, 0, 's', true, tenant_id, key_id, price_id, amount, amount, '{}',
              gen_random_uuid(), taken_at
            from ledger_entries where kind = 'unreconciled'
            """)
    }

    /// Every grouping of a statement, and the spend report's, add up to `amount`.
    private static func expectSpend(
        _ statement: Statement, _ amount: Int64, _ f: LedgerFixture, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        #expect(statement.spendNanoUSD == amount, sourceLocation: sourceLocation)
        #expect(statement.breakdown.count == SpendGrouping.allCases.count, sourceLocation: sourceLocation)
        for grouping in SpendGrouping.allCases {
            let lines = statement.breakdown[grouping.rawValue] ?? []
            #expect(lines.reduce(0) { $0 + $1.nanoUSD } == amount, "\(grouping)", sourceLocation: sourceLocation)
            let report = try await f.admin.spend(tenant: "acme", month: statement.month, by: grouping)
            #expect(report.rows.map(\.nanoUSD) == lines.map(\.nanoUSD), sourceLocation: sourceLocation)
        }
        let focus = try await f.admin.focus(tenant: "acme", month: statement.month)
        let corrected = statement.corrections.reduce(0) { $0 + $1.nanoUSD }
        #expect(focus.reduce(0) { $0 + $1.nanoUSD } == amount + corrected, sourceLocation: sourceLocation)
    }

    /// What was found of two months before, and the month's own.
    private static func expectCorrections(_ bill: [FocusRow], _ april: Statement) {
        #expect(bill.map(\.nanoUSD) == [3, -10000, 500_000] && bill.map(\.isCorrection) == [true, true, false])
        #expect(bill.allSatisfy { $0.billing == april.from..<april.until && $0.model == "general" })
        #expect(bill.map { $0.charge.upperBound <= april.from } == [true, true, false])
    }

    @Test(
        "a month with a DST change, a price change, credits and unreconciled calls; later findings go to the next one")
    func months() async throws {
        try await LedgerFixture.with(limit: nil, timeZone: "Europe/Berlin") { f in
            let dearer = try await f.admin.setPrice(
                PriceDraft(
                    model: LedgerFixture.model, inputUSDPerMtok: "3", outputUSDPerMtok: "4",
                    effectiveAt: Date(timeIntervalSince1970: 1_773_500_000)))
            // 23:00 UTC of the last day is the next day in Berlin; in summer it is 22:00.
            try await Self.entry(f, "2026-02-28 22:59:59Z", 7)
            try await Self.entry(f, "2026-02-28 23:00:00Z", 100)
            try await Self.entry(f, "2026-03-29 00:59:59Z", 1000)
            try await Self.entry(f, "2026-03-29 01:00:00Z", 2001, price: dearer.price.id)
            try await Self.unreconciled(f, "2026-03-31 21:59:59Z", 30000, price: dearer.price.id)
            try await Self.entry(f, "2026-03-31 22:00:00Z", 500_000)

            let early = await #expect(throws: LedgerError.self) {
                try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            }
            #expect(early?.description.contains("close 2026-02 first") == true)
            let february = try await f.admin.closeStatement(tenant: "acme", month: "2026-02")
            #expect(february.closingNanoUSD == 7 && february.openingNanoUSD == 0)

            let credit = try await f.admin.enter(
                .credit, NanoUSD(1200), tenant: "acme", reason: "an outage", month: "2026-03")
            #expect(credit.nanoUSD == -1200 && credit.author == "test")
            _ = try await f.admin.enter(.payment, NanoUSD(7), tenant: "acme", reason: "paid", month: "2026-03")
            _ = try await f.admin.enter(.adjustment, NanoUSD(50), tenant: "acme", reason: "support", month: "2026-03")
            let march = try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            try await Self.expectSpend(march, 33101, f)
            #expect(march.unreconciledNanoUSD == 30000 && march.closedBy == "test")
            #expect(march.breakdown["day"]?.map(\.name) == ["2026-03-01", "2026-03-29", "2026-03-31"])
            #expect(march.closingNanoUSD == 7 + 33101 - 1200 - 7 + 50)

            let stated = try await f.admin.focus(tenant: "acme", month: "2026-03")

            // The charge becomes known, and another call turns up.
            try await Self.entry(f, "2026-03-31 21:59:59Z", -10000, kind: "adjustment")
            try await Self.entry(f, "2026-02-28 22:00:00Z", 3)
            #expect(try await f.admin.statement(tenant: "acme", month: "2026-03") == march)
            #expect(try await f.admin.focus(tenant: "acme", month: "2026-03") == stated)
            // An open month's bill has them where it is the next to be closed.
            #expect(try await f.admin.focus(tenant: "acme", month: "2026-04").map(\.nanoUSD) == [3, -10000, 500_000])
            try await Self.expectSpend(f.admin.statement(tenant: "acme", month: "2026-04"), 500_000, f)
            #expect(try await f.admin.focus(tenant: "acme", month: "2026-05").isEmpty)
            try await Self.expectSpend(f.admin.statement(tenant: "acme", month: "2026-05"), 0, f)
            let april = try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            try await Self.expectSpend(april, 500_000, f)
            #expect(april.corrections.map(\.month) == ["2026-02", "2026-03"])
            #expect(april.corrections.map(\.nanoUSD) == [3, -10000])
            #expect(april.closingNanoUSD == march.closingNanoUSD + 500_000 + 3 - 10000)
            Self.expectCorrections(try await f.admin.focus(tenant: "acme", month: "2026-04"), april)
            // Each is said once.
            let may = try await f.admin.closeStatement(tenant: "acme", month: "2026-05")
            #expect(may.corrections.isEmpty && may.closingNanoUSD == april.closingNanoUSD)
            let owed = try await f.number(
                "select (select sum(amount) from ledger_entries) + (select sum(amount) from statement_entries)")
            #expect(may.closingNanoUSD == owed)
            #expect(try await f.admin.statements(tenant: "acme").map(\.month).first == "2026-05")
        }
    }

    @Test("a tenant moves to another zone: each hour is in one month, and what was closed stays", arguments: [10, -11])
    func moved(hours: Int) async throws {
        try await LedgerFixture.with(limit: nil) { f in
            // March's first and last moment in UTC, and what of April is another month's in one zone or the other.
            try await Self.entry(f, "2026-03-01 00:00:00Z", 1)
            try await Self.entry(f, "2026-03-31 23:59:59Z", 20)
            try await Self.entry(f, "2026-04-01 00:00:00Z", 300)
            try await Self.entry(f, "2026-04-30 13:00:00Z", 4000)
            try await Self.entry(f, "2026-04-30 20:00:00Z", 50000)
            let march = try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            #expect(march.spendNanoUSD == 21)
            let zone = hours > 0 ? "Australia/Brisbane" : "Pacific/Pago_Pago"
            _ = try await f.admin.setTenantTimeZone(zone, tenant: "acme")
            let april = try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            #expect(april.from == march.until && april.corrections.isEmpty)
            try await Self.expectSpend(april, hours > 0 ? 4300 : 54300, f)
            #expect(try await f.admin.focus(tenant: "acme", month: "2026-03").reduce(0) { $0 + $1.nanoUSD } == 21)
            let may = try await f.admin.closeStatement(tenant: "acme", month: "2026-05")
            #expect(may.corrections.isEmpty && may.closingNanoUSD == 54321)
        }
    }

    @Test(
        "what a version before this one has closed and corrected where a moved tenant was by then is not said again",
        arguments: [true, false])
    func movedBefore(isEast: Bool) async throws {
        let zones = isEast ? ["UTC", "Australia/Brisbane"] : ["Australia/Brisbane", "UTC"]
        try await LedgerFixture.with(limit: nil, timeZone: zones[0]) { f in
            let calls: [(String, Int64)] = [
                ("2026-02-10 00:00Z", 7), ("2026-02-28 20:00Z", 80), ("2026-03-10 00:00Z", 900),
                ("2026-03-31 20:00Z", 1000), ("2026-04-10 00:00Z", 20_000), ("2026-04-30 20:00Z", 300_000),
            ]
            for (at, amount) in calls { try await Self.entry(f, at, amount) }
            _ = try await f.admin.closeStatement(tenant: "acme", month: "2026-02")
            var april = try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            #expect(april.spendNanoUSD == (isEast ? 1900 : 980))
            _ = try await f.admin.setTenantTimeZone(zones[1], tenant: "acme")
            (april.month, april.timeZone) = ("2026-04", zones[1])
            april.from = moment(isEast ? "2026-03-31T14:00:00Z" : "2026-04-01T00:00:00Z")
            april.until = moment(isEast ? "2026-04-30T14:00:00Z" : "2026-05-01T00:00:00Z")
            april.openingNanoUSD = april.closingNanoUSD
            april.spendNanoUSD = isEast ? 21_000 : 320_000
            // February and March as they are in the new zone.
            april.corrections = [
                Statement.Correction(month: "2026-02", nanoUSD: isEast ? -80 : 80),
                Statement.Correction(month: "2026-03", nanoUSD: isEast ? -920 : 920),
            ]
            april.closingNanoUSD += april.spendNanoUSD + april.correctedNanoUSD
            try await Self.store(april, f)

            // In one zone it is April's, in the other March's.
            try await Self.entry(f, "2026-03-31 21:00Z", 5)
            let may = try await f.admin.closeStatement(tenant: "acme", month: "2026-05")
            #expect(may.from == april.until && may.correctedNanoUSD == 5)
            try await Self.expectSpend(may, isEast ? 300_000 : 0, f)
            #expect(try await f.number("select sum(amount) from ledger_entries") == may.closingNanoUSD)
            let june = try await f.admin.closeStatement(tenant: "acme", month: "2026-06")
            #expect(june.corrections.isEmpty && june.closingNanoUSD == may.closingNanoUSD)
        }
    }

    /// Puts a closed statement in its place, as another version of the program has worked it out.
    private static func store(_ statement: Statement, _ f: LedgerFixture) async throws {
        let document = try statement.jsonText()
        try await f.run(
            """
            insert into statements (tenant_id, month, closed_by, opening, spend, corrected, entered, closing, document,
              sha256)
            select \(f.tenant.id), '\(statement.month)', 'test', \(statement.openingNanoUSD),
              \(statement.spendNanoUSD), \(statement.correctedNanoUSD), 0, \(statement.closingNanoUSD), d,
              encode(sha256(convert_to(d, 'UTF8')), 'hex') from (values ($j$\(document)$j$)) x(d)
            """)
        for correction in statement.corrections {
            try await f.run(
                """
                insert into statement_corrections (tenant_id, month, of_month, amount)
                values (\(f.tenant.id), '\(statement.month)', '\(correction.month)', \(correction.nanoUSD))
                """)
        }
    }

    @Test("a deleted tenant's months are shown, credited and closed by its number, whoever has its name now")
    func deleted() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            try await Self.entry(f, "2026-03-10 12:00Z", 500)
            try await f.admin.deleteTenant("acme")
            _ = try await f.admin.createTenant(name: "acme")
            let number = "#\(f.tenant.id)"
            _ = try await f.admin.enter(.credit, NanoUSD(100), tenant: number, reason: "an outage", month: "2026-03")
            #expect(try await f.admin.statement(tenant: number, month: "2026-03").closingNanoUSD == 400)
            let march = try await f.admin.closeStatement(tenant: number, month: "2026-03")
            #expect(march.tenant == "acme" && march.closingNanoUSD == 400 && march.closedAt != nil)
            #expect(try await f.admin.statements(tenant: number).map(\.month) == ["2026-03"])
            #expect(try await f.admin.focus(tenant: number, month: "2026-03").map(\.nanoUSD) == [500])
            let events = try await f.admin.events(tenant: number).prefix(2)
            #expect(events.map(\.action) == ["statement.close", "statement.credit"])
            #expect(try await f.admin.statements(tenant: "acme").isEmpty)
            #expect(try await f.admin.statement(tenant: "acme", month: "2026-03").closingNanoUSD == 0)
        }
    }

    @Test("a payment of a month before the first call is in the balance: its month is the first to be closed")
    func paidBefore() async throws {
        try await LedgerFixture.with(limit: nil, timeZone: "Europe/Berlin") { f in
            try await Self.entry(f, "2026-04-10 12:00Z", 500)
            _ = try await f.admin.enter(.payment, NanoUSD(300), tenant: "acme", reason: "ahead", month: "2026-02")
            let skipping = await #expect(throws: LedgerError.self) {
                try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            }
            #expect(skipping?.code == .conflict && skipping?.description.contains("close 2026-02 first") == true)
            let february = try await f.admin.closeStatement(tenant: "acme", month: "2026-02")
            #expect(february.enteredNanoUSD == -300 && february.closingNanoUSD == -300)
            #expect(try await f.admin.closeStatement(tenant: "acme", month: "2026-03").closingNanoUSD == -300)
            let april = try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            #expect(april.openingNanoUSD == -300 && april.closingNanoUSD == 200)
        }
    }

    @Test("an open month says which months before it are open, too, and not in its opening")
    func openBefore() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            func open(_ month: String) async throws -> String? {
                try await f.admin.statement(tenant: "acme", month: month).openBefore?.text
            }
            #expect(try await open("2026-06") == nil)
            for (month, amount) in [("03", 500), ("04", 40), ("05", 3)] as [(String, Int64)] {
                try await Self.entry(f, "2026-\(month)-10 12:00Z", amount)
            }
            for month in ["2026-02", "2026-03"] { #expect(try await open(month) == nil) }
            #expect(try await open("2026-05") == "2026-03 to 2026-04")
            let march = try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            #expect(march.openBefore == nil)
            #expect(try await open("2026-04") == nil)
            let may = try await f.admin.statement(tenant: "acme", month: "2026-05")
            #expect(may.openBefore == Statement.OpenMonths(first: "2026-04", last: "2026-04"))
            #expect(may.openingNanoUSD == 500 && may.closingNanoUSD == 503)
            #expect(try await open("2027-01") == "2026-04 to 2026-12")
            let april = try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            #expect(april.openBefore == nil && april.closingNanoUSD == 540)
            #expect(try await open("2026-05") == nil)
        }
    }

    @Test("what a month's sum could not hold is not entered; a month that cannot be added up is mended")
    func doesNotFit() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            func enter(_ kind: StatementEntryKind, _ dollars: Int64) async throws {
                _ = try await f.admin.enter(
                    kind, NanoUSD(dollars * 1_000_000_000), tenant: "acme", reason: " big\n", month: "2026-03")
            }
            try await Self.entry(f, "2026-03-10 12:00Z", 500)
            try await enter(.credit, 9_200_000_000)
            let refused = await #expect(throws: LedgerError.self) { try await enter(.credit, 9_200_000_000) }
            #expect(refused?.code == .invalid && refused?.field == "amount")
            // As a version before this one took it.
            try await f.run(
                """
                insert into statement_entries (tenant_id, month, kind, amount, author, reason)
                values (\(f.tenant.id), '2026-03', 'credit', -9200000000000000000, 'test', 'big')
                """)
            await #expect(throws: LedgerError.self) { try await f.admin.statement(tenant: "acme", month: "2026-03") }
            try await enter(.adjustment, 9_200_000_000)
            // In their order they do not fit; all of them do.
            let march = try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            #expect(march.closingNanoUSD == -9_200_000_000_000_000_000 + 500)
            #expect(march.enteredNanoUSD == -9_200_000_000_000_000_000)
            #expect(march.entries.map(\.reason) == ["big", "big", "big"])
        }
    }

    @Test("no month is closed out of order, also not an earlier one, and none before the first takes an entry")
    func order() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            try await Self.entry(f, "2026-04-10 12:00Z", 500)
            func refusal(_ month: String) async -> LedgerError? {
                await #expect(throws: LedgerError.self) {
                    try await f.admin.closeStatement(tenant: "acme", month: month)
                }
            }
            // Nothing is carried on from before the first.
            #expect(await refusal("2026-05")?.description.contains("close 2026-04 first") == true)
            _ = try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            _ = try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            let early = await refusal("2026-02")
            #expect(early?.code == .conflict && early?.field == "month")
            #expect(early?.description.contains("2026-02 is before 2026-05, the month to close next") == true)
            #expect(await refusal("2026-06")?.description.contains("close 2026-05 first") == true)
            #expect(try await f.admin.statements(tenant: "acme").map(\.month).sorted() == ["2026-03", "2026-04"])
            for month in ["2025-12", "2026-02"] {
                let late = await #expect(throws: LedgerError.self) {
                    try await f.admin.enter(.payment, NanoUSD(1), tenant: "acme", reason: "late", month: month)
                }
                #expect(late?.code == .conflict && late?.field == "month")
                await #expect(throws: (any Error).self) {
                    try await f.run(
                        """
                        insert into statement_entries (tenant_id, month, kind, amount, author, reason)
                        values (\(f.tenant.id), '\(month)', 'payment', -1, 'me', 'behind its back')
                        """)
                }
            }
        }
    }

    @Test("a closed month takes nothing and cannot be changed; a running one, or one with open calls, is not closed")
    func closed() async throws {
        try await LedgerFixture.with { f in
            try await Self.entry(f, "2026-09-05 12:00Z", 10)
            let ledger = try await f.ledger()
            let call = f.reservation(1000)
            #expect(try await ledger.reserve(call).isGranted)
            try await f.run("update holds set taken_at = '2026-09-30 23:00Z'")
            func failure(_ month: String) async -> String? {
                do { _ = try await f.admin.closeStatement(tenant: "acme", month: month) } catch {
                    return "\(error.code) \(error.field ?? "")"
                }
                return nil
            }
            #expect(await failure("2026-09") == "conflict month")
            await ledger.settle(.of(call.id, .failed, 0))
            #expect(await failure("2026-09") == nil)
            #expect(await failure("2026-09") == "conflict month")
            #expect(await failure("2099-01") == "conflict month")
            #expect(await failure("2026-13") == "invalid month")
            let late = await #expect(throws: LedgerError.self) {
                try await f.admin.enter(.credit, NanoUSD(1), tenant: "acme", reason: "late", month: "2026-09")
            }
            #expect(late?.code == .conflict && late?.field == "month")
            for (amount, reason) in [(0, "x"), (-1, "x"), (1, ""), (1, " \n\t ")] {
                await #expect(throws: LedgerError.self) {
                    try await f.admin.enter(.credit, NanoUSD(Int64(amount)), tenant: "acme", reason: reason)
                }
            }
            for table in ["statements", "statement_entries", "statement_corrections"] {
                await #expect(throws: (any Error).self) { try await f.run("delete from \(table)") }
            }
            await #expect(throws: (any Error).self) {
                try await f.run(
                    """
                    insert into statement_entries (tenant_id, month, kind, amount, author, reason)
                    values (\(f.tenant.id), '2026-09', 'credit', -1, 'me', 'behind its back')
                    """)
            }
        }
    }
}
