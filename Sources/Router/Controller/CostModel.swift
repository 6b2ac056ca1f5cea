internal import Foundation

/// ĉ: what an escalation is expected to cost, corrected by what escalations did cost.
///
/// The expectation comes from the price and the usual length; this learns by which factor it is off, at once where a
/// change is noticed.
package struct CostModel: Hashable, Sendable, Codable {
    private static let prior = 20.0

    /// Mean cost of an answer by the LLM at factor 1, in USD: the unit of plans and grids.
    package var meanAnswer: Double
    /// Usual size of the logarithm of actual by expected.
    package var deviation: Double
    /// Sums of actual and of expected costs, in mean answers, with forgetting.
    private var actual = 0.0
    private var expected = 0.0
    private var detector = ChangeDetector()
    private var startedAgain = false
    package private(set) var alarms = 0

    package init(meanAnswer: Double, deviation: Double = 0.7) {
        self.meanAnswer = meanAnswer
        self.deviation = max(deviation, 0.2)
    }

    /// What expectations are to be multiplied by.
    package var factor: Double {
        let prior = startedAgain ? 0 : Self.prior
        return expected + prior > 0 ? (actual + prior) / (expected + prior) : 1
    }

    /// Learns from a paid call; both in USD, `expected` before the factor.
    package mutating func observe(actual cost: Double, expected base: Double) {
        guard cost > 0, base > 0, meanAnswer > 0, cost.isFinite, base.isFinite else { return }
        let ratio = cost / base
        // The mean of a skewed ratio is above its median; what the logarithm is expected to be is below zero by that.
        let residual = log(ratio / factor) + deviation * deviation / 2
        let excursion = detector.observe(residual: residual, deviation: deviation, value: ratio)
        actual = actual * LearnedMean.forgetting + cost / meanAnswer
        expected = expected * LearnedMean.forgetting + base / meanAnswer
        guard let excursion else { return }
        actual = excursion.sum
        expected = excursion.count
        startedAgain = true
        alarms += 1
    }
}
