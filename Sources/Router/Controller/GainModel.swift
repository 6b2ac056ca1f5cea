/// q̂: how likely the LLM's answer is right where the SLM's is with probability p, by cluster and as it is now.
///
/// q̂(p, cluster) = curve(p) + drift + offset(cluster). The curve comes from a calibration set; drift and offsets are
/// learned from what escalations brought, with forgetting. Whether a request is escalated depends on p, cluster, cost
/// alone, all of which the estimate is conditioned on, so that learning from the escalated ones only is not biased by
/// the choice; where the policy never escalates, exploration does.
package struct GainModel: Hashable, Sendable, Codable {
    /// Knots of the curve, evenly spaced in p from 0 to 1.
    package static let knotCount = 11
    /// Clusters that are told apart; further ones share the drift alone.
    package static let mostClusters = 64
    private static let driftPrior = 10.0
    private static let offsetPrior = 20.0

    package private(set) var curve: [Double]
    /// Usual size of an observation's distance from the estimate.
    package var deviation: Double
    private var driftMean = LearnedMean()
    private var offsets: [String: LearnedMean] = [:]
    private var detector = ChangeDetector()
    /// Changes noticed so far.
    package private(set) var alarms = 0

    /// A prior that does not depend on p, until there is a calibration set.
    package init(success: Double, deviation: Double = 0.3) {
        curve = Array(repeating: success, count: Self.knotCount)
        self.deviation = deviation
    }

    /// Fits the curve to a calibration set: at each knot the mean around it, pulled towards the mean of all.
    package init(probabilities: [Double], successes: [Double], clusters: [String]) {
        let mean = successes.reduce(0, +) / Double(max(successes.count, 1))
        var sums = Array(repeating: mean * Self.offsetPrior, count: Self.knotCount)
        var weights = Array(repeating: Self.offsetPrior, count: Self.knotCount)
        for (p, success) in zip(probabilities, successes) {
            let (knot, share) = Self.position(p)
            sums[knot] += (1 - share) * success
            weights[knot] += 1 - share
            sums[knot + 1] += share * success
            weights[knot + 1] += share
        }
        curve = zip(sums, weights).map { $0 / $1 }
        deviation = 0.3
        var squares = 0.0
        for index in successes.indices {
            let residual = successes[index] - base(probabilities[index])
            squares += residual * residual
            learnOffset(clusters[index], residual)
        }
        if !successes.isEmpty { deviation = max((squares / Double(successes.count)).squareRoot(), 0.05) }
    }

    private static func position(_ p: Double) -> (knot: Int, share: Double) {
        let place = min(max(p, 0), 1) * Double(knotCount - 1)
        let knot = min(Int(place), knotCount - 2)
        return (knot, place - Double(knot))
    }

    private func base(_ p: Double) -> Double {
        let (knot, share) = Self.position(p)
        return curve[knot] * (1 - share) + curve[knot + 1] * share
    }

    private mutating func learnOffset(_ cluster: String, _ residual: Double) {
        guard offsets[cluster] != nil || offsets.count < Self.mostClusters else { return }
        offsets[cluster, default: LearnedMean()].observe(residual)
    }

    /// What all of q̂ has moved by since calibration.
    package var drift: Double { driftMean.value(prior: Self.driftPrior) }

    private func offset(_ cluster: String) -> Double { offsets[cluster]?.value(prior: Self.offsetPrior) ?? 0 }

    /// q̂ in 0…1.
    package func success(_ p: Double, cluster: String) -> Double {
        min(max(base(p) + drift + offset(cluster), 0), 1)
    }

    /// Learns from the LLM's answer.
    /// - Parameter success: how likely it is right, as the reward model or a judge reads it.
    package mutating func observe(_ success: Double, p: Double, cluster: String) {
        let fixed = base(p) + offset(cluster)
        let residual = success - fixed - drift
        let excursion = detector.observe(residual: residual, deviation: deviation, value: success - fixed)
        driftMean.observe(success - fixed)
        learnOffset(cluster, success - base(p) - drift)
        guard let excursion else { return }
        driftMean.restart(from: excursion)
        alarms += 1
    }
}
