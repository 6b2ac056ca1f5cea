internal import ArgumentParser
internal import Ledger

/// Fills the ledger with escalations for measurements of the audit.
struct RecordsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "records", abstract: "Loads escalations of twenty tenants, with their ledger entries.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "How many.") var rows: Int64 = 1_000_000

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        let start = ContinuousClock.now
        try await world.admin.loadBenchmarkRecords(rows)
        print("{\"rows\": \(rows), \"seconds\": \((ContinuousClock.now - start) / .seconds(1))}")
    }
}
