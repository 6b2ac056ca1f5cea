internal import ArgumentParser
internal import Foundation
internal import Ledger
internal import Postgres

/// Fills the ledger with many entries and requests.
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Loads ledger entries and request rows over six months, a fifth of them one tenant's.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "Rows of each kind.") var rows: Int64 = 10_000_000

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        let start = ContinuousClock.now
        try await world.admin.loadBenchmarkRows(rows, months: 6)
        print("{\"rows\": \(rows), \"seconds\": \((ContinuousClock.now - start) / .seconds(1))}")
    }
}

/// Times the monthly report of the largest tenant and of others.
struct ReportsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reports",
        abstract: "The monthly spend report by model, day and key; p95 in milliseconds, as JSON.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "Reports of each kind.") var count = 40

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        var parts: [String] = []
        for grouping in [SpendGrouping.model, .day, .key] {
            for (label, isLargest) in [("largest", true), ("others", false)] {
                var times: [Double] = []
                for number in 0..<count {
                    let tenant = isLargest ? "tenant-0" : "tenant-\(1 + number * 7 % 90)"
                    let start = ContinuousClock.now
                    let report = try await world.admin.spend(tenant: tenant, month: Self.lastMonth, by: grouping)
                    times.append((ContinuousClock.now - start) / .milliseconds(1))
                    guard !report.rows.isEmpty else {
                        throw BenchError(description: "an empty report: load rows first")
                    }
                }
                parts.append("\"\(grouping.rawValue)_\(label)_p95_ms\": \(times.sorted().quantile(0.95))")
            }
        }
        var times: [Double] = []
        for _ in 0..<max(1, count / 4) {
            let start = ContinuousClock.now
            let statement = try await world.admin.statement(tenant: "tenant-0", month: Self.lastMonth)
            times.append((ContinuousClock.now - start) / .milliseconds(1))
            guard statement.spendNanoUSD > 0 else { throw BenchError(description: "an empty statement") }
        }
        parts.append("\"statement_largest_ms\": \(times.sorted().quantile(0.95))")
        print("{" + parts.joined(separator: ", ") + "}")
    }

    private static var lastMonth: String {
        let date = Calendar(identifier: .gregorian).date(byAdding: .month, value: -1, to: Date()) ?? Date()
        return String(date.formatted(.iso8601).prefix(7))
    }
}
