internal import Foundation
internal import GatewayCore
internal import Ledger

/// A statement as one page of HTML that prints well: no scripts, nothing from elsewhere, plots as SVG.
enum StatementPage {
    private static let style = """
        body{font:14px/1.45 system-ui,sans-serif;margin:2.5rem auto;max-width:52rem;color:#1c2430}
        h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}p{margin:.2rem 0;color:#566}
        table{border-collapse:collapse;width:100%}
        td,th{padding:.25rem .5rem;text-align:left;border-bottom:1px solid #e3e7ec}
        td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
        tr.total td{font-weight:600;border-top:2px solid #1c2430}
        svg{width:100%;height:auto}rect{fill:#3b6fb5}text{font-size:11px;fill:#566}
        @media print{body{margin:0;max-width:none}h2{break-after:avoid}tr{break-inside:avoid}}
        """

    static func html(_ statement: Statement) -> String {
        let state = statement.closedAt.map { "Closed \(CommandOutput.time($0)) by \(statement.closedBy ?? "")" }
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>\(escaped(statement.tenant)), \(statement.month)</title>
            <style>\(style)</style></head><body>
            <h1>Statement of \(escaped(statement.tenant)), \(statement.month)</h1>
            <p>\(CommandOutput.time(statement.from)) to \(CommandOutput.time(statement.until)) \
            (\(escaped(statement.timeZone)))</p>
            <p>\(escaped(state ?? "Open: this is how it stands, not what will be owed"))</p>
            \(summary(statement))
            \(days(statement))
            \(["model", "team", "route", "key"].map { breakdown($0, statement) }.joined(separator: "\n"))
            </body></html>

            """
    }

    /// What the balance is made of.
    private static func summary(_ statement: Statement) -> String {
        var rows = [row("Opening", statement.openingNanoUSD), row("Spend", statement.spendNanoUSD)]
        if statement.unreconciledNanoUSD != 0 {
            rows.append(
                row("of it unreconciled", statement.unreconciledNanoUSD, note: "charge not known, posted in full"))
        }
        rows += statement.corrections.map { row("Correction of \($0.month)", $0.nanoUSD) }
        rows += statement.entries.map { entry in
            row(entry.kind.rawValue.capitalized, entry.nanoUSD, note: "\(entry.reason) (\(entry.author))")
        }
        rows.append(row("Closing", statement.closingNanoUSD, isTotal: true))
        return "<h2>Balance</h2><table><tr><th></th><th></th><th class=\"n\">USD</th></tr>\(rows.joined())</table>"
    }

    private static func row(_ name: String, _ amount: Int64, note: String = "", isTotal: Bool = false) -> String {
        """
        <tr\(isTotal ? " class=\"total\"" : "")><td>\(escaped(name))</td><td>\(escaped(note))</td>\
        <td class="n">\(NanoUSD(amount).usdString)</td></tr>
        """
    }

    private static func breakdown(_ grouping: String, _ statement: Statement) -> String {
        let lines = (statement.breakdown[grouping] ?? []).sorted { ($1.nanoUSD, $0.name) < ($0.nanoUSD, $1.name) }
        guard !lines.isEmpty else { return "" }
        let largest = Double(max(1, lines.map(\.nanoUSD).max() ?? 1))
        let rows = lines.map { line in
            let width = max(0, Double(line.nanoUSD) / largest * 160)
            return """
                <tr><td>\(escaped(line.name))</td><td style="width:170px"><svg viewBox="0 0 160 10" \
                style="width:160px"><rect width="\(number(width))" height="10"/></svg></td>\
                <td class="n">\(line.calls)</td><td class="n">\(NanoUSD(line.nanoUSD).usdString)</td></tr>
                """
        }
        return """
            <h2>By \(grouping)</h2><table><tr><th>\(grouping)</th><th></th><th class="n">calls</th>\
            <th class="n">USD</th></tr>\(rows.joined())\(total(lines))</table>
            """
    }

    private static func total(_ lines: [Statement.Line]) -> String {
        let calls = lines.reduce(0) { $0 + $1.calls }
        let sum = NanoUSD(lines.reduce(0) { $0 + $1.nanoUSD }).usdString
        return
            "<tr class=\"total\"><td>total</td><td></td><td class=\"n\">\(calls)</td><td class=\"n\">\(sum)</td></tr>"
    }

    /// A bar for each day of the month, those without spend included.
    private static func days(_ statement: Statement) -> String {
        let spends = Dictionary(
            (statement.breakdown["day"] ?? []).map { ($0.name, $0.nanoUSD) }, uniquingKeysWith: { $0 + $1 })
        let days = daysOfMonth(statement.month)
        let largest = Double(max(1, spends.values.max() ?? 1))
        let width = 700 / Double(max(1, days))
        let bars = (1...max(1, days)).map { day in
            let name = "\(statement.month)-\(day < 10 ? "0" : "")\(day)"
            let spend = spends[name] ?? 0
            let height = max(0, Double(spend) / largest * 120)
            let x = Double(day - 1) * width
            let label = day == 1 || day % 5 == 0 ? "<text x=\"\(number(x))\" y=\"142\">\(day)</text>" : ""
            return """
                <rect x="\(number(x))" y="\(number(126 - height))" width="\(number(width * 0.8))" \
                height="\(number(height))"><title>\(name): \(NanoUSD(spend).usdString) USD</title></rect>\(label)
                """
        }
        return "<h2>By day</h2><svg viewBox=\"0 0 700 146\" role=\"img\">\(bars.joined())</svg>"
    }

    private static func daysOfMonth(_ month: String) -> Int {
        let parts = month.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 2 else { return 31 }
        let isLeap = parts[0] % 4 == 0 && (parts[0] % 100 != 0 || parts[0] % 400 == 0)
        return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][max(0, min(11, parts[1] - 1))]
    }

    private static func number(_ value: Double) -> String { String((value * 10).rounded() / 10) }

    static func escaped(_ text: String) -> String {
        var out = ""
        for character in text {
            switch character {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.append(character)
            }
        }
        return out
    }
}
