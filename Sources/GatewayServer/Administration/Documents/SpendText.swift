internal import GatewayCore
package import Ledger

/// A month's spend for spreadsheets.
package enum SpendText {
    /// What is charged by providers, and what inside the company, tell apart by the last column.
    package static func csv(_ report: SpendReport) -> String {
        let head = [
            report.by.rawValue, "usd", "nano_usd", "unreconciled_nano_usd", "calls", "input_tokens", "output_tokens",
            "charge",
        ]
        let rows = report.rows.map { row in
            [
                row.name, NanoUSD(row.nanoUSD).usdString, String(row.nanoUSD), String(row.unreconciledNanoUSD),
                String(row.calls), String(row.inputTokens), String(row.outputTokens), "paid",
            ]
        }
        let local = report.chargebackRows.map { row in
            [
                row.name, NanoUSD(row.nanoUSD).usdString, String(row.nanoUSD), "0", String(row.requests),
                String(row.inputTokens), String(row.outputTokens), "slm",
            ]
        }
        return CSVText.render([head] + rows + local)
    }
}
