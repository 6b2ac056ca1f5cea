internal import Foundation

/// How many requests there are of each gain and each cost: what a pacing plan reads the price of a budget from.
///
/// One axis is Δ̂, the gain of paying; the other ĉ relative to the LLM's mean answer, by its logarithm. A request is
/// spread over the four cells around it, so that sums over the grid move smoothly with a price. Additions commute:
/// replicas that add in any order get the same grid.
package struct DemandGrid: Hashable, Sendable, Codable {
    static let leastGain = -0.5
    static let gainStep = 0.05
    static let gainCount = 31
    static let leastLogCost = -3.0
    static let logCostStep = 0.75
    static let costCount = 9
    /// Relative cost of each column.
    private static let costs: [Double] = (0..<costCount).map { exp2(leastLogCost + Double($0) * logCostStep) }

    /// Row by row, one row a gain.
    package private(set) var cells: [Double]
    package private(set) var total = 0.0

    package init() { cells = Array(repeating: 0, count: Self.gainCount * Self.costCount) }

    /// Adds a request of this gain and relative cost.
    package mutating func add(gain: Double, relativeCost: Double, weight: Double = 1) {
        let row = Self.split((gain - Self.leastGain) / Self.gainStep, Self.gainCount)
        let logCost = relativeCost > 0 ? log2(relativeCost) : Self.leastLogCost
        let column = Self.split((logCost - Self.leastLogCost) / Self.logCostStep, Self.costCount)
        let corner = row.index * Self.costCount + column.index
        cells[corner] += weight * (1 - row.share) * (1 - column.share)
        cells[corner + 1] += weight * (1 - row.share) * column.share
        cells[corner + Self.costCount] += weight * row.share * (1 - column.share)
        cells[corner + Self.costCount + 1] += weight * row.share * column.share
        total += weight
    }

    /// Requests of one gain.
    func row(_ index: Int) -> Double {
        let start = index * Self.costCount
        var sum = 0.0
        for cell in start..<start + Self.costCount { sum += cells[cell] }
        return sum
    }

    /// Forgets a part of everything.
    package mutating func scale(_ factor: Double) {
        for index in cells.indices { cells[index] *= factor }
        total *= factor
    }

    /// The cell below a position and the share that belongs to the one above it.
    private static func split(_ position: Double, _ count: Int) -> (index: Int, share: Double) {
        guard position > 0 else { return (0, 0) }
        guard position < Double(count - 1) else { return (count - 2, 1) }
        let index = min(Int(position), count - 2)
        return (index, position - Double(index))
    }

    /// What the requests of a grid with these weights cost, in mean answers, where each is paid whose gain is worth
    /// `price` a mean answer.
    /// - Parameter shift: what every gain has moved by since it was entered.
    static func spend(price: Double, shift: Double, weight: (Int) -> Double) -> Double {
        sum(price: price, shift: shift, weight: weight) { _, cost in cost }
    }

    /// What its own requests cost at a price.
    package func spend(price: Double, shift: Double = 0) -> Double {
        Self.spend(price: price, shift: shift) { cells[$0] }
    }

    /// What its own requests gain at a price.
    package func gain(price: Double, shift: Double = 0) -> Double {
        Self.sum(price: price, shift: shift) {
            cells[$0]
        } value: { gain, _ in
            gain
        }
    }

    @inline(__always)
    private static func sum(
        price: Double, shift: Double, weight: (Int) -> Double, value: (Double, Double) -> Double
    ) -> Double {
        var sum = 0.0
        for column in 0..<costCount {
            let cost = costs[column]
            let bar = price * cost - shift
            // The rows from which on a part of the cell, spread over its width, is worth it.
            let first = max(Int(((bar - leastGain) / gainStep - 0.5).rounded(.up)), 0)
            guard first < gainCount else { continue }
            for row in first..<gainCount {
                let gain = leastGain + Double(row) * gainStep
                let share = min(max(0.5 + (gain - bar) / gainStep, 0), 1)
                sum += weight(row * costCount + column) * share * value(gain + shift, cost)
            }
        }
        return sum
    }
}
