/// Which part of a budget's spending is this route's own, by how what is left of it has moved.
///
/// Several routes, and direct calls, may spend one budget. A route sees what is left after each of its requests; what
/// that fell by more than the route spent itself, others spent. Planning with all that is left, each of two alike would
/// plan to spend twice what there is for it. So each plans with its part of what is left: the parts sum to little more
/// than one, so do their plans, and a split that holds is kept. It is what the routes happened to settle on, not a best
/// one.
package struct SharedPool: Hashable, Sendable, Codable {
    /// Mean answers of the paid model that count for a route alone with its budget, until more is known.
    private static let prior = 3.0
    /// However much others spend: a route that has nothing to plan with would never come back.
    private static let leastShare = 0.05
    /// A budget that grows by more than this many mean answers was topped up or begun anew.
    private static let mostGrowth = 50.0

    /// In mean answers, with forgetting: what this route spent, and what all did.
    private var own = 0.0
    private var all = 0.0
    /// Left after the request before, in mean answers.
    private(set) var left: Double?

    package init() {}

    /// - Parameters:
    ///   - spent: by the request, in mean answers.
    ///   - remaining: of the budget after it, in mean answers. Holds of others count as spent until they are settled;
    ///     what is given back then is counted back.
    mutating func observe(spent: Double, remaining: Double) {
        guard spent.isFinite, remaining.isFinite else { return }
        defer { left = remaining }
        guard let left, remaining - left < Self.mostGrowth else { return }
        own = own * LearnedMean.forgetting + max(spent, 0)
        all = all * LearnedMean.forgetting + left - remaining
    }

    /// The route spent this where another budget of the owner was the tightest. Where it did not fall on this one too,
    /// as with another tag's, the route's part comes out too large, and at most all.
    mutating func spendBeside(_ spent: Double) {
        if left != nil { own += max(spent, 0) }
    }

    /// A period begins: what is left from now on is of another one.
    mutating func turn() { left = nil }

    /// Of what is left, the part to plan with.
    package var share: Double {
        let share = (own + Self.prior) / (max(all, own) + Self.prior)
        return min(max(share, Self.leastShare), 1)
    }
}
