internal import Foundation

/// How a model finds the wording of an answer so far, in a few numbers: what it would have written itself it likes, and
/// where it is out of its depth its likelihoods fall.
enum LikelihoodFeatures {
    static let names = [
        "mean_log", "last_mean_log", "worst_step_log", "worst_token_log", "mean_gap", "last_gap", "worst_step_gap",
        "agreed", "last_agreed", "mean_best", "last_best", "log_tokens", "sum_log", "last_sum_log", "last_worst",
        "mean_step_log", "best_step_log", "mean_step_worst", "best_step_worst", "mean_step_gap", "least_step_gap",
        "mean_step_agreed", "least_step_agreed", "most_step_agreed", "mean_step_sum", "least_step_sum", "most_step_sum",
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
        ] + overSteps(parts)
    }

    /// Over steps, each of which counts alike however long it is.
    private static func overSteps(_ parts: [Step]) -> [Double] {
        func values(_ value: KeyPath<Step, Double>) -> (mean: Double, least: Double, most: Double) {
            let all = parts.map { $0[keyPath: value] }
            return (all.reduce(0, +) / Double(max(1, all.count)), all.min() ?? 0, all.max() ?? 0)
        }
        let (mean, worst, gap) = (values(\.mean), values(\.worst), values(\.gap))
        let (agreed, sum) = (values(\.agreed), values(\.sum))
        return [
            mean.mean, mean.most, worst.mean, worst.most, gap.mean, gap.least, agreed.mean, agreed.least, agreed.most,
            sum.mean, sum.least, sum.most,
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
        var sum: Double { mean * count }

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
