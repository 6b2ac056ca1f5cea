internal import Foundation

/// A linear function of standardized numbers, on the log-odds scale.
struct LinearScorer: Hashable, Sendable, Codable {
    var weights: [Float]
    var bias: Float
    var mean: [Float]
    var scale: [Float]

    func logit(_ row: ArraySlice<Float>) -> Double {
        var sum = bias
        for (index, value) in zip(weights.indices, row) {
            sum += weights[index] * max(-6, min(6, (value - mean[index]) / scale[index]))
        }
        return Double(sum)
    }

    func isSound(width: Int) -> Bool {
        weights.count == width && mean.count == width && scale.count == width && bias.isFinite
            && weights.allSatisfy(\.isFinite) && mean.allSatisfy(\.isFinite)
            && scale.allSatisfy { $0.isFinite && $0 > 0 }
    }

    /// L2-regularised logistic regression.
    static func fit(_ table: BoostedTreesTrainer.Table, l2: Double) -> LinearScorer {
        let width = table.width
        var mean = [Double](repeating: 0, count: width)
        var squares = mean
        var total = 0.0
        for row in 0..<table.count {
            let weight = Double(table.weights[row])
            total += weight
            for column in 0..<width {
                let value = Double(table.features[row * width + column])
                mean[column] += weight * value
                squares[column] += weight * value * value
            }
        }
        var scale = mean
        for column in 0..<width {
            mean[column] /= max(1e-9, total)
            let variance = squares[column] / max(1e-9, total) - mean[column] * mean[column]
            // A number that never differs says nothing: a wide scale keeps its noise out.
            scale[column] = variance > 1e-10 ? variance.squareRoot() : 1
        }
        let means = mean.map(Float.init)
        let scales = scale.map(Float.init)
        var standardized = table.features
        for row in 0..<table.count {
            for column in 0..<width {
                let place = row * width + column
                // Outliers beyond six deviations would bend the whole line.
                standardized[place] = max(-6, min(6, (standardized[place] - means[column]) / scales[column]))
            }
        }
        let point = LogisticRegression(
            features: standardized, width: width, labels: table.labels, rowWeights: table.weights, l2: l2
        ).fit()
        return LinearScorer(
            weights: point.prefix(width).map(Float.init), bias: Float(point[width]), mean: means, scale: scales)
    }
}
