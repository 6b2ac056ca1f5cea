internal import ArgumentParser
internal import EmbeddedPostgres
internal import Foundation
internal import Ledger
internal import Postgres

/// Parses and runs one command line, and says in one line why it failed.
enum CommandRun {
    /// Runs a command and says how it ended. A command that blocks for good (an engine host) does so on the caller's
    /// thread, the main one, and takes none from the cooperative pool; the others run in that pool.
    static func run(_ arguments: [String]) async -> CommandStatus {
        do {
            var command = try parse(arguments)
            if let command = command as? any AsyncParsableCommand {
                try await perform(command)
            } else {
                try command.run()
            }
            return .done
        } catch {
            let (status, text) = outcome(error)
            if status == .done {
                CommandOutput.print(text.hasSuffix("\n") ? text : text + "\n")
            } else if !text.isEmpty {
                CommandOutput.printError("gboost: \(oneLine(text))\n")
            }
            return status
        }
    }

    @concurrent private static func perform(_ command: sending any AsyncParsableCommand) async throws {
        var command = command
        try await command.run()
    }

    /// The command that the arguments name, with its options.
    static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        try GBoostCommand.parseAsRoot(arguments)
    }

    /// What an error means: its exit status and its text. An empty text: all has been said already.
    static func outcome(_ error: any Error) -> (status: CommandStatus, text: String) {
        switch error {
        case let failure as CommandFailure: return (failure.status, failure.message)
        case let error as ConfigurationError: return (.configuration, "configuration: \(error)")
        case let error as LedgerError:
            return (status(of: error), error.explanation)
        case let error as PostgresError: return outcome(LedgerError(error))
        case let error as EmbeddedPostgresError: return (.databaseUnreachable, "\(error)")
        case is CancellationError: return (.failed, "interrupted")
        case let code as ExitCode: return (CommandStatus(rawValue: code.rawValue) ?? .failed, "")
        default: if let text = FileFailure.text(error) { return (.failed, text) }
        }
        switch GBoostCommand.exitCode(for: error) {
        case .success: return (.done, GBoostCommand.message(for: error))
        case .validationFailure: return (.usage, GBoostCommand.message(for: error))
        default: return (.failed, GBoostCommand.message(for: error))
        }
    }

    private static func status(of error: LedgerError) -> CommandStatus {
        switch error.code {
        case .unavailable: .databaseUnreachable
        case .invalid: .usage
        case .database where error.field == "database.url": .configuration
        default: .failed
        }
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }.joined(separator: " ")
    }
}
