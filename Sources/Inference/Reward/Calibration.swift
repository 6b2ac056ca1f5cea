internal import GatewayCore

/// A monotone map from raw scores to probabilities: isotonic regression, interpolated between its knots.
package struct Calibration: Hashable, Sendable {
    /// One point of the curve, both values in 0…1.
    package struct Knot: Hashable, Sendable {
        package var raw: Double
        package var calibrated: Double
        package init(raw: Double, calibrated: Double) {
            self.raw = raw
            self.calibrated = calibrated
        }
    }

    package let knots: [Knot]

    /// Leaves scores as they are.
    package static let identity = Calibration(unchecked: [])

    /// nil where the knots are not ascending in both, or outside 0…1.
    package init?(knots: [Knot]) {
        for knot in knots {
            guard (0...1).contains(knot.raw), (0...1).contains(knot.calibrated) else { return nil }
        }
        for (a, b) in zip(knots, knots.dropFirst()) {
            guard a.raw < b.raw, a.calibrated <= b.calibrated else { return nil }
        }
        self.knots = knots
    }

    private init(unchecked knots: [Knot]) { self.knots = knots }

    /// The calibrated probability of a raw score: linear between knots, constant outside.
    package func callAsFunction(_ raw: Double) -> Double {
        IsotonicRegression.interpolated(raw, count: knots.count) { (knots[$0].raw, knots[$0].calibrated) } ?? raw
    }

    /// Fits by pooling adjacent violators. Each pool becomes one knot at its mean score, smoothed by one success
    /// and one failure spread over it, so that no finite sample is read as certainty.
    package static func fit(scores: [Double], labels: [Double]) -> Calibration {
        var knots: [Knot] = []
        for pool in IsotonicRegression.pools(scores: scores, labels: labels) {
            let smoothed = (pool.label * pool.count + 1) / (pool.count + 2)
            let value = max(knots.last?.calibrated ?? 0, smoothed)
            if let last = knots.last, last.raw >= pool.score { continue }
            knots.append(Knot(raw: min(1, max(0, pool.score)), calibrated: min(1, value)))
        }
        return Calibration(unchecked: knots)
    }
}
