internal import ArgumentParser
internal import Foundation
internal import GatewayTesting

/// `gboost prm sample-data`: labelled steps of generated word problems, to try `gboost prm train` with.
struct PRMSampleDataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample-data", abstract: "Writes labelled steps of generated word problems as JSON lines.")

    @Option(help: "File to write.") var out: String
    @Option(help: "Word problems to generate.") var problems = 160
    @Option(help: "Steps of each problem that get a label, right and wrong.") var perProblem = 2
    @Option(help: "Seed; the same one gives the same file.") var seed: UInt64 = 1

    func validate() throws {
        guard (1...100_000).contains(problems) else { throw ValidationError("--problems must be 1 to 100000") }
        guard (1...16).contains(perProblem) else { throw ValidationError("--per-problem must be 1 to 16") }
    }

    func run() throws {
        let examples = RewardHeadMaking.examples(problems: problems, perProblem: perProblem, seed: seed)
        try StepDataset.write(examples, to: URL(filePath: out))
        CommandOutput.print("\(examples.count) answers written to \(out)\n")
    }
}
