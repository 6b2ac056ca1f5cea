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
        guard let first = knots.first, let last = knots.last else { return raw }
        if raw <= first.raw { return first.calibrated }
        if raw >= last.raw { return last.calibrated }
        var low = 0
        var high = knots.count - 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if knots[middle].raw <= raw { low = middle } else { high = middle }
        }
        let a = knots[low]
        let b = knots[high]
        return a.calibrated + (b.calibrated - a.calibrated) * (raw - a.raw) / (b.raw - a.raw)
    }

    /// Fits by pooling adjacent violators. Each pool becomes one knot at its mean score, smoothed by one success
    /// and one failure spread over it, so that no finite sample is read as certainty.
    package static func fit(scores: [Double], labels: [Double]) -> Calibration {
        struct Pool {
            var raw: Double
            var label: Double
            var count: Double
        }
        var pools: [Pool] = []
        for index in scores.indices.sorted(by: { (scores[$0], $0) < (scores[$1], $1) }) {
            pools.append(Pool(raw: scores[index], label: labels[index], count: 1))
            while pools.count > 1 {
                let top = pools[pools.count - 1]
                let below = pools[pools.count - 2]
                guard below.label >= top.label || below.raw == top.raw else { break }
                let count = top.count + below.count
                pools.removeLast(2)
                pools.append(
                    Pool(
                        raw: (top.raw * top.count + below.raw * below.count) / count,
                        label: (top.label * top.count + below.label * below.count) / count, count: count))
            }
        }
        var knots: [Knot] = []
        for pool in pools {
            let smoothed = (pool.label * pool.count + 1) / (pool.count + 2)
            let value = max(knots.last?.calibrated ?? 0, smoothed)
            if let last = knots.last, last.raw >= pool.raw { continue }
            knots.append(Knot(raw: min(1, max(0, pool.raw)), calibrated: min(1, value)))
        }
        return Calibration(unchecked: knots)
    }
}
