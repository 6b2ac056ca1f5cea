internal import Foundation
internal import GatewayCore
internal import GatewayTesting
internal import Inference
internal import Ledger
internal import Logging

/// Makes a reward head: labelled steps in, hidden states by teacher forcing, a linear head with its calibration out.
struct RewardHeadMaking: Sendable {
    let modelFile: String
    let seed: UInt64

    /// Labelled answers of generated word problems, of all difficulties up to four.
    static func examples(problems: Int, perProblem: Int = 2, seed: UInt64) -> [StepExample] {
        var generator = WordProblemGenerator(seed: seed)
        let list = (0..<problems).map { number in
            generator.next(difficulty: 1 + number % 4, size: number % 3 == 0 ? .medium : .small)
        }
        return StepDataset.examples(problems: list, perProblem: perProblem, seed: seed)
    }

    /// - Parameter progress: told after each answer how many of all are read.
    func train(
        _ examples: [StepExample], progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws -> RewardHead {
        var settings = EngineSettings()
        settings.threads = ProcessInfo.processInfo.activeProcessorCount
        let models = try EngineModels(
            settings: settings, logger: Logger(label: "gboost") { _ in SwiftLogNoOpLogHandler() })
        do {
            let model = EngineModel(supervisor: try await models.supervisor(file: modelFile))
            let rows = try await rows(of: examples, model: model, progress: progress)
            await models.shutdown()
            return try RewardHeadTrainer(seed: seed).train(rows, baseSHA256: try await FileDigest.of(modelFile).sha256)
        } catch {
            await models.shutdown()
            throw error
        }
    }

    private func rows(
        of examples: [StepExample], model: EngineModel, progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws -> [RewardHeadTrainer.Row] {
        var rows: [RewardHeadTrainer.Row] = []
        var groups: [String: Int] = [:]
        for (index, example) in examples.enumerated() {
            let question = [ChatMessage(role: "user", content: example.question)]
            let states = try await model.hiddenStates(messages: question, steps: example.steps)
            // Right and wrong answers to one question stay in one fold.
            let group = groups[example.question] ?? groups.count
            groups[example.question] = group
            for (state, label) in zip(states, example.labels) {
                guard let label else { continue }
                rows.append(.init(hidden: state, label: label ? 1 : 0, group: group))
            }
            progress(index + 1, examples.count)
        }
        return rows
    }
}
