internal import Ledger

extension StatementPage {
    /// A line of either kind of breakdown.
    private struct Line {
        var name: String
        var nanoUSD: Int64
        /// Calls, or requests and tokens.
        var counts: [Int64]
    }

    private static let groupings = [
        (key: "team", name: "Team"), (key: "model", name: "Model"), (key: "route", name: "Route"),
        (key: "key", name: "Key"),
    ]

    /// What providers charged, each way.
    static func paid(_ statement: Statement) -> String {
        let tables = groupings.map { grouping in
            let lines = (statement.breakdown[grouping.key] ?? []).map { line in
                Line(name: line.name, nanoUSD: line.nanoUSD, counts: [line.calls])
            }
            return table(grouping.name, lines, counts: ["Calls"], style: "paid")
        }.joined(separator: "\n")
        return tables.allSatisfy(\.isWhitespace) ? "" : "<h2>Paid models</h2>\n\(tables)"
    }

    /// What local models are charged inside the company, each way.
    static func local(_ statement: Statement) -> String {
        let tables = groupings.map { grouping in
            let lines = (statement.chargeback[grouping.key] ?? []).map { line in
                Line(
                    name: line.name, nanoUSD: line.nanoUSD,
                    counts: [line.requests, line.inputTokens, line.outputTokens])
            }
            return table(grouping.name, lines, counts: ["Requests", "Tokens read", "Tokens written"], style: "local")
        }.joined(separator: "\n")
        return tables.allSatisfy(\.isWhitespace) ? "" : "<h2>Local models</h2>\n\(tables)"
    }

    private static func table(_ name: String, _ unsorted: [Line], counts: [String], style: String) -> String {
        guard !unsorted.isEmpty else { return "" }
        let lines = unsorted.sorted { ($1.nanoUSD, $0.name) < ($0.nanoUSD, $1.name) }
        let sum = lines.reduce(0) { $0 + $1.nanoUSD }
        let largest = max(1, lines.map(\.nanoUSD).max() ?? 1)
        let rows = lines.map { line in
            let width = max(0, Double(line.nanoUSD) / Double(largest) * 140)
            return """
                <tr><td>\(escaped(line.name))</td><td class="bar"><svg viewBox="0 0 140 9" style="width:140px">\
                <rect class="\(style)" width="\(StatementPlot.number(width))" height="9"/></svg></td>\
                \(line.counts.map { "<td class=\"n\">\(grouped($0))</td>" }.joined())\
                <td class="n share">\(share(line.nanoUSD, of: sum))</td>\(cell(line.nanoUSD))</tr>
                """
        }
        let totals = counts.indices.map { index in
            "<td class=\"n\">\(grouped(lines.reduce(0) { $0 + $1.counts[index] }))</td>"
        }
        return """
            <h3>By \(name.lowercased())</h3>
            <table class="parts \(style)-parts"><tr><th>\(name)</th><th class="bar"></th>\
            \(counts.map { "<th class=\"n count\">\($0)</th>" }.joined())\
            <th class="n share">Share</th><th class="n usd">USD</th></tr>\(rows.joined())\
            <tr class="total"><td>Total</td><td></td>\(totals.joined())<td class="n share"></td>\
            \(cell(sum))</tr></table>
            """
    }

    private static func share(_ part: Int64, of whole: Int64) -> String {
        whole > 0 ? "\(StatementPlot.number(Double(part) / Double(whole) * 100)) %" : ""
    }

    private static func grouped(_ number: Int64) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index % 3 == 0, digit != "-" { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}
