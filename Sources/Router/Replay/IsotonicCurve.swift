internal import GatewayCore

/// A monotone map from a signal on any scale to a mean label, linear between the pools of an isotonic regression.
struct IsotonicCurve: Hashable, Sendable {
    private(set) var signals: [Double] = []
    private(set) var values: [Double] = []

    /// Each pool is pulled towards the mean of all labels by one observation of it.
    init(signals given: [Double], labels: [Double]) {
        let mean = labels.reduce(0, +) / Double(max(labels.count, 1))
        for pool in IsotonicRegression.pools(scores: given, labels: labels) {
            let value = (pool.label * pool.count + mean) / (pool.count + 1)
            signals.append(pool.score)
            values.append(max(value, values.last ?? 0))
        }
    }

    /// The value at a signal; constant outside of what was fitted.
    func callAsFunction(_ signal: Double) -> Double {
        IsotonicRegression.interpolated(signal, count: signals.count) { (signals[$0], values[$0]) } ?? 0.5
    }
}
