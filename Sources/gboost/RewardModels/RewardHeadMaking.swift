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

    /// Drafts answers to generated word problems with the SLM itself and labels them by how they end.
    ///
    /// Not by teacher forcing of right and corrupted steps: whether an equation is true cannot be read off this size of
    /// model (held-out AUROC 0.52 on such steps), whether the model is out of its depth can (0.87).
    func drafts(
        problems: Int, progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws -> [DraftedAnswer] {
        try await withModel { model in
            var answers: [DraftedAnswer] = []
            for problem in DraftedAnswer.problems(problems, seed: seed) {
                answers.append(try await DraftedAnswer.draft(problem, by: model, session: UUID()))
                progress(answers.count, problems)
            }
            return answers
        }
    }

    /// A head from the SLM's own drafts: every step of an answer has the answer's label.
    func train(on answers: [DraftedAnswer]) async throws -> RewardHead {
        let rows = answers.enumerated().flatMap { group, answer in
            answer.steps.map { RewardHeadTrainer.Row(hidden: $0.hidden, label: answer.isRight ? 1 : 0, group: group) }
        }
        return try RewardHeadTrainer(seed: seed).train(rows, baseSHA256: try await FileDigest.of(modelFile).sha256)
    }

    /// - Parameter progress: told after each answer how many of all are read.
    func train(
        _ examples: [StepExample], progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws -> RewardHead {
        let rows = try await withModel { model in
            try await self.rows(of: examples, model: model, progress: progress)
        }
        return try RewardHeadTrainer(seed: seed).train(rows, baseSHA256: try await FileDigest.of(modelFile).sha256)
    }

    /// Runs `body` with the model in an engine host of its own.
    private func withModel<R: Sendable>(_ body: (EngineModel) async throws -> R) async throws -> R {
        let quiet = Logger(label: "gboost") { _ in SwiftLogNoOpLogHandler() }
        let models = try EngineModels(settings: EngineSettings(), logger: quiet)
        do {
            let result = try await body(EngineModel(supervisor: try await models.supervisor(file: modelFile)))
            await models.shutdown()
            return result
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
