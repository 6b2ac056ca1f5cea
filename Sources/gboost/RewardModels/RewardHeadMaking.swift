internal import Foundation
internal import GatewayCore
internal import GatewayTesting
internal import Inference
internal import Ledger

/// Makes a reward head: labelled steps in, hidden states by teacher forcing, a linear head with its calibration out.
struct RewardHeadMaking: Sendable {
    let model: SmallModel
    let seed: UInt64

    /// Drafts answers to generated word problems with the SLM itself and labels them by how they end.
    ///
    /// Not by teacher forcing of right and corrupted steps: whether an equation is true cannot be read off this size of
    /// model (held-out AUROC 0.52 on such steps), whether the model is out of its depth can (0.87).
    func drafts(
        problems: Int, progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws -> [DraftedAnswer] {
        try await model.run { model in
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
        return try RewardHeadTrainer(seed: seed).train(rows, baseSHA256: try await model.identity())
    }

    /// A linear head from the hidden states at the ends of labelled steps.
    func train(_ dataset: AnswerDataset) throws -> RewardHead {
        let width = dataset.embeddingLength
        let rows = dataset.rows.filter { !$0.state.isEmpty }.map { row in
            // The state holds likelihoods, the hidden state at the step's end, and a mean.
            RewardHeadTrainer.Row(
                hidden: Array(row.state.dropLast(width).suffix(width)), label: row.label, group: row.group)
        }
        return try RewardHeadTrainer(seed: seed).train(rows, baseSHA256: dataset.modelSHA256)
    }
}
