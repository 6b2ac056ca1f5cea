internal import ArgumentParser
internal import Foundation
internal import GatewayTesting
internal import Inference

/// `gboost prm train`: a reward head for an SLM, from labelled answers. Needs no database.
struct PRMTrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Trains a reward head for an SLM on labelled answers, and says by cross-validation how good it is.")

    /// What a head looks at.
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        /// The text, the likelihoods and the hidden states of all steps.
        case answer
        /// One hidden state.
        case linear
    }

    @OptionGroup var reading: ReadingOptions
    @Option(
        help: "Instead of data: have the model answer this many generated word problems, and learn from how they end.")
    var ownDrafts: Int?
    @Option(help: "Head file to write.") var out: String?
    @Option(help: "What the head looks at: answer (text and states of all steps) or linear (the last state).")
    var kind: Kind = .answer
    @Option(help: "Folds of the cross-validation, by problem.") var folds = 10
    @Option(help: "Seed of the folds; the same one gives the same head.") var seed: UInt64 = 1
    @Flag(help: "Print one JSON document.") var json = false

    func validate() throws {
        guard reading.data.isEmpty != (ownDrafts == nil) else {
            throw ValidationError("give either --data or --own-drafts")
        }
        guard (10...100_000).contains(ownDrafts ?? 10) else {
            throw ValidationError("--own-drafts must be 10 to 100000")
        }
        guard (2...100).contains(folds) else { throw ValidationError("--folds must be 2 to 100") }
        guard seed <= UInt64(Int64.max) else { throw ValidationError("--seed is too large") }
    }

    func run() async throws {
        if let out { try OutputFile.check(out) }
        let (data, metrics) = try await head()
        if let out { try OutputFile.write(data, to: out) }
        if json {
            try CommandOutput.print(json: metrics)
        } else {
            let figures = metrics.sorted { $0.key < $1.key }.map { "\($0.key) \(Self.rounded($0.value))" }
            let place = out.map { "head written to \($0): " } ?? ""
            CommandOutput.print("\(place)\(figures.joined(separator: ", "))\n")
        }
    }

    private func head() async throws -> (Data, [String: Double]) {
        let making = RewardHeadMaking(model: reading.model, seed: seed)
        if let ownDrafts {
            let answers = try await making.drafts(problems: ownDrafts) { done, total in
                CommandOutput.progress("drafting answers to learn from", done, of: total)
            }
            let head = try await making.train(on: answers)
            return (try head.encoded(), head.metrics)
        }
        let dataset = try await AnswerDataset.load(reading)
        if kind == .linear {
            let head = try making.train(dataset)
            return (try head.encoded(), head.metrics)
        }
        var head = try trainer.train(
            dataset.rows, baseSHA256: dataset.modelSHA256, embeddingLength: dataset.embeddingLength)
        let scores = try trainer.crossValidated(dataset.rows) { done, total in
            CommandOutput.progress("cross-validating", done, of: total)
        }
        head.calibration = CalibrationTable.fit(dataset.samples(scores).samples, seed: seed)
        head.metrics = metrics(dataset, scores)
        return (try head.encoded(), head.metrics)
    }

    private var trainer: AnswerHeadTrainer {
        var trainer = AnswerHeadTrainer(seed: seed)
        trainer.folds = folds
        return trainer
    }

    /// Of whole answers, by heads that never saw the problem.
    private func metrics(_ dataset: AnswerDataset, _ scores: [Double]) -> [String: Double] {
        let (whole, labels) = dataset.whole(scores)
        return [
            "answers": Double(whole.count), "rows": Double(dataset.rows.count),
            "auroc": RewardMetrics.auroc(scores: whole, labels: labels) ?? 0.5,
            "brier": RewardMetrics.brier(scores: whole, labels: labels),
            "ece": RewardMetrics.ece(scores: whole, labels: labels),
            "read": Double(dataset.questionStates.count { !$0.isEmpty }),
        ]
    }

    private static func rounded(_ value: Double) -> String { String((value * 10_000).rounded() / 10_000) }
}
