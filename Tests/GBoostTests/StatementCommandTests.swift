import Foundation
import Testing

@testable import GatewayServer
@testable import Ledger
@testable import gboost

@Suite("Statements as they are printed")
struct StatementCommandTests {
    @Test("a credit is entered and shown in every format; names cannot break out of the page; FOCUS has its columns")
    func formats() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let entered = await shell.run(
                "statement enter credit --tenant acme --amount-usd 1.5 --reason <b>&outage --json")
            #expect(entered.json("nano_usd") == "-1500000000", "\(entered.errors)")
            let show = "statement show --tenant acme --format "
            #expect(await shell.run(show + "json").json("closing_nano_usd") == "-1500000000")
            #expect(await shell.run(show + "table").output.contains("-1.500000000"))
            #expect(await shell.run(show + "csv").output.contains("balance,closing,-1.500000000,-1500000000"))
            let page = await shell.run(show + "html").output
            #expect(page.contains("&lt;b&gt;&amp;outage") && !page.contains("<b>") && page.contains("<svg"))
            #expect(!page.contains("http"))
            let focus = await shell.run("spend --tenant acme --format focus")
            #expect(focus.output == FocusText.columns.joined(separator: ",") + "\r\n", "\(focus.errors)")
            #expect(await shell.run("statement list --tenant acme").status == .done)
            let wrong = await shell.run("statement enter credit --tenant acme --amount-usd x --reason y")
            #expect(wrong.status == .usage && wrong.errors.contains("--amount-usd"))
            let less = await shell.run(
                "statement enter adjustment --tenant acme --amount-usd -5 --reason less --month 2098-01 --json")
            #expect(less.status == .done && less.json("nano_usd") == "-5000000000", "\(less.errors)")
            let blank = await shell.run("statement enter credit --tenant acme --amount-usd 1 --reason \n")
            #expect(blank.status != .done && blank.errors.contains("reason"), "\(blank.errors)")
            let early = await shell.run("statement close --tenant acme --month 2099-01")
            #expect(early.status == .failed && early.errors.contains("not over yet"))
            // Once it is deleted, all of it is found by its number.
            let number = try #require(await shell.run("tenant delete acme --json").json("id"))
            #expect(await shell.run(show + "json").status == .failed)
            let later = await shell.run("statement show --tenant #\(number) --json")
            #expect(later.json("closing_nano_usd") == "-1500000000", "\(later.errors)")
            #expect(later.json("tenant") == "acme")
            #expect(await shell.run("tenant list --deleted --json").json("tenants", "0", "id") == number)
            #expect(await shell.run("audit verify --tenant #\(number)").status == .done)
        }
    }

    @Test("a page has a bar for each day, also in February of a leap year, and each sum once more at its foot")
    func page() throws {
        let statement = try Statement(
            json: """
                {"tenant":"t","month":"2028-02","time_zone":"UTC","from":"2028-02-01T00:00:00Z",
                "until":"2028-03-01T00:00:00Z","opening_nano_usd":1,"spend_nano_usd":3000000000,
                "unreconciled_nano_usd":0,"corrections":[{"month":"2028-01","nano_usd":-5}],"entries":[],
                "closing_nano_usd":2999999996,"breakdown":{"day":[{"name":"2028-02-29","nano_usd":3000000000,
                "unreconciled_nano_usd":0,"calls":2}],"model":[{"name":"a/b","nano_usd":3000000000,
                "unreconciled_nano_usd":0,"calls":2}]},"chargeback_nano_usd":1234567000000005,
                "chargeback":{"day":[{"name":"2028-02-01","nano_usd":1234567000000005,"requests":9,
                "input_tokens":2000,"output_tokens":50}],"model":[{"name":"<own>","nano_usd":1234567000000005,
                "requests":9,"input_tokens":2000,"output_tokens":50}]}}
                """)
        let page = StatementPage.html(statement)
        #expect(page.ranges(of: "<title>2028-02-").count == 29)
        #expect(page.contains("2028-02-29: 3.000000000 USD") && page.contains("Correction of 2028-01"))
        #expect(page.contains("2.999999996"))
        #expect(page.contains("@media screen and (max-width:40rem){") && page.contains("href=\"data:,\""))
        #expect(!page.contains("<nav"))
        let inside = StatementPage.html(statement, back: "/console/tenants/a'b")
        #expect(inside.contains("<nav class=\"back\"><a href=\"/console/tenants/a&#39;b\">‹ t</a></nav>"))
        #expect(page.contains("1,234,567.00<small>0000005</small>") && page.contains("&lt;own&gt;"))
        #expect(page.contains("0.000000000 USD paid, 1234567.000000005 USD local"))
        let csv = StatementText.csv(statement)
        #expect(csv.contains("slm_model,<own>,1234567.000000005,1234567000000005,9,"))
        #expect(csv.contains("balance,slm chargeback,1234567.000000005,1234567000000005"))
        let text = StatementCommand.text(statement)
        #expect(text.contains("slm chargeback") && text.contains("LOCAL MODELS BY MODEL") && text.contains("2050"))
    }

    @Test("months that are open before an open month are a row of its balance, in every format")
    func openBefore() throws {
        let statement = try Statement(
            json: """
                {"tenant":"t","month":"2028-05","time_zone":"UTC","from":"2028-05-01T00:00:00Z",
                "until":"2028-06-01T00:00:00Z","open_before":{"first":"2028-03","last":"2028-04"},
                "opening_nano_usd":7,"spend_nano_usd":0,"unreconciled_nano_usd":0,"corrections":[],"entries":[],
                "closing_nano_usd":7,"breakdown":{}}
                """)
        let page = StatementPage.html(statement)
        #expect(page.contains("2028-03 to 2028-04") && page.contains("not closed, not included"))
        #expect(page.contains("closing of the last closed month") && !page.contains("closing of the month before"))
        let csv = StatementText.csv(statement)
        #expect(csv.contains("balance,2028-03 to 2028-04,0.000000000,0,,\"not closed, not included\""))
        let text = StatementCommand.text(statement)
        #expect(text.contains("2028-03 to 2028-04") && text.contains("not closed, not included"))
        #expect(try StatementCommand.render(statement, .json).contains("open_before"))
    }

    @Test("a mark that joins a character does not hide it from being escaped")
    func marks() {
        let hostile = "\u{600}<b>\u{301}\u{600}&\u{301}\u{600}\"\u{301}\u{600}'\u{301}"
        let shown = "\u{600}&lt;b&gt;\u{301}\u{600}&amp;\u{301}\u{600}&quot;\u{301}\u{600}&#39;\u{301}"
        #expect(Array(StatementPage.escaped(hostile).utf8) == Array(shown.utf8))
    }

    @Test("a correction has FOCUS' class of that name only in a billing period after the one that it corrects")
    func focusCorrections() throws {
        let (march, april) = (Date(timeIntervalSince1970: 1_772_323_200), Date(timeIntervalSince1970: 1_775_001_600))
        let may = Date(timeIntervalSince1970: 1_777_593_600)
        func fields(_ billing: Range<Date>, isCorrection: Bool) throws -> [String: String] {
            let row = FocusRow(
                tenantID: 1, tenant: "t", billing: billing, charge: march..<march.addingTimeInterval(86_400),
                nanoUSD: -12, calls: 0, inputTokens: 5, outputTokens: 6, provider: "sim", model: "m", priceID: 9,
                keyID: 3, isCorrection: isCorrection)
            let line = try #require(FocusText.csv([row]).split(separator: "\r\n").last)
            // The tags are last, and have commas.
            return Dictionary(
                zip(FocusText.columns, line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)),
                uniquingKeysWith: { first, _ in first })
        }
        let same = try fields(march..<april, isCorrection: true)
        #expect(same["ChargeClass"] == "" && same["ChargeDescription"] == "Correction of calls of sim/m")
        #expect(try fields(april..<may, isCorrection: true)["ChargeClass"] == "Correction")
        #expect(try fields(april..<may, isCorrection: false)["ChargeClass"] == "")
    }

    @Test("the report has what providers charge and what is charged inside, each as its own lines")
    func report() {
        let report = SpendReport(
            tenant: "t", month: "2026-11", by: .model, limitNanoUSD: nil, settledNanoUSD: 7, heldNanoUSD: 0,
            rows: [
                .init(name: "a/b", nanoUSD: 7, unreconciledNanoUSD: 0, calls: 1, inputTokens: 2, outputTokens: 3)
            ], chargebackNanoUSD: 12,
            chargebackRows: [.init(name: "own", nanoUSD: 12, requests: 4, inputTokens: 5, outputTokens: 6)])
        let lines = SpendText.csv(report).split(separator: "\r\n")
        #expect(lines.map { $0.split(separator: ",").last } == ["charge", "paid", "slm"])
        #expect(lines.last == "own,0.000000012,12,0,4,5,6,slm")
        let table = SpendCommand.table(report)
        #expect(table.contains("on no budget: 0.000000012 USD") && table.contains("LOCAL MODELS BY MODEL"))
        #expect(table.contains("settled 0.000000007 USD"))
        let row = FocusRow(
            tenantID: 1, tenant: "t", billing: Date.distantPast..<Date.distantFuture,
            charge: Date.distantPast..<Date.distantFuture, nanoUSD: 12, calls: 4, inputTokens: 5, outputTokens: 6,
            provider: "slm", model: "own", priceID: 9, keyID: 3, isChargeback: true, isCorrection: false)
        #expect(FocusText.csv([row]).contains("Work of the local model own"))
    }
}
