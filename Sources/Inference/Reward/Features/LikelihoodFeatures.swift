internal import Foundation

/// How a model finds the wording of an answer so far, in a few numbers: what it would have written itself it likes, and
/// where it is out of its depth its likelihoods fall.
enum LikelihoodFeatures {
    static let names = [
        "mean_log", "last_mean_log", "worst_step_log", "worst_token_log", "mean_gap", "last_gap", "worst_step_gap",
        "agreed", "last_agreed", "mean_best", "last_best", "log_tokens", "sum_log", "last_sum_log", "last_worst",
    ]

    /// As many as `names`, of the first steps of an answer.
    static func values(_ steps: ArraySlice<AnswerReading.Step>) -> [Double] {
        let parts = steps.map { Step($0.likelihoods) }
        guard let last = parts.last else { return names.map { _ in 0 } }
        let tokens = parts.reduce(0) { $0 + $1.count }
        func mean(_ value: KeyPath<Step, Double>) -> Double {
            parts.reduce(0) { $0 + $1[keyPath: value] * $1.count } / max(1, tokens)
        }
        let all = mean(\.mean)
        return [
            all, last.mean, parts.map(\.mean).min() ?? 0, parts.map(\.worst).min() ?? 0, mean(\.gap), last.gap,
            parts.map(\.gap).max() ?? 0, mean(\.agreed), last.agreed, mean(\.best), last.best, log(tokens + 1),
            all * tokens, last.mean * last.count, last.worst,
        ]
    }

    private struct Step {
        var count: Double
        var mean = 0.0
        var worst = 0.0
        /// Between the likeliest token and the one that stands there.
        var gap = 0.0
        /// Share of tokens that are the likeliest.
        var agreed = 0.0
        var best = 0.0

        init(_ likelihoods: TokenLikelihoods) {
            count = Double(likelihoods.tokens.count)
            for (token, best) in zip(likelihoods.tokens, likelihoods.best) {
                mean += Double(token)
                worst = min(worst, Double(token))
                gap += Double(best - token)
                agreed += best - token < 1e-4 ? 1 : 0
                self.best += Double(best)
            }
            let scale = 1 / max(1, count)
            mean *= scale
            gap *= scale
            agreed *= scale
            best *= scale
        }
    }
}
