internal import ArgumentParser

/// `gboost serve`: the gateway.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Runs the gateway until SIGTERM, SIGINT or SIGHUP.",
        discussion: "Each of them lets running answers end, settles them, and stops an embedded database.")

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Check the configuration and the secrets that it names, print what is in force, and stop.")
    var check = false
    @Flag(help: "With --check: print one JSON document.") var json = false

    func validate() throws {
        guard check || !json else { throw ValidationError("--json goes with --check") }
    }

    func run() async throws {
        let configuration = try options.load()
        guard !check else {
            let problems = configuration.unusableSecrets() + configuration.unusableTLS()
            guard !problems.isEmpty else {
                if json { return try CommandOutput.print(json: configuration.inForce) }
                return CommandOutput.print(configuration.describe())
            }
            let text = problems.map(\.description).joined(separator: "; ")
            throw CommandFailure("configuration: \(text)", status: .configuration)
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
