/// How good scores are as predictions of labels in 0…1 (for the AUROC, a label above a half is a success).
package enum RewardMetrics {
    /// Area under the ROC curve: the chance that a success scores above a failure, ties counting a half.
    /// nil where one of the two is missing.
    package static func auroc(scores: [Double], labels: [Double]) -> Double? {
        let order = scores.indices.sorted { scores[$0] < scores[$1] }
        var rankSum = 0.0
        var successes = 0.0
        var start = 0
        while start < order.count {
            var end = start
            while end + 1 < order.count, scores[order[end + 1]] == scores[order[start]] { end += 1 }
            let rank = Double(start + end) / 2 + 1
            for position in start...end where labels[order[position]] > 0.5 {
                rankSum += rank
                successes += 1
            }
            start = end + 1
        }
        let failures = Double(scores.count) - successes
        guard successes > 0, failures > 0 else { return nil }
        return (rankSum - successes * (successes + 1) / 2) / (successes * failures)
    }

    /// Mean squared error.
    package static func brier(scores: [Double], labels: [Double]) -> Double {
        guard !scores.isEmpty else { return 0 }
        return zip(scores, labels).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(scores.count)
    }

    /// Expected calibration error over bins of equal width.
    package static func ece(scores: [Double], labels: [Double], bins: Int = 10) -> Double {
        guard !scores.isEmpty else { return 0 }
        var sums = [(score: Double, label: Double)](repeating: (0, 0), count: bins)
        for (score, label) in zip(scores, labels) {
            let bin = min(bins - 1, max(0, Int(score * Double(bins))))
            sums[bin].score += score
            sums[bin].label += label
        }
        return sums.reduce(0) { $0 + abs($1.score - $1.label) } / Double(scores.count)
    }
}
