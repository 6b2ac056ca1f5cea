internal import ArgumentParser
internal import GatewayServer
internal import Ledger

/// `gboost migrate`: brings the database's schema up to date.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Bring the database's schema up to date.",
        subcommands: [Apply.self, Status.self], defaultSubcommand: Apply.self)

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "apply", abstract: "Apply what is pending (the default).")
        @OptionGroup var options: AdminOptions

        struct Applied: Encodable {
            var version: Int
            var name: String
        }

        mutating func run() async throws {
            let configuration = try options.configuration.load()
            let migrations = try Migration.load(directory: configuration.ledger.migrations)
            let applied = try await DatabaseSession.run(configuration, as: nil) { pool in
                try await Migrator(pool: pool, migrations: migrations).migrate()
            }
            let list = applied.map { Applied(version: $0.version, name: $0.name) }
            let text = applied.isEmpty ? "nothing to apply\n" : applied.map { "applied \($0.name)\n" }.joined()
            try options.show(NamedList("applied", list), text: text)
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Say what is applied and what is not.")
        @OptionGroup var options: AdminOptions

        mutating func run() async throws {
            let configuration = try options.configuration.load()
            let migrations = try Migration.load(directory: configuration.ledger.migrations)
            let all = try await DatabaseSession.run(configuration, as: nil) { pool in
                try await Migrator(pool: pool, migrations: migrations).status()
            }
            try options.show(NamedList("migrations", all), text: Self.table(all))
        }

        static func table(_ all: [MigrationStatus]) -> String {
            var table = TextTable([.init("NAME"), .init("STATE"), .init("APPLIED")])
            table.rows = all.map { [$0.name, $0.state.rawValue, CommandOutput.time($0.at)] }
            return table.render()
        }
    }
}
