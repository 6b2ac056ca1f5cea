/// Isotonic regression: the monotone steps that are nearest to labels, by pooling adjacent violators.
package enum IsotonicRegression {
    /// Neighbours in score that share one value.
    package struct Pool: Hashable, Sendable {
        /// Mean score and mean label.
        package var score: Double
        package var label: Double
        package var count: Double
    }

    /// Pools in ascending order of score and of label; equal scores share one.
    package static func pools(scores: [Double], labels: [Double]) -> [Pool] {
        var pools: [Pool] = []
        for index in scores.indices.sorted(by: { (scores[$0], $0) < (scores[$1], $1) }) {
            pools.append(Pool(score: scores[index], label: labels[index], count: 1))
            while pools.count > 1 {
                let top = pools[pools.count - 1]
                let below = pools[pools.count - 2]
                guard below.label >= top.label || below.score == top.score else { break }
                let count = top.count + below.count
                pools.removeLast(2)
                pools.append(
                    Pool(
                        score: (top.score * top.count + below.score * below.count) / count,
                        label: (top.label * top.count + below.label * below.count) / count, count: count))
            }
        }
        return pools
    }

    /// The value at `x` of the line through points of ascending x: straight between them, constant outside; nil where
    /// there are none.
    package static func interpolated(_ x: Double, count: Int, point: (Int) -> (x: Double, y: Double)) -> Double? {
        guard count > 0 else { return nil }
        let (first, last) = (point(0), point(count - 1))
        if x <= first.x { return first.y }
        if x >= last.x { return last.y }
        var low = 0
        var high = count - 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if point(middle).x <= x { low = middle } else { high = middle }
        }
        let (a, b) = (point(low), point(high))
        return a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x)
    }
}
