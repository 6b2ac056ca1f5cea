internal import Foundation
internal import Inference

/// Scores the rows of a dataset: with a head from a file, or with heads that are trained on the dataset itself and
/// never saw the problem they score.
struct AnswerScoring {
    let dataset: AnswerDataset
    /// Path of a head file; nil: cross-validation.
    let head: String?
    let folds: Int
    let seed: UInt64

    /// Calibrated chances by row; of a cross-validation as they come, which is calibrated by construction.
    func calibrated() throws -> [Double] {
        let raw = try scores()
        guard let head else { return raw }
        switch try RewardHeadFile(contentsOf: head) {
        case .state(let head): return raw.map { head.calibration($0) }
        case .answer(let head):
            var result = raw
            for (request, range) in zip(dataset.requests, dataset.steps) {
                for index in range { result[index] = head.calibrated(dataset.rows[index], cluster: request.cluster).0 }
            }
            return result
        }
    }

    /// Chances before calibration, by row.
    func scores() throws -> [Double] {
        guard let head else {
            var trainer = AnswerHeadTrainer(seed: seed)
            trainer.folds = folds
            return try trainer.crossValidated(dataset.rows) { done, total in
                CommandOutput.progress("cross-validating", done, of: total)
            }
        }
        switch try RewardHeadFile(contentsOf: head) {
        case .answer(let head):
            guard head.baseSHA256 == dataset.modelSHA256 else {
                throw LabelledRowFailure("the head was made for another model than --slm")
            }
            return dataset.rows.map { head.raw($0) }
        case .state(let head):
            guard head.baseSHA256 == dataset.modelSHA256 else {
                throw LabelledRowFailure("the head was made for another model than --slm")
            }
            let width = head.embeddingLength
            return try dataset.rows.map { row in
                guard row.isOwn else { return 0.5 }
                guard row.state.count >= 2 * width else {
                    throw LabelledRowFailure("a linear head needs the SLM to read the answers: leave --text-only out")
                }
                return head.raw(Array(row.state.dropLast(width).suffix(width)))
            }
        }
    }
}
