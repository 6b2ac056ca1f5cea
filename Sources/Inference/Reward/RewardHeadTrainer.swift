internal import Foundation

/// Trains a linear reward head on hidden states of steps and how the answers that went on from there ended.
///
/// Features are standardized; the penalty is chosen by k-fold cross-validation; the calibration is fitted on
/// predictions for rows that the predicting fold had not seen. The same rows and seed give the same head.
package struct RewardHeadTrainer: Sendable {
    /// One labelled step.
    package struct Row: Sendable {
        package var hidden: [Float]
        /// 0…1: the share of continuations that ended right, or just 0 or 1.
        package var label: Double
        /// Rows of one group (steps of one problem) stay together in one fold: nothing leaks between folds.
        package var group: Int

        package init(hidden: [Float], label: Double, group: Int) {
            self.hidden = hidden
            self.label = label
            self.group = group
        }
    }

    /// Rows that cannot be trained on.
    package struct Failure: Error, CustomStringConvertible, Hashable {
        package var description: String
    }

    package static let maxRows = 1_000_000

    package var folds = 5
    package var penalties: [Double] = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]
    package var seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    /// - Parameter baseSHA256: of the model that the hidden states come from.
    package func train(_ rows: [Row], baseSHA256: String) throws(Failure) -> RewardHead {
        let width = rows.first?.hidden.count ?? 0
        guard width > 0 else { throw Failure(description: "no hidden states of labelled steps to learn from") }
        guard rows.count <= Self.maxRows else { throw Failure(description: "more than \(Self.maxRows) labelled steps") }
        guard rows.allSatisfy({ $0.hidden.count == width && $0.hidden.allSatisfy(\.isFinite) }) else {
            throw Failure(description: "hidden states differ in length or are not finite")
        }
        guard rows.allSatisfy({ (0...1).contains($0.label) }) else {
            throw Failure(description: "labels must be 0…1")
        }
        guard rows.contains(where: { $0.label > 0.5 }), rows.contains(where: { $0.label <= 0.5 }) else {
            throw Failure(description: "labels are all alike")
        }
        let assignment = try assignFolds(rows)
        let labels = rows.map(\.label)
        var best: (penalty: Double, loss: Double, scores: [Double])?
        for penalty in penalties {
            let scores = outOfFold(rows, assignment, penalty)
            let loss = logLoss(scores, labels)
            if best.map({ loss < $0.loss }) ?? true { best = (penalty, loss, scores) }
        }
        guard let best else { throw Failure(description: "no penalties to choose from") }
        let calibration = Calibration.fit(scores: best.scores, labels: labels)
        let calibrated = best.scores.map { calibration($0) }
        var head = fit(rows, best.penalty)
        head.baseSHA256 = baseSHA256
        head.calibration = calibration
        head.seed = seed
        head.metrics = [
            "rows": Double(rows.count), "l2": best.penalty, "log_loss": best.loss,
            "auroc": RewardMetrics.auroc(scores: best.scores, labels: labels) ?? 0.5,
            "brier": RewardMetrics.brier(scores: calibrated, labels: labels),
            "ece": RewardMetrics.ece(scores: calibrated, labels: labels),
        ]
        return head
    }

    /// Scores of every row by a head that was trained without its group.
    private func outOfFold(_ rows: [Row], _ assignment: [Int], _ penalty: Double) -> [Double] {
        var scores = [Double](repeating: 0, count: rows.count)
        for fold in Set(assignment) {
            let head = fit(zip(rows, assignment).filter { $0.1 != fold }.map(\.0), penalty)
            for index in rows.indices where assignment[index] == fold { scores[index] = head.raw(rows[index].hidden) }
        }
        return scores
    }

    private func fit(_ rows: [Row], _ penalty: Double) -> RewardHead {
        let width = rows.first?.hidden.count ?? 0
        var mean = [Double](repeating: 0, count: width)
        var squares = [Double](repeating: 0, count: width)
        for row in rows {
            for (column, value) in row.hidden.enumerated() {
                mean[column] += Double(value)
                squares[column] += Double(value) * Double(value)
            }
        }
        let count = Double(max(1, rows.count))
        mean = mean.map { $0 / count }
        let scale = zip(squares, mean).map { max(1e-4, ($0 / count - $1 * $1).squareRoot()) }
            .map { $0.isFinite ? $0 : 1e-4 }
        let means = mean.map(Float.init)
        let scales = scale.map(Float.init)
        var features: [Float] = []
        features.reserveCapacity(rows.count * width)
        for row in rows {
            for column in 0..<width { features.append((row.hidden[column] - means[column]) / scales[column]) }
        }
        let point = LogisticRegression(
            features: features, width: width, labels: rows.map { Float($0.label) }, l2: penalty
        ).fit()
        return RewardHead(
            baseSHA256: "", weights: point.prefix(width).map(Float.init), bias: point[width], mean: means,
            scale: scales, calibration: .identity, metrics: [:], seed: seed)
    }

    /// Shuffles the groups by the seed and deals them out.
    private func assignFolds(_ rows: [Row]) throws(Failure) -> [Int] {
        var groups = Set(rows.map(\.group)).sorted()
        let count = min(folds, groups.count)
        guard count >= 2 else { throw Failure(description: "at least two groups of rows are needed") }
        var random = SplitMix(state: seed)
        groups.shuffle(using: &random)
        let fold = Dictionary(uniqueKeysWithValues: groups.enumerated().map { ($1, $0 % count) })
        return rows.map { fold[$0.group] ?? 0 }
    }

    private func logLoss(_ scores: [Double], _ labels: [Double]) -> Double {
        let total = zip(scores, labels).reduce(0.0) { sum, pair in
            let p = min(1 - 1e-9, max(1e-9, pair.0))
            return sum - pair.1 * log(p) - (1 - pair.1) * log(1 - p)
        }
        return total / Double(max(1, scores.count))
    }
}

/// A small seeded generator: the same everywhere, unlike the system's.
package struct SplitMix: RandomNumberGenerator {
    package var state: UInt64

    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
