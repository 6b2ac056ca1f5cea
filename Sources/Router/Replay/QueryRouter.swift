/// Predicts the gain of paying from the question alone: what routers that look at prompts only can know.
///
/// Ridge regression on the features and on the cluster's mean gain, fitted to the same rows as everything else.
struct QueryRouter: Hashable, Sendable {
    private static let clusterPrior = 10.0

    private var mean = 0.0
    private var clusters: [String: Double] = [:]
    private var centers: [Double] = []
    private var scales: [Double] = []
    private var weights: [Double] = []

    init(_ rows: [ReplayRequest]) {
        guard !rows.isEmpty else { return }
        let gains = rows.map { $0.llm.quality - $0.slm.quality }
        mean = gains.reduce(0, +) / Double(gains.count)
        var sums: [String: (sum: Double, count: Double)] = [:]
        for (row, gain) in zip(rows, gains) {
            let old = sums[row.cluster] ?? (0, 0)
            sums[row.cluster] = (old.sum + gain - mean, old.count + 1)
        }
        clusters = sums.mapValues { $0.sum / ($0.count + Self.clusterPrior) }
        fitFeatures(rows, rows.indices.map { gains[$0] - mean - (clusters[rows[$0].cluster] ?? 0) })
    }

    private mutating func fitFeatures(_ rows: [ReplayRequest], _ targets: [Double]) {
        let width = rows[0].queryFeatures.count
        guard width > 0 else { return }
        let count = Double(rows.count)
        centers = (0..<width).map { column in rows.reduce(0) { $0 + $1.queryFeatures[column] } / count }
        scales = (0..<width).map { column in
            let squares = rows.reduce(0) { sum, row in
                let distance = row.queryFeatures[column] - centers[column]
                return sum + distance * distance
            }
            return max((squares / count).squareRoot(), 1e-9)
        }
        var normal = Array(repeating: 0.0, count: width * width)
        var right = Array(repeating: 0.0, count: width)
        for (row, target) in zip(rows, targets) {
            let x = standardized(row.queryFeatures)
            for i in 0..<width {
                right[i] += x[i] * target
                for j in 0...i { normal[i * width + j] += x[i] * x[j] }
            }
        }
        // As strong as the noise of a few hundred rows asks for; more features, more of it.
        for i in 0..<width { normal[i * width + i] += 0.1 * count + Double(width) }
        weights = Self.solve(&normal, right, width)
    }

    private func standardized(_ features: [Double]) -> [Double] {
        features.indices.map { (features[$0] - centers[$0]) / scales[$0] }
    }

    /// Cholesky on the lower triangle of a positive definite matrix, in place.
    private static func solve(_ matrix: inout [Double], _ right: [Double], _ n: Int) -> [Double] {
        var x = right
        for i in 0..<n {
            for j in 0...i {
                var sum = matrix[i * n + j]
                for k in 0..<j { sum -= matrix[i * n + k] * matrix[j * n + k] }
                matrix[i * n + j] = i == j ? max(sum, 1e-12).squareRoot() : sum / matrix[j * n + j]
            }
            for k in 0..<i { x[i] -= matrix[i * n + k] * x[k] }
            x[i] /= matrix[i * n + i]
        }
        for i in stride(from: n - 1, through: 0, by: -1) {
            for k in (i + 1)..<max(n, i + 1) { x[i] -= matrix[k * n + i] * x[k] }
            x[i] /= matrix[i * n + i]
        }
        return x
    }

    /// The gain to expect of paying for this request.
    func gain(_ request: ReplayRequest) -> Double {
        var gain = mean + (clusters[request.cluster] ?? 0)
        guard !weights.isEmpty, request.queryFeatures.count == weights.count else { return gain }
        for (x, weight) in zip(standardized(request.queryFeatures), weights) { gain += x * weight }
        return gain
    }
}
