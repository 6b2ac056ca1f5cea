internal import Foundation

/// L2-regularised logistic regression by limited-memory BFGS: deterministic, and quick for a few thousand rows of a
/// few hundred features.
struct LogisticRegression {
    private static let maxIterations = 200
    private static let memory = 10
    private static let tolerance = 1e-6

    /// Row-major standardized features.
    let features: [Float]
    let width: Int
    let labels: [Float]
    /// How much each row counts; all alike where empty.
    var rowWeights: [Float] = []
    /// Penalty on the squared weights, per row; the bias goes free.
    let l2: Double

    /// Weights, the bias last.
    func fit() -> [Double] {
        var point = [Double](repeating: 0, count: width + 1)
        var (value, gradient) = evaluate(point)
        var steps: [[Double]] = []
        var changes: [[Double]] = []
        for _ in 0..<Self.maxIterations {
            if norm(gradient) < Self.tolerance { break }
            var direction = descent(gradient, steps, changes)
            var slope = dot(direction, gradient)
            if slope >= 0 {
                steps = []
                changes = []
                direction = gradient.map(-)
                slope = -dot(gradient, gradient)
            }
            guard let next = search(point, value, direction, slope, isFirst: steps.isEmpty) else { break }
            let step = subtract(next.point, point)
            let change = subtract(next.gradient, gradient)
            if dot(step, change) > 1e-12 {
                steps = steps.suffix(Self.memory - 1) + [step]
                changes = changes.suffix(Self.memory - 1) + [change]
            }
            (point, value, gradient) = next
        }
        return point
    }

    /// Backtracks until the value falls enough.
    private func search(
        _ point: [Double], _ value: Double, _ direction: [Double], _ slope: Double, isFirst: Bool
    ) -> (point: [Double], value: Double, gradient: [Double])? {
        var length = isFirst ? min(1, 1 / norm(direction)) : 1
        for _ in 0..<30 {
            let next = zip(point, direction).map { $0 + length * $1 }
            let (nextValue, nextGradient) = evaluate(next)
            if nextValue <= value + 1e-4 * length * slope { return (next, nextValue, nextGradient) }
            length /= 2
        }
        return nil
    }

    /// Mean log loss with its penalty, and the gradient.
    private func evaluate(_ point: [Double]) -> (Double, [Double]) {
        let rows = labels.count
        let weights = point.map(Float.init)
        var sums = [Float](repeating: 0, count: width)
        var biasSum = 0.0
        var loss = 0.0
        var total: Double = 0
        features.withUnsafeBufferPointer { x in
            for row in 0..<rows {
                let base = row * width
                var z = weights[width]
                for column in 0..<width { z += weights[column] * x[base + column] }
                let label = labels[row]
                let magnitude = Double(abs(z))
                let weight = rowWeights.isEmpty ? 1 : rowWeights[row]
                total += Double(weight)
                loss += Double(weight) * (max(0, Double(z)) - Double(label) * Double(z) + log1p(exp(-magnitude)))
                let error = weight * (Float(1 / (1 + exp(-Double(z)))) - label)
                for column in 0..<width { sums[column] += error * x[base + column] }
                biasSum += Double(error)
            }
        }
        let scale = 1 / max(1e-9, total)
        var gradient = [Double](repeating: biasSum * scale, count: width + 1)
        var penalty = 0.0
        for column in 0..<width {
            gradient[column] = Double(sums[column]) * scale + l2 * point[column]
            penalty += point[column] * point[column]
        }
        return (loss * scale + l2 * penalty / 2, gradient)
    }

    private func descent(_ gradient: [Double], _ steps: [[Double]], _ changes: [[Double]]) -> [Double] {
        var q = gradient
        var factors: [Double] = []
        for (step, change) in zip(steps, changes).reversed() {
            let factor = dot(step, q) / dot(step, change)
            factors.append(factor)
            q = zip(q, change).map { $0 - factor * $1 }
        }
        if let step = steps.last, let change = changes.last {
            let scale = dot(step, change) / dot(change, change)
            q = q.map { $0 * scale }
        }
        for ((step, change), factor) in zip(zip(steps, changes), factors.reversed()) {
            let correction = factor - dot(change, q) / dot(step, change)
            q = zip(q, step).map { $0 + correction * $1 }
        }
        return q.map(-)
    }

    private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    private func norm(_ a: [Double]) -> Double { dot(a, a).squareRoot() }
    private func subtract(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 - $1 } }
}
