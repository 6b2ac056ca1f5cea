internal import ArgumentParser
internal import Ledger

/// `gboost apply`.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Bring about what a file declares: tenants and all that is theirs, prices, destinations of events.")
    @OptionGroup var options: AdminOptions
    @Argument(help: "The file, in YAML.") var file: String
    @Flag(help: "Only say what would change. All of it is tried, and taken back.") var plan = false
    @Flag(
        help: "Take away keys, budgets, limits, routes and destinations of the declared tenants that are not declared.")
    var prune = false

    mutating func run() async throws {
        let (isPlan, prunes) = (plan, prune)
        let declared = try DeclaredState(reading: file)
        let makesKeys = declared.resources.contains { $0.name.kind == .key }
        let run = try await options.apply(file, trial: "--plan", isTrial: isPlan, needsPepper: makesKeys) {
            try await ApplyRun.run(declared, prunes: prunes, isPlan: isPlan, $0)
        }
        try options.show(run.report, text: run.text)
    }
}
