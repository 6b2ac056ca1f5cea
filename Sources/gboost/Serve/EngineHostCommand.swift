internal import ArgumentParser
internal import Inference

/// `gboost engine-host`: the child process that runs one model. Started by the gateway, not by people.
struct EngineHostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine-host", abstract: "Runs one model for the gateway (started by it).",
        shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough) var arguments: [String] = []

    func run() throws {
        let options: EngineHostOptions
        do {
            options = try EngineHostOptions(arguments: arguments)
        } catch {
            throw ValidationError("\(error)")
        }
        EngineHost.run(options)
    }
}
