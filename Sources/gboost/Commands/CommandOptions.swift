internal import ArgumentParser

/// The option of every command that needs a configuration.
struct ConfigurationFileOption: ParsableArguments {
    @Option(name: .customLong("config"), help: "Configuration file; without it gboost.yaml, if it is there.")
    var file: String?

    init() {}

    init(file: String?) { self.file = file }

    func load(sets: [String] = []) throws(ConfigurationError) -> GatewayConfiguration {
        try GatewayConfiguration.load(file: file, sets: sets)
    }
}

/// Options of the commands that run by the configuration as a whole.
struct ConfigurationOptions: ParsableArguments {
    @OptionGroup var file: ConfigurationFileOption
    @Option(name: .customLong("set"), help: "Overrides a key, as in --set server.port=8081. May be repeated.")
    var sets: [String] = []

    func load() throws(ConfigurationError) -> GatewayConfiguration { try file.load(sets: sets) }
}

/// Options of the commands that administer the database.
struct AdminOptions: ParsableArguments {
    @OptionGroup var configuration: ConfigurationFileOption
    @Flag(help: "Print one JSON document.")
    var json = false

    init() {}

    init(configuration: ConfigurationFileOption, json: Bool) {
        self.configuration = configuration
        self.json = json
    }
}
