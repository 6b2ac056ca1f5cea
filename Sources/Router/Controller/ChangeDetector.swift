/// Notices within a few observations that something has moved: a two-sided cumulative sum of residuals.
///
/// A mean with forgetting of 0.997 needs hundreds of observations to follow a provider that multiplied its price or
/// swapped its model. This one raises an alarm instead, and hands over what it has seen since the change began.
package struct ChangeDetector: Hashable, Sendable, Codable {
    /// What was observed since a change began.
    package struct Excursion: Hashable, Sendable {
        package var count: Double
        package var sum: Double
    }

    /// Slack: residuals within half a standard deviation are no evidence.
    private static let slack = 0.5
    /// Standard deviations, summed, at which the alarm goes off.
    private static let threshold = 6.0
    /// One observation says no more than this: an outlier alone is no change.
    private static let mostEvidence = 3.0

    private var upEvidence = 0.0
    private var upCount = 0.0
    private var upSum = 0.0
    private var downEvidence = 0.0
    private var downCount = 0.0
    private var downSum = 0.0

    package init() {}

    /// - Parameters:
    ///   - residual: observed less expected.
    ///   - deviation: its usual size.
    ///   - value: what an excursion sums up, where that is not the residual itself.
    /// - Returns: the excursion, at the observation that makes the change certain enough.
    package mutating func observe(residual: Double, deviation: Double, value: Double) -> Excursion? {
        let z = min(max(residual / max(deviation, 1e-9), -Self.mostEvidence), Self.mostEvidence)
        (upEvidence, upCount, upSum) = Self.next(upEvidence, upCount, upSum, z: z, value: value)
        (downEvidence, downCount, downSum) = Self.next(downEvidence, downCount, downSum, z: -z, value: value)
        let excursion: Excursion
        if upEvidence > Self.threshold {
            excursion = Excursion(count: upCount, sum: upSum)
        } else if downEvidence > Self.threshold {
            excursion = Excursion(count: downCount, sum: downSum)
        } else {
            return nil
        }
        self = ChangeDetector()
        return excursion
    }

    private static func next(
        _ evidence: Double, _ count: Double, _ sum: Double, z: Double, value: Double
    ) -> (Double, Double, Double) {
        let evidence = evidence + z - slack
        return evidence > 0 ? (evidence, count + 1, sum + value) : (0, 0, 0)
    }
}
