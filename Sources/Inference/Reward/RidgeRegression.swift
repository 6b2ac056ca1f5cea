/// Least squares with a penalty on standardized features, for what is expected of a request: its cost, the LLM's
/// chance.
package enum RidgeRegression {
    /// Predictions of all rows by fits that never saw the row's fold.
    ///
    /// - Parameter penalty: on the squared weights of standardized features, in rows.
    package static func outOfFold(
        _ features: [[Double]], _ targets: [Double], folds: [Int], penalty: Double
    ) -> [Double] {
        var predictions = [Double](repeating: 0, count: targets.count)
        for fold in Set(folds) {
            let training = folds.indices.filter { folds[$0] != fold }
            guard let fit = Fit(training.map { features[$0] }, training.map { targets[$0] }, penalty) else { continue }
            for row in folds.indices where folds[row] == fold { predictions[row] = fit.predict(features[row]) }
        }
        return predictions
    }

    private struct Fit {
        var centers: [Double]
        var scales: [Double]
        var weights: [Double]
        var mean: Double

        init?(_ features: [[Double]], _ targets: [Double], _ penalty: Double) {
            guard let width = features.first?.count, width > 0 else { return nil }
            let count = Double(features.count)
            let average = targets.reduce(0, +) / count
            centers = (0..<width).map { column in features.reduce(0) { $0 + $1[column] } / count }
            let middle = centers
            scales = (0..<width).map { column in
                let squares = features.reduce(0) { sum, row in
                    sum + (row[column] - middle[column]) * (row[column] - middle[column])
                }
                return max(1e-6, (squares / count).squareRoot())
            }
            mean = average
            weights = []
            let rows = features.map { standardized($0) }
            var normal = [Double](repeating: 0, count: width * width)
            var right = [Double](repeating: 0, count: width)
            for (row, target) in zip(rows, targets) {
                for i in 0..<width {
                    right[i] += row[i] * (target - average)
                    for j in 0...i { normal[i * width + j] += row[i] * row[j] }
                }
            }
            for i in 0..<width { normal[i * width + i] += max(1e-6, penalty) }
            weights = Self.solve(normal, right, width)
        }

        func predict(_ row: [Double]) -> Double { zip(weights, standardized(row)).reduce(mean) { $0 + $1.0 * $1.1 } }

        private func standardized(_ row: [Double]) -> [Double] {
            row.indices.map { max(-6, min(6, (row[$0] - centers[$0]) / scales[$0])) }
        }

        /// Cholesky on the lower triangle of a positive definite matrix.
        private static func solve(_ matrix: [Double], _ right: [Double], _ n: Int) -> [Double] {
            var l = matrix
            for i in 0..<n {
                for j in 0...i {
                    var sum = l[i * n + j]
                    for k in 0..<j { sum -= l[i * n + k] * l[j * n + k] }
                    l[i * n + j] = i == j ? max(1e-12, sum).squareRoot() : sum / l[j * n + j]
                }
            }
            var x = right
            for i in 0..<n {
                for k in 0..<i { x[i] -= l[i * n + k] * x[k] }
                x[i] /= l[i * n + i]
            }
            for i in (0..<n).reversed() {
                for k in (i + 1)..<max(n, i + 1) { x[i] -= l[k * n + i] * x[k] }
                x[i] /= l[i * n + i]
            }
            return x
        }
    }
}
