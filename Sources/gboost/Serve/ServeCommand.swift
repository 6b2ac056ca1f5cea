internal import ArgumentParser
internal import Logging

/// `gboost serve`: the gateway.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Runs the gateway until SIGTERM or SIGINT.")

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Check the configuration, print what is in force, and stop.")
    var check = false

    func run() async throws {
        let configuration = try options.load()
        guard !check else {
            _ = try configuration.tlsFiles(Logger(label: "gboost"))
            return CommandOutput.print(configuration.describe())
        }
        let process = try await GatewayProcess.start(configuration)
        let scheme = configuration.server.tls == nil ? "http" : "https"
        try await process.run(announce: { port in
            CommandOutput.printError(
                "gboost: listening on \(scheme)://\(configuration.server.host):\(port), "
                    + "instance \(configuration.server.instance)\n")
        })
    }
}
