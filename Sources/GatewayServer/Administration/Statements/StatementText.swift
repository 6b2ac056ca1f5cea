internal import GatewayCore
package import Ledger

/// A statement for spreadsheets, and the rows of its balance for whoever prints them.
package enum StatementText {
    /// What the balance is made of; the last row is what the others add up to, but for what is part of another.
    package static func rows(_ statement: Statement) -> [(name: String, amount: Int64, note: String)] {
        var rows = [("opening", statement.openingNanoUSD, "")]
        if let open = statement.openBefore { rows.append((open.text, 0, "not closed, not included")) }
        rows.append(("spend", statement.spendNanoUSD, ""))
        if statement.unreconciledNanoUSD != 0 {
            rows.append(("of it unreconciled", statement.unreconciledNanoUSD, "posted in full"))
        }
        if statement.chargebackNanoUSD != 0 {
            rows.append(("slm chargeback", statement.chargebackNanoUSD, "local models, on no budget"))
        }
        rows += statement.corrections.map { ("correction of \($0.month)", $0.nanoUSD, "") }
        rows += statement.entries.map { ($0.kind.rawValue, $0.nanoUSD, "\($0.reason) (\($0.author))") }
        return rows + [("closing", statement.closingNanoUSD, "")]
    }

    /// The balance, then every breakdown, told apart by the first column.
    package static func csv(_ statement: Statement) -> String {
        var lines = [["section", "name", "usd", "nano_usd", "calls", "note"]]
        lines += rows(statement).map { row in
            ["balance", row.name, NanoUSD(row.amount).usdString, String(row.amount), "", row.note]
        }
        for grouping in SpendGrouping.allCases {
            lines += (statement.breakdown[grouping.rawValue] ?? []).map { line in
                [
                    grouping.rawValue, line.name, NanoUSD(line.nanoUSD).usdString, String(line.nanoUSD),
                    String(line.calls), "",
                ]
            }
        }
        for grouping in SpendGrouping.allCases {
            lines += (statement.chargeback[grouping.rawValue] ?? []).map { line in
                [
                    "slm_\(grouping.rawValue)", line.name, NanoUSD(line.nanoUSD).usdString, String(line.nanoUSD),
                    String(line.requests), "",
                ]
            }
        }
        return CSVText.render(lines)
    }
}
