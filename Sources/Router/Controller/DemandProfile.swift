/// Requests by what paying for them would bring and cost, and by their p: one grid, one histogram.
package struct DemandProfile: Hashable, Sendable, Codable {
    /// Bins of p.
    package static let bins = 8

    package private(set) var grid = DemandGrid()
    package private(set) var probabilities = Array(repeating: 0.0, count: bins)
    private var probabilitySum = 0.0

    package init() {}

    package var total: Double { grid.total }

    static func bin(_ p: Double) -> Int { min(max(Int(p * Double(bins)), 0), bins - 1) }

    /// Adds a request.
    package mutating func add(p: Double, gain: Double, relativeCost: Double) {
        grid.add(gain: gain, relativeCost: relativeCost)
        probabilities[Self.bin(p)] += 1
        probabilitySum += min(max(p, 0), 1)
    }

    /// Mean of p; 0 where nothing was added.
    package var meanProbability: Double { total > 0 ? probabilitySum / total : 0 }

    /// What is assumed of a route that nothing is known of: drafts of every quality, good ones more often, and an LLM
    /// that is right as often as the prior says, at costs around the mean.
    package static func prior(success: Double) -> DemandProfile {
        var profile = DemandProfile()
        for step in 0..<40 {
            let p = (Double(step) + 0.5) / 40
            let times = step < 20 ? 1 : 2
            for _ in 0..<times {
                for cost in [0.5, 1, 1, 1.5] { profile.add(p: p, gain: success - p, relativeCost: cost) }
            }
        }
        return profile
    }

    /// Forgets a part of everything.
    package mutating func scale(_ factor: Double) {
        grid.scale(factor)
        probabilitySum *= factor
        for index in probabilities.indices { probabilities[index] *= factor }
    }

    /// The same with a total of 1; an empty one stays as it is.
    package var normalized: DemandProfile {
        var profile = self
        if total > 0 { profile.scale(1 / total) }
        return profile
    }
}
