internal import ArgumentParser
internal import Foundation
internal import Inference

/// `gboost prm evaluate`: how good a reward head is on labelled answers.
struct PRMEvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract:
            "Says how well rewards tell right answers from wrong ones, by depth, and how well calibrated they are.",
        discussion:
            "Without --head, heads are trained on the data itself; each answer is judged by one that never saw it.")

    @OptionGroup var reading: ReadingOptions
    @Option(help: "Reward head to evaluate; the data must not be what it was trained on.") var head: String?
    @Option(help: "Folds of the cross-validation where no head is given.") var folds = 10
    @Option(help: "Samples drawn for the intervals.") var resamples = 500
    @Option(help: "Seed of the folds and of the samples.") var seed: UInt64 = 1
    @Option(help: "SVG file for the reliability plot.") var plot: String?
    @Flag(help: "Print one JSON document.") var json = false

    func validate() throws {
        guard !reading.data.isEmpty else { throw ValidationError("give --data") }
        guard (2...100).contains(folds) else { throw ValidationError("--folds must be 2 to 100") }
        guard (10...RewardEvaluation.maxResamples).contains(resamples) else {
            throw ValidationError("--resamples must be 10 to \(RewardEvaluation.maxResamples)")
        }
    }

    func run() async throws {
        if let plot { try OutputFile.check(plot, option: "--plot") }
        let dataset = try await AnswerDataset.load(reading)
        let scoring = AnswerScoring(dataset: dataset, head: head, folds: folds, seed: seed)
        let (samples, groups) = dataset.samples(try scoring.calibrated())
        let evaluation = RewardEvaluation(samples, groups: groups, resamples: resamples, seed: seed)
        if let plot {
            let svg = ReliabilityPlot(evaluation: evaluation).svg
            try OutputFile.write(Data(svg.utf8), to: plot, option: "--plot")
        }
        if json { return try CommandOutput.print(json: EvaluationDocument(evaluation)) }
        var table = TextTable([
            .init("depth"), .init("steps", .right), .init("right", .right), .init("AUROC"), .init("Brier"),
            .init("ECE"),
        ])
        for depth in CalibrationTable.Depth.allCases {
            guard let figures = evaluation.depths[depth.rawValue] else { continue }
            table.rows.append([
                depth.rawValue, "\(figures.rows)", Self.text(figures.right), figures.auroc.map(Self.text) ?? "",
                Self.text(figures.brier), Self.text(figures.ece),
            ])
        }
        CommandOutput.print(table.render())
    }

    private static func text(_ interval: RewardEvaluation.Interval) -> String {
        "\(text(interval.value)) (\(text(interval.low))-\(text(interval.high)))"
    }

    private static func text(_ value: Double) -> String {
        value.formatted(.number.precision(.fractionLength(3)).locale(Locale(identifier: "en_US")))
    }
}
