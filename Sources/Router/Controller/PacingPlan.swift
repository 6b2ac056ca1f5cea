internal import Foundation

/// What the remaining requests of a period are expected to need: a forecast, not an even pace.
///
/// Two forecasts compete. *As it has been*: the rest is drawn like what came so far, blended with the calibration set.
/// *The rest of the population*: the period as a whole is like the calibration set, in whatever order, so that what is
/// to come is what has not come yet. When hard requests come first, the first forecast spends a third of what it
/// should, and when the calibration set is of other requests the second one waits for what never comes. Which one is
/// believed is learned from how well each predicted what came: requests drawn at random from something like the
/// calibration set are predicted best by that and all that came so far, sorted ones by the last few alone. What came
/// more often than the whole of the calibration set has it refutes the second at once.
package struct PacingPlan: Hashable, Sendable, Codable {
    /// Of the last few requests.
    private static let windowForgetting = 0.95
    /// Of the belief: some five hundred requests.
    private static let beliefForgetting = 0.998
    private static let mostBelief = 30.0
    /// What chance may bring more of a kind than the calibration set has.
    private static let chance = 1.3
    /// A few hundred requests of one's own against this many of the calibration set.
    /// Whose calibration set is no better than a guess finds out soon enough; whose hard requests come first does not.
    private static let initialBelief = -3.0
    package static let priorWeight = 75.0
    /// How many requests' worth of evidence the forecast of the volume is.
    private static let volumeWeight = 20.0

    /// The calibration set; its total is 1.
    package private(set) var population: DemandProfile
    /// This period's requests.
    package private(set) var seen = DemandProfile()
    /// Recent ones of any period, with forgetting.
    package private(set) var recent = DemandProfile()
    /// Requests expected in a period.
    package var volume: Double
    private var window = Array(repeating: 0.0, count: DemandProfile.bins)
    /// Log-odds that requests come in no particular order.
    package private(set) var belief = PacingPlan.initialBelief
    /// Which share of the period had passed when its first request was seen; nil: it was seen from its beginning on.
    private var begun: Double?

    package init(population: DemandProfile, volume: Double) {
        self.population = population.normalized
        self.volume = max(volume, 1)
    }

    /// A new period: what was seen of the last one is the forecast of its volume.
    package mutating func turn() {
        if seen.total > 0 { volume = begun == nil ? seen.total : rate(elapsed: 1) }
        seen = DemandProfile()
        begun = nil
    }

    /// Begins amid a period, of which nothing was seen so far.
    /// - Parameter volume: requests expected in all of it; nil: as many as were.
    mutating func begin(elapsed: Double, volume: Double? = nil) {
        self.volume = max(volume ?? self.volume, 1)
        seen = DemandProfile()
        begun = elapsed > 0 ? min(elapsed, 1) : nil
    }

    /// Takes in a request, paid for or not.
    package mutating func observe(p: Double, gain: Double, relativeCost: Double) {
        let bin = DemandProfile.bin(p)
        let usual = Self.priorWeight * population.probabilities[bin] + recent.probabilities[bin]
        let byAll = (usual + 0.5) / (Self.priorWeight + recent.total + 0.5 * Double(DemandProfile.bins))
        let byFew = (window[bin] + 0.5) / (window.reduce(0, +) + 0.5 * Double(DemandProfile.bins))
        belief = belief * Self.beliefForgetting + log(byAll / byFew)
        belief = min(max(belief, -Self.mostBelief), Self.mostBelief)
        for index in window.indices { window[index] *= Self.windowForgetting }
        window[bin] += 1
        recent.scale(LearnedMean.forgetting)
        recent.add(p: p, gain: gain, relativeCost: relativeCost)
        seen.add(p: p, gain: gain, relativeCost: relativeCost)
    }

    /// How much *as it has been* is believed.
    package var confidence: Double { 1 / (1 + exp(-belief)) }

    /// Requests still to come.
    /// - Parameter elapsed: which share of a period's requests usually has come by now.
    package func requestsLeft(elapsed: Double) -> Double {
        let elapsed = min(max(elapsed, 0), 1)
        return max(rate(elapsed: elapsed) * (1 - elapsed), 0)
    }

    /// Requests of a whole period: as many as came for the share of time, with the forecast as evidence of its own.
    func rate(elapsed: Double) -> Double {
        let elapsed = min(max(elapsed, 0), 1)
        let evidence = Self.volumeWeight
        return (evidence + seen.total) / (evidence / volume + elapsed - min(begun ?? 0, elapsed))
    }

    /// What the requests still to come cost, in mean answers, where each is paid whose gain is worth `price` a mean
    /// answer.
    package func demand(price: Double, requestsLeft: Double, shift: Double) -> Double {
        let whole = seen.total + requestsLeft
        let trust = max(confidence, refutation(whole: whole))
        let alike = trust * requestsLeft / (Self.priorWeight + recent.total)
        let (kept, unseen) = unseen(whole: whole)
        let rest = unseen > 0 ? (1 - trust) * requestsLeft / unseen : 0
        return DemandGrid.spend(price: price, shift: shift) { index in
            let usual = population.grid.cells[index]
            return alike * (Self.priorWeight * usual + recent.grid.cells[index])
                + rest * usual * kept[index / DemandGrid.costCount]
        }
    }

    /// What has come of a p more often than the whole of the calibration set has it, as evidence against that set.
    private func refutation(whole: Double) -> Double {
        var unexplained = 0.0
        for (bin, came) in seen.probabilities.enumerated() {
            unexplained += max(came - Self.chance * whole * population.probabilities[bin] - 2, 0)
        }
        return min(3 * unexplained / max(seen.total, 20), 1)
    }

    /// For each row of gains how often the calibration set still has to come, and how many requests that is in all.
    /// Costs are left out of it: their spread is learned apart from the order.
    private func unseen(whole: Double) -> (kept: [Double], total: Double) {
        var kept: [Double] = []
        var total = 0.0
        for row in 0..<DemandGrid.gainCount {
            let usual = population.grid.row(row)
            let left = max(whole * usual - seen.grid.row(row), 0)
            kept.append(usual > 0 ? left / usual : 0)
            total += left
        }
        return (kept, total)
    }

    /// Requests of this period so far.
    var count: Double { seen.total }

    /// What so many requests would cost, in mean answers, as it has been.
    /// - Parameter requests: nil: as many as a period has.
    package func usualDemand(price: Double, requests: Double? = nil, shift: Double) -> Double {
        let spent =
            Self.priorWeight * population.grid.spend(price: price, shift: shift)
            + recent.grid.spend(price: price, shift: shift)
        return (requests ?? volume) * spent / (Self.priorWeight + recent.total)
    }

    /// The mean quality, as it has been, where each request is paid for whose gain is worth `price` a mean answer.
    package func quality(price: Double, shift: Double) -> Double {
        let total = Self.priorWeight + recent.total
        let alone = (Self.priorWeight * population.meanProbability + recent.total * recent.meanProbability) / total
        let gained = Self.priorWeight * population.grid.gain(price: price, shift: shift)
        return alone + (gained + recent.grid.gain(price: price, shift: shift)) / total
    }

    /// The price at which the whole of a period, if it is like the calibration set, costs `budget` mean answers.
    package func price(budget: Double) -> Double {
        var low = 1e-4
        var high = 1e4
        for _ in 0..<60 {
            let middle = (low * high).squareRoot()
            if population.grid.spend(price: middle) * volume > budget { low = middle } else { high = middle }
        }
        return (low * high).squareRoot()
    }
}
