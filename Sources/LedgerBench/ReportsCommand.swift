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
    @Flag(help: "All of them entries of one tenant in one month, and no requests.") var oneMonth = false

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        let start = ContinuousClock.now
        try await world.admin.loadBenchmarkRows(rows, months: oneMonth ? 1 : 6, share: oneMonth ? 1 : 5)
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
        // As gateways have done it since, a day after another.
        while try await world.admin.rollDays(atMost: 100) > 0 {}
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

    static var lastMonth: String {
        let date = Calendar(identifier: .gregorian).date(byAdding: .month, value: -1, to: Date()) ?? Date()
        return String(date.formatted(.iso8601).prefix(7))
    }
}

/// Times the statement of the first tenant's last month: as it is before and after its days are rolled up, and closed.
struct StatementsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statements", abstract: "A monthly statement over many entries; milliseconds as JSON.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "Statements of rolled up days.") var count = 20

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        var (statement, before) = try await Self.timed(world)
        let whole = statement
        let start = ContinuousClock.now
        var days = 0
        while true {
            let rolled = try await world.admin.rollDays(atMost: 1)
            if rolled == 0 { break }
            days += rolled
        }
        let rolling = (ContinuousClock.now - start) / .milliseconds(1)
        var times: [Double] = []
        for _ in 0..<count {
            let time: Double
            (statement, time) = try await Self.timed(world)
            times.append(time)
            guard statement == whole, statement.spendNanoUSD > 0 else {
                throw BenchError(description: "finished days change the statement")
            }
        }
        let closing = ContinuousClock.now
        _ = try await world.admin.closeStatement(tenant: "tenant-0", month: ReportsCommand.lastMonth)
        before = (before * 10).rounded() / 10
        print(
            """
            {"statement_of_entries_ms": \(before), "roll_a_day_ms": \(rolling / Double(max(1, days))), \
            "statement_p50_ms": \(times.sorted().quantile(0.5)), "statement_p95_ms": \(times.sorted().quantile(0.95)), \
            "close_ms": \((ContinuousClock.now - closing) / .milliseconds(1))}
            """)
    }

    private static func timed(_ world: BenchWorld) async throws -> (statement: Statement, milliseconds: Double) {
        let start = ContinuousClock.now
        let statement = try await world.admin.statement(tenant: "tenant-0", month: ReportsCommand.lastMonth)
        return (statement, (ContinuousClock.now - start) / .milliseconds(1))
    }
}
