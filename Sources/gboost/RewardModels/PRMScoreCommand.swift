internal import ArgumentParser
internal import Foundation
internal import Inference

/// `gboost prm score`: rewards of recorded answers, as `gboost replay` takes them.
struct PRMScoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Scores recorded answers of an SLM step by step and writes what `gboost replay` reads.",
        discussion: """
            With --head, all answers are scored by it; it must not have seen them. Without, heads are trained on \
            the data itself, each answer being scored by one that never saw its problem.
            """)

    @OptionGroup var reading: ReadingOptions
    @Option(help: "Reward head to score with.") var head: String?
    @Option(help: "Folds of the cross-validation, by problem.") var folds = 10
    @Option(help: "Seed of the folds.") var seed: UInt64 = 1
    @Option(help: "File to write.") var out: String
    @Flag(help: "Print one JSON document.") var json = false

    /// What was done.
    struct Report: Encodable {
        var answers: Int
        var out: String
    }

    func validate() throws {
        guard !reading.data.isEmpty else { throw ValidationError("give --data") }
        guard (2...100).contains(folds) else { throw ValidationError("--folds must be 2 to 100") }
    }

    func run() async throws {
        try OutputFile.check(out)
        let dataset = try await AnswerDataset.load(reading)
        let scoring = AnswerScoring(dataset: dataset, head: head, folds: folds, seed: seed)
        let lines = try TextSignals(
            dataset: dataset, scores: try scoring.scores(), folds: folds, seed: seed
        ).lines()
        var data = Data()
        for line in lines { data.append(Data((try CommandOutput.json(line) + "\n").utf8)) }
        try OutputFile.write(data, to: out)
        if json { return try CommandOutput.print(json: Report(answers: lines.count, out: out)) }
        CommandOutput.print("\(lines.count) answers scored, written to \(out)\n")
    }
}
