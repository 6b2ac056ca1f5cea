internal import ArgumentParser

/// Measures the ledger as a gateway uses it. `ops/bench ledger` runs it beside pgbench on the same server.
@main
struct LedgerBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger-bench", abstract: "Durable reservations and settlements, and reports over many rows.",
        subcommands: [
            PairsCommand.self, LoneCommand.self, LoadCommand.self, ReportsCommand.self, StatementsCommand.self,
            RecordsCommand.self, AbandonCommand.self, RecoverCommand.self,
        ])
}

/// Where the database is.
struct DatabaseOptions: ParsableArguments {
    @Option(help: "libpq URL of an empty database, or of one that this program has filled.") var url: String
    @Option(help: "Directory of the migrations.") var migrations: String
}
