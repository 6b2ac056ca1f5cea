internal import ArgumentParser

/// The program. Everything it does is a subcommand; every end has one of the statuses of `CommandStatus`.
@main struct GBoost {
    static func main() async {
        let status = await CommandRun.run(Array(CommandLine.arguments.dropFirst()))
        GBoostCommand.exit(withError: ExitCode(status.rawValue))
    }
}

/// The root of the command tree.
struct GBoostCommand: AsyncParsableCommand {
    /// That of the HTTP interface's description, too, and of images and manifests.
    static let version = "0.1.0"
    static let configuration = CommandConfiguration(
        commandName: "gboost",
        abstract: "A gateway in front of paid LLM APIs: private small models answer, a budget guards what is paid.",
        version: "gboost \(version)", subcommands: all)

    /// Every subcommand, in the order of the help text. The one place to register another.
    private static var all: [any ParsableCommand.Type] {
        [
            ServeCommand.self, DemoCommand.self, MigrateCommand.self, TenantCommand.self, TeamCommand.self,
            KeyCommand.self, BudgetCommand.self, LimitCommand.self, ModelCommand.self, RouteCommand.self,
            PriceCommand.self, ApplyCommand.self, ImportCommand.self, SpendCommand.self, StatementCommand.self,
            ReconcileCommand.self,
            EscalationsCommand.self, AuditCommand.self,
            HoldsCommand.self, DestinationCommand.self, OutboxCommand.self,
            RetentionCommand.self,
            PRMCommand.self, ReplayCommand.self, DoctorCommand.self,
            SimulateProviderCommand.self, EngineHostCommand.self, EngineHostProbeCommand.self,
        ]
    }
}
