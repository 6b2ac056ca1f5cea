internal import Foundation
internal import GatewayCore
package import Ledger

/// A statement as one page of HTML that prints well: no scripts, nothing from elsewhere, plots as SVG.
package enum StatementPage {
    private static let style = """
        body{font:14px/1.45 system-ui,"Liberation Sans",Arial,sans-serif;margin:2.5rem auto;max-width:56rem;\
        padding:0 1.5rem;color:#1c2430}
        header{display:flex;justify-content:space-between;align-items:flex-start;border-bottom:2px solid #1c2430;\
        padding-bottom:.8rem}
        h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:.95rem;margin:1.2rem 0 .3rem}
        p{margin:.2rem 0;color:#556}.state{border:1px solid #556;border-radius:1rem;padding:.15rem .8rem;color:#556}
        .open{border-color:#b3540c;color:#b3540c}
        .cards{display:flex;gap:.8rem;margin:1.2rem 0 0}
        .card{flex:1;min-width:0;background:#f3f5f8;border-radius:.4rem;padding:.6rem .8rem;font-size:.85rem}
        .card strong{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}.card span{color:#556}
        .owed{background:#1c2430;color:#fff}.owed span,.owed small{color:#c9d2de}
        .card small{font-size:.6em;font-weight:400}
        table{border-collapse:collapse;width:100%}
        td,th{padding:.28rem .5rem;text-align:left;border-bottom:1px solid #e3e7ec;vertical-align:top}
        th{color:#556;font-weight:600;font-size:.85rem}
        td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        table.parts{table-layout:fixed}.parts td:first-child{overflow-wrap:anywhere}
        th.bar{width:150px}td.bar{vertical-align:middle}
        th.count{width:6.5rem}th.share{width:4.5rem}th.usd{width:9.5rem}
        small{color:#8a95a5;font-size:.8em}td.note{color:#556;font-size:.9em}
        tr.total td{font-weight:600;border-top:2px solid #1c2430;border-bottom:0}tr.part td{color:#556}
        tr.part td:first-child{padding-left:1.6rem}
        svg{display:block;width:100%;height:auto}.paid{fill:#3b6fb5}.local{fill:#3f9c7c}.grid{stroke:#e3e7ec}
        svg text{font-size:10px;fill:#556}.key{display:inline-block;width:.7rem;height:.7rem;margin:0 .3rem 0 .8rem}
        footer{margin-top:2.5rem;border-top:1px solid #e3e7ec;padding-top:.6rem;font-size:.82rem}
        .back{margin-bottom:1rem}.back a{color:#3b6fb5}
        @media screen and (max-width:40rem){body{margin:1rem auto;padding:0 .9rem}header{flex-wrap:wrap;gap:.5rem}
        .cards{flex-wrap:wrap}.card{flex:1 1 8rem}table.parts{table-layout:auto}th.bar{width:0}\
        th.bar,td.bar{padding:0}td.bar svg{display:none}th.count,th.share,th.usd{width:auto}
        table.parts{display:block;overflow-x:auto;font-size:.8em}.parts th{font-size:1em}th.n{white-space:normal}
        .parts td:first-child{overflow-wrap:break-word;min-width:5.5rem}\
        .local-parts .share{display:none}td,th{padding-left:.25rem;padding-right:.25rem}}
        @page{margin:16mm}
        @media print{.back{display:none}body{margin:0;max-width:none;padding:0}h2,h3{break-after:avoid}
        tr,svg,.cards{break-inside:avoid}
        *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
        """
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// The whole document. Names and reasons are escaped: they are other people's.
    /// - Parameter back: where a link leads that is not printed; nil: the page stands by itself.
    package static func html(_ statement: Statement, back: String? = nil) -> String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8">\
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(statement.tenant)), \(statement.month)</title>
        <link rel="icon" href="data:,">
        <style>\(style)</style></head><body>
        \(way(back, statement))\
        \(header(statement))
        \(cards(statement))
        <h2>Balance</h2>
        \(balance(statement))
        <h2>By day</h2>
        \(StatementPlot.days(statement))
        \(paid(statement))
        \(local(statement))
        \(footer(statement))
        </body></html>

        """
    }

    private static func way(_ back: String?, _ statement: Statement) -> String {
        guard let back else { return "" }
        return "<nav class=\"back\"><a href=\"\(escaped(back))\">‹ \(escaped(statement.tenant))</a></nav>\n"
    }

    private static func header(_ statement: Statement) -> String {
        let parts = statement.month.split(separator: "-").compactMap { Int($0) }
        let name = parts.count == 2 && (1...12).contains(parts[1]) ? "\(months[parts[1] - 1]) \(parts[0])" : ""
        let days = StatementPlot.daysOfMonth(statement.month)
        let state =
            statement.closedAt.map {
                "<div class=\"state\">Closed \($0.formatted(.iso8601)) by \(escaped(statement.closedBy ?? ""))</div>"
            } ?? "<div class=\"state open\">Open: as it stands, not what will be owed</div>"
        return """
            <header><div><h1>Statement of \(escaped(statement.tenant))</h1>
            <p>1 to \(days) \(name), time zone \(escaped(statement.timeZone)) · amounts in USD</p></div>
            \(state)</header>
            """
    }

    private static func cards(_ statement: Statement) -> String {
        let entered = statement.correctedNanoUSD + statement.enteredNanoUSD
        func card(_ name: String, _ amount: Int64, _ kind: String = "") -> String {
            "<div class=\"card \(kind)\"><span>\(name)</span><strong>\(money(amount))</strong></div>"
        }
        let cards = [
            card("Opening", statement.openingNanoUSD), card("Paid models", statement.spendNanoUSD),
            card("Local models", statement.chargebackNanoUSD), card("Other entries", entered),
            card(statement.closedAt == nil ? "Closing, so far" : "Closing", statement.closingNanoUSD, "owed"),
        ]
        return "<div class=\"cards\">\(cards.joined())</div>"
    }

    /// What the balance is made of.
    private static func balance(_ statement: Statement) -> String {
        let before = statement.openBefore == nil ? "closing of the month before" : "closing of the last closed month"
        var rows = [row("Opening balance", statement.openingNanoUSD, note: before)]
        if let open = statement.openBefore {
            rows.append(row(open.text, 0, note: "not closed, not included", kind: "part"))
        }
        rows.append(row("Paid models", statement.spendNanoUSD, note: "what providers charged, by the ledger"))
        if statement.unreconciledNanoUSD != 0 {
            rows.append(
                row(
                    "of it not reconciled", statement.unreconciledNanoUSD, note: "charge not known, posted in full",
                    kind: "part"))
        }
        rows.append(
            row("Local models", statement.chargebackNanoUSD, note: "charged inside the company; on no budget"))
        rows += statement.corrections.map {
            row("Correction of \($0.month)", $0.nanoUSD, note: "found out after that month was closed")
        }
        rows += statement.entries.map { entry in
            row(
                entry.kind.rawValue.capitalized, entry.nanoUSD,
                note: "\(entry.reason), entered \(entry.at.formatted(.iso8601).prefix(10)) by \(entry.author)")
        }
        rows.append(row("Closing balance", statement.closingNanoUSD, kind: "total"))
        return "<table>\(rows.joined())</table>"
    }

    private static func row(_ name: String, _ amount: Int64, note: String = "", kind: String = "") -> String {
        """
        <tr class="\(kind)"><td>\(escaped(name))</td><td class="note">\(escaped(note))</td>\(cell(amount))</tr>
        """
    }

    private static func footer(_ statement: Statement) -> String {
        """
        <footer><p>Amounts are exact to the nano-dollar: the grey digits are what is beyond the cent. Every breakdown \
        adds up to its total. A call counts on the day and in the month in which it began.</p>
        <p>Tenant \(escaped(statement.tenant)), month \(statement.month): from \(statement.from.formatted(.iso8601)) \
        until before \(statement.until.formatted(.iso8601)).</p></footer>
        """
    }

    // MARK: - Text

    /// An amount for people, its digits beyond the cent small, and the whole of it as its title.
    static func money(_ nanoUSD: Int64) -> String {
        let text = NanoUSD(nanoUSD).usdString
        let parts = text.split(separator: ".")
        guard parts.count == 2 else { return escaped(text) }
        let isNegative = parts[0].hasPrefix("-")
        let digits = Array(isNegative ? parts[0].dropFirst() : parts[0])
        var grouped = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { grouped.append(",") }
            grouped.append(digit)
        }
        let rest = String(parts[1].dropFirst(2))
        let sign = isNegative ? "−" : ""
        return "<span title=\"\(text) USD\">\(sign)\(grouped).\(parts[1].prefix(2))<small>\(rest)</small></span>"
    }

    static func cell(_ nanoUSD: Int64) -> String { "<td class=\"n\">\(money(nanoUSD))</td>" }

    /// By scalars, as browsers read: a combining mark beside one of the five makes another `Character` of it.
    static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
