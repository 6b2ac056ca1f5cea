internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayTesting

/// `gboost prm sample-data`: generated problems to try the other commands with, and an SLM's own answers to them.
struct PRMSampleDataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample-data",
        abstract: "Has an SLM answer generated word problems and writes the labelled steps as JSON lines.",
        discussion:
            "With --sums: chains of additions and their answers, as `prm label` takes them; no model is needed.")

    @Option(help: "GGUF file of the SLM.") var modelFile: String?
    @Option(help: "File to write.") var out: String
    @Option(help: "Problems to generate.") var problems = 60
    @Option(help: "Seed; the same one gives the same file.") var seed: UInt64 = 1
    @Flag(help: "Chains of additions with two solved ones before each, and nobody's answers.") var sums = false
    @Flag(help: "With --sums: chains of six to twelve numbers, and an instruction instead of solved ones.")
    var long = false
    @Flag(help: "Print one JSON document.") var json = false

    /// What was done.
    struct Report: Encodable {
        var questions: Int
        /// Of them answered by the model.
        var answers: Int
        var out: String
    }

    func validate() throws {
        guard (1...100_000).contains(problems) else { throw ValidationError("--problems must be 1 to 100000") }
        guard sums || !long else { throw ValidationError("--long goes with --sums") }
        guard sums != (modelFile != nil) else { throw ValidationError("give either --model-file or --sums") }
    }

    /// A question with its answer.
    private struct Question: Encodable {
        var id: String
        var context: [ChatMessage]
        var question: String
        var answer: String
    }

    func run() async throws {
        try OutputFile.check(out)
        if let modelFile { return try await answered(by: modelFile) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var data = Data()
        let chains = SumChain.problems(problems, seed: seed, length: long ? .long : .short)
        for (index, problem) in chains.enumerated() {
            let question = Question(
                id: "sum-\(seed)-\(index)", context: long ? [SumChain.instruction] : SumChain.examples,
                question: problem.question,
                answer: String(problem.answer))
            data.append(try encoder.encode(question) + Data([0x0a]))
        }
        try OutputFile.write(data, to: out)
        if json { return try CommandOutput.print(json: Report(questions: problems, answers: 0, out: out)) }
        CommandOutput.print("\(problems) questions written to \(out)\n")
    }

    private func answered(by model: String) async throws {
        let making = RewardHeadMaking(model: SmallModel(file: model), seed: seed)
        let answers = try await making.drafts(problems: problems) { done, total in
            CommandOutput.progress("drafting answers", done, of: total)
        }
        let examples = answers.enumerated().map { $1.example(id: "word-\(seed)-\($0)") }
        do {
            try StepDataset.write(examples, to: URL(filePath: out))
        } catch {
            throw OutputFile.failure(error, of: out)
        }
        if json {
            let count = examples.count
            return try CommandOutput.print(json: Report(questions: problems, answers: count, out: out))
        }
        CommandOutput.print("\(examples.count) answers written to \(out)\n")
    }
}
