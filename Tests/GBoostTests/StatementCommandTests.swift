import Foundation
import Ledger
import Testing

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
            let early = await shell.run("statement close --tenant acme --month 2099-01")
            #expect(early.status == .failed && early.errors.contains("not over yet"))
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
                "unreconciled_nano_usd":0,"calls":2}]}}
                """)
        let page = StatementPage.html(statement)
        #expect(page.ranges(of: "<title>2028-02-").count == 29)
        #expect(page.contains("2028-02-29: 3.000000000 USD") && page.contains("Correction of 2028-01"))
        #expect(page.contains("2.999999996"))
    }
}
