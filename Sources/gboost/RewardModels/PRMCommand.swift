internal import ArgumentParser

/// `gboost prm`: making process reward models.
struct PRMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prm", abstract: "Makes process reward models.",
        subcommands: [
            PRMSampleDataCommand.self, PRMLabelCommand.self, PRMReadCommand.self, PRMTrainCommand.self,
            PRMScoreCommand.self,
            PRMCalibrateCommand.self, PRMEvaluateCommand.self,
        ])
}
