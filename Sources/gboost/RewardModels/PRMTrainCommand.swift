internal import ArgumentParser
internal import Foundation
internal import GatewayTesting
internal import Inference

/// `gboost prm train`: a reward head on an SLM's own hidden states, from labelled steps. Needs no database.
struct PRMTrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Trains a reward head on a model's own hidden states.")

    @Option(help: "GGUF file of the SLM.") var modelFile: String
    @Option(help: "JSON lines of labelled steps; may be repeated.") var data: [String] = []
    @Option(
        help: "Instead of data: have the model answer this many generated word problems, and learn from how they end.")
    var ownDrafts: Int?
    @Option(help: "Head file to write.") var out: String
    @Option(help: "Seed of the folds; the same one gives the same head.") var seed: UInt64 = 1
    @Flag(help: "Print one JSON document.") var json = false

    func validate() throws {
        guard data.isEmpty != (ownDrafts == nil) else {
            throw ValidationError("give either --data or --own-drafts")
        }
        guard (10...100_000).contains(ownDrafts ?? 10) else {
            throw ValidationError("--own-drafts must be 10 to 100000")
        }
    }

    func run() async throws {
        let making = RewardHeadMaking(modelFile: modelFile, seed: seed)
        let head: RewardHead
        if let ownDrafts {
            let answers = try await making.drafts(problems: ownDrafts) { done, total in
                CommandOutput.progress("drafting answers to learn from", done, of: total)
            }
            head = try await making.train(on: answers)
        } else {
            var examples: [StepExample] = []
            for path in data { examples += try StepDataset.read(URL(filePath: path)) }
            head = try await making.train(examples) { done, total in
                CommandOutput.progress("reading hidden states", done, of: total)
            }
        }
        try head.encoded().write(to: URL(filePath: out), options: .atomic)
        if json {
            try CommandOutput.print(json: head.metrics)
        } else {
            let metrics = head.metrics.sorted { $0.key < $1.key }.map { "\($0.key) \(Self.rounded($0.value))" }
            CommandOutput.print("head written to \(out): \(metrics.joined(separator: ", "))\n")
        }
    }

    private static func rounded(_ value: Double) -> String { String((value * 10_000).rounded() / 10_000) }
}
