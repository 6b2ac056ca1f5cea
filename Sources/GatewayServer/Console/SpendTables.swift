internal import GatewayCore
internal import Ledger

/// One way to break a month's spend down, the largest first.
struct SpendTable: Sendable {
    /// More are added up in one line.
    static let maxRows = 25

    struct Row: Sendable {
        let name: String
        let amount: ConsoleAmount
        let share: String
        /// Width of a hundred, beside the largest.
        let width: String
        let calls: String
        let inputTokens: String
        let outputTokens: String
        /// Of the amount, what was posted without knowing the charge; nil: nothing.
        let unknown: ConsoleAmount?
    }

    let heading: String
    let rows: [Row]
    /// What the rows beyond the last one come to; nil: there are none.
    let others: ConsoleAmount?
    let otherCount: String
    let total: ConsoleAmount
    let calls: String

    /// - Parameter names: what to call rows that are known by a number.
    init(_ heading: String, _ all: [SpendReport.Row], names: [String: String] = [:]) {
        self.heading = heading
        let sorted = Self.sorted(all)
        let total = OverviewPage.sum(sorted.map { NanoUSD($0.nanoUSD) })
        let largest = max(1, sorted.first?.nanoUSD ?? 1)
        rows = sorted.prefix(Self.maxRows).map { row in
            Row(
                name: names[row.name] ?? row.name, amount: ConsoleAmount(nanoUSD: row.nanoUSD),
                share: ConsoleText.percent(row.nanoUSD, of: total?.rawValue ?? 0),
                width: ConsoleText.decimal(max(0, Double(row.nanoUSD) / Double(largest)) * 100),
                calls: ConsoleText.grouped(row.calls), inputTokens: ConsoleText.grouped(row.inputTokens),
                outputTokens: ConsoleText.grouped(row.outputTokens),
                unknown: row.unreconciledNanoUSD == 0 ? nil : ConsoleAmount(nanoUSD: row.unreconciledNanoUSD))
        }
        let rest = sorted.dropFirst(Self.maxRows)
        others = rest.isEmpty ? nil : ConsoleAmount(OverviewPage.sum(rest.map { NanoUSD($0.nanoUSD) }))
        otherCount = ConsoleText.grouped(Int64(rest.count))
        self.total = ConsoleAmount(total)
        calls = ConsoleText.grouped(sorted.reduce(Int64(0)) { $0 &+ $1.calls })
    }

    /// The largest first.
    static func sorted(_ rows: [SpendReport.Row]) -> [SpendReport.Row] {
        rows.sorted { ($1.nanoUSD, $0.name) < ($0.nanoUSD, $1.name) }
    }
}

/// A month's spend of a tenant.
struct SpendSection: Sendable {
    /// What local models are charged inside the company.
    struct Chargeback: Sendable {
        let name: String
        let amount: ConsoleAmount
        let requests: String
        let inputTokens: String
        let outputTokens: String
    }

    let month: String
    let total: ConsoleAmount
    let calls: String
    let isEmpty: Bool
    let tables: [SpendTable]
    /// Nil: there is nothing to draw.
    let plot: DayPlot?
    let hasChargeback: Bool
    let chargeback: [Chargeback]
    let chargebackTotal: ConsoleAmount

    /// The numbers of the keys that are shown by themselves.
    static func keys(_ spend: SpendBreakdown) -> [Int64] {
        SpendTable.sorted(spend.rows[.key] ?? []).prefix(SpendTable.maxRows).compactMap { row in
            row.name.hasPrefix("key:") ? Int64(row.name.dropFirst(4)) : nil
        }
    }

    init(_ spend: SpendBreakdown, keyNames: [String: String]) {
        func rows(_ grouping: SpendGrouping) -> [SpendReport.Row] { spend.rows[grouping] ?? [] }
        month = spend.month
        let days = rows(.day)
        total = ConsoleAmount(OverviewPage.sum(days.map { NanoUSD($0.nanoUSD) }))
        calls = ConsoleText.grouped(days.reduce(Int64(0)) { $0 &+ $1.calls })
        isEmpty = days.isEmpty
        tables = [
            SpendTable("By model", rows(.model)), SpendTable("By team", rows(.team)),
            SpendTable("By key", rows(.key), names: keyNames), SpendTable("By route", rows(.route)),
        ].filter { !$0.rows.isEmpty }
        let amounts = Dictionary(days.map { ($0.name, $0.nanoUSD) }, uniquingKeysWith: { $0 &+ $1 })
        plot = days.isEmpty ? nil : DayPlot(month: spend.month, spend: amounts)
        let local = spend.chargeback[.model] ?? []
        hasChargeback = !local.isEmpty
        chargeback = local.map { line in
            Chargeback(
                name: line.name, amount: ConsoleAmount(nanoUSD: line.nanoUSD),
                requests: ConsoleText.grouped(line.requests), inputTokens: ConsoleText.grouped(line.inputTokens),
                outputTokens: ConsoleText.grouped(line.outputTokens))
        }
        chargebackTotal = ConsoleAmount(OverviewPage.sum(local.map { NanoUSD($0.nanoUSD) }))
    }
}
