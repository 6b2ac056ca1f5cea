internal import Foundation

/// A request with everything that policies read of it worked out.
struct PreparedRequest: Hashable, Sendable {
    var cluster: String
    /// As the reward model gave it, for thresholds on raw rewards.
    var signal: Double
    var p: Double
    /// Δ̂ and ĉ (USD) by the fitted rows, and what they are once a perturbation is known: hindsight reads the latter.
    var gain: Double
    var baseCost: Double
    var trueGain: Double
    var trueCost: Double
    var queryGain: Double
    var slmQuality: Double
    var llmQuality: Double
    var llmSignal: Double?
    /// Nano-dollars.
    var cost: Int64
    var hold: Int64
    /// When it comes, as a share of the period.
    var elapsed = 0.0
}

/// What is learned from the rows that are fitted on: calibration, gains, costs, demand and the baselines' thresholds.
struct ReplayFit: Sendable {
    private static let clusterPrior = 15.0

    private let curve: IsotonicCurve
    private var offsets: [String: Double] = [:]
    private var clusterCosts: [String: Double] = [:]
    private(set) var gains: GainModel
    private(set) var costs: CostModel
    private(set) var population = DemandProfile()
    private let query: QueryRouter
    /// p and cost of the fitted rows, for tuning a threshold.
    private var tuning: [(p: Double, cost: Double)] = []
    private let mostCost: Int64

    /// - Parameter mostCost: highest cost of any row, in nano-dollars: what is held for where a row does not say.
    init(_ rows: [ReplayRequest], signals: [Double], successes: [Double?], mostCost: Int64) {
        self.mostCost = mostCost
        curve = IsotonicCurve(signals: signals, labels: rows.map(\.slm.quality))
        query = QueryRouter(rows)
        let costs = rows.map { Double($0.llm.cost) / 1e9 }
        let meanCost = max(costs.reduce(0, +) / Double(max(rows.count, 1)), 1e-12)
        self.costs = CostModel(meanAnswer: meanCost)
        gains = GainModel(success: 0.5)
        offsets = Self.shrunken(rows, indices: rows.indices, prior: Self.clusterPrior) {
            rows[$0].slm.quality - curve(signals[$0])
        }
        clusterCosts = Self.shrunken(rows, indices: rows.indices, prior: Self.clusterPrior) { costs[$0] - meanCost }
            .mapValues { $0 + meanCost }
        let probabilities = rows.indices.map { probability(signals[$0], rows[$0].cluster) }
        // A calibration set has the answers of both models; where nothing reads the LLM's, its label is used.
        gains = GainModel(
            probabilities: probabilities, successes: rows.indices.map { rows[$0].llm.quality },
            clusters: rows.map(\.cluster))
        var squares = 0.0
        var feedback = (squares: 0.0, count: 0.0)
        for (index, row) in rows.enumerated() {
            let p = probabilities[index]
            let base = baseCost(row)
            let success = gains.success(p, cluster: row.cluster)
            population.add(p: p, gain: success - p, relativeCost: base / meanCost)
            tuning.append((p, costs[index]))
            let ratio = log(max(costs[index], 1e-12) / max(base, 1e-12))
            squares += ratio * ratio
            if let seen = successes[index] {
                feedback.squares += (seen - success) * (seen - success)
                feedback.count += 1
            }
        }
        self.costs = CostModel(
            meanAnswer: meanCost, deviation: (squares / Double(max(rows.count, 1))).squareRoot())
        if feedback.count > 0 { gains.deviation = max((feedback.squares / feedback.count).squareRoot(), 0.05) }
    }

    private static func shrunken(
        _ rows: [ReplayRequest], indices: Range<Int>, prior: Double, value: (Int) -> Double
    ) -> [String: Double] {
        var sums: [String: (sum: Double, count: Double)] = [:]
        for index in indices {
            let old = sums[rows[index].cluster] ?? (0, 0)
            sums[rows[index].cluster] = (old.sum + value(index), old.count + 1)
        }
        return sums.mapValues { $0.sum / ($0.count + prior) }
    }

    private func probability(_ signal: Double, _ cluster: String) -> Double {
        min(max(curve(signal) + (offsets[cluster] ?? 0), 0), 1)
    }

    private func baseCost(_ row: ReplayRequest) -> Double {
        row.expectedCost.map { Double($0) / 1e9 } ?? clusterCosts[row.cluster] ?? costs.meanAnswer
    }

    /// What policies read of a row that was not fitted on.
    func prepare(_ row: ReplayRequest, signal: Double, success: Double?) -> PreparedRequest {
        let p = probability(signal, row.cluster)
        let gain = gains.success(p, cluster: row.cluster) - p
        let base = baseCost(row)
        return PreparedRequest(
            cluster: row.cluster, signal: signal, p: p, gain: gain, baseCost: base, trueGain: gain, trueCost: base,
            queryGain: query.gain(row), slmQuality: row.slm.quality, llmQuality: row.llm.quality,
            llmSignal: success, cost: row.llm.cost, hold: max(row.holdCost ?? mostCost, row.llm.cost))
    }

    /// The threshold on p below which the fitted rows' LLM answers cost this share of all of them.
    func tunedThreshold(share: Double) -> Double {
        let all = tuning.reduce(0) { $0 + $1.cost }
        var spent = 0.0
        for item in tuning.sorted(by: { $0.p < $1.p }) {
            spent += item.cost
            if spent > share * all { return item.p }
        }
        return .infinity
    }
}
