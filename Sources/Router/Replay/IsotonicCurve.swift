/// A monotone map from a signal on any scale to a mean label: pooled adjacent violators, linear between the pools.
struct IsotonicCurve: Hashable, Sendable {
    private(set) var signals: [Double] = []
    private(set) var values: [Double] = []

    /// Each pool is pulled towards the mean of all labels by one observation of it.
    init(signals given: [Double], labels: [Double]) {
        let mean = labels.reduce(0, +) / Double(max(labels.count, 1))
        var pools: [(signal: Double, label: Double, count: Double)] = []
        for index in given.indices.sorted(by: { (given[$0], $0) < (given[$1], $1) }) {
            pools.append((given[index], labels[index], 1))
            while pools.count > 1 {
                let top = pools[pools.count - 1]
                let below = pools[pools.count - 2]
                guard below.label >= top.label || below.signal == top.signal else { break }
                let count = top.count + below.count
                pools.removeLast(2)
                pools.append(
                    (
                        (top.signal * top.count + below.signal * below.count) / count,
                        (top.label * top.count + below.label * below.count) / count, count
                    ))
            }
        }
        for pool in pools {
            let value = (pool.label * pool.count + mean) / (pool.count + 1)
            signals.append(pool.signal)
            values.append(max(value, values.last ?? 0))
        }
    }

    /// The value at a signal; constant outside of what was fitted.
    func callAsFunction(_ signal: Double) -> Double {
        guard let first = signals.first, let last = signals.last else { return 0.5 }
        if signal <= first { return values[0] }
        if signal >= last { return values[values.count - 1] }
        var low = 0
        var high = signals.count - 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if signals[middle] <= signal { low = middle } else { high = middle }
        }
        let share = (signal - signals[low]) / (signals[high] - signals[low])
        return values[low] + (values[high] - values[low]) * share
    }
}
