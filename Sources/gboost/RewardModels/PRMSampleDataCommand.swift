internal import ArgumentParser
internal import Foundation
internal import GatewayTesting

/// `gboost prm sample-data`: an SLM's own answers to generated word problems, labelled by how they end, to try
/// `gboost prm train` with.
struct PRMSampleDataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample-data",
        abstract: "Has an SLM answer generated word problems and writes the labelled steps as JSON lines.")

    @Option(help: "GGUF file of the SLM.") var modelFile: String
    @Option(help: "File to write.") var out: String
    @Option(help: "Word problems to generate.") var problems = 60
    @Option(help: "Seed; the same one gives the same file.") var seed: UInt64 = 1

    func validate() throws {
        guard (1...100_000).contains(problems) else { throw ValidationError("--problems must be 1 to 100000") }
    }

    func run() async throws {
        let making = RewardHeadMaking(modelFile: modelFile, seed: seed)
        let answers = try await making.drafts(problems: problems) { done, total in
            CommandOutput.progress("drafting answers", done, of: total)
        }
        let examples = answers.enumerated().map { $1.example(id: "word-\(seed)-\($0)") }
        try StepDataset.write(examples, to: URL(filePath: out))
        CommandOutput.print("\(examples.count) answers written to \(out)\n")
    }
}
