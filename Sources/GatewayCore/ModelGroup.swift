/// A model that several deployments serve, and what is asked where none of them answers.
///
/// Routes, clients and budgets go on to name the model as before; each call is held, priced and recorded by the
/// deployment that it goes to.
package struct ModelGroup: Hashable, Sendable {
    /// How the next call's deployment is chosen among those whose breaker lets calls through.
    package enum Balance: String, Hashable, Sendable, CaseIterable {
        /// As they are listed: the next one only where the one before is down or failed.
        case ordered
        /// At random, by weight.
        case weighted
        /// The one that is expected to answer first, by its last answers and by what it has to do.
        case leastLatency = "least-latency"
    }
    /// One place that serves the model.
    package struct Deployment: Hashable, Sendable {
        package var model: ModelReference
        /// Its share of the calls, for `weighted`.
        package var weight: Int
        package init(model: ModelReference, weight: Int = 1) {
            self.model = model
            self.weight = weight
        }
    }
    /// Another model that is asked a share of the requests too, once they are answered: to see how it would do.
    package struct Mirror: Hashable, Sendable {
        package var model: ModelReference
        /// Of the answered requests, above 0 and at most 1.
        package var share: Double
        package init(model: ModelReference, share: Double) {
            self.model = model
            self.share = share
        }
    }
    /// Deployments and fallbacks together; more would be more tries than a client waits for.
    package static let maxCandidates = 16

    package var deployments: [Deployment]
    package var balance: Balance
    /// Other models, in the order in which they are tried once no deployment is left.
    package var fallbacks: [ModelReference]
    /// nil: no request is sent twice.
    package var mirror: Mirror?

    package init(
        deployments: [Deployment], balance: Balance = .ordered, fallbacks: [ModelReference] = [], mirror: Mirror? = nil
    ) {
        self.mirror = mirror
        self.deployments = deployments
        self.balance = balance
        self.fallbacks = fallbacks
    }

    /// What to try, best first. Pure: the same inputs and numbers, the same order.
    /// - Parameters:
    ///   - isEligible: whether its provider's breaker would let a call through.
    ///   - delay: how long it is expected to take, for `leastLatency`.
    package func order(
        isEligible: (ModelReference) -> Bool, delay: (ModelReference) -> Double,
        using generator: inout some RandomNumberGenerator
    ) -> [ModelReference] {
        let able = deployments.filter { isEligible($0.model) }
        let first: [ModelReference] =
            switch balance {
            case .ordered: able.map(\.model)
            case .weighted: Self.drawn(able, using: &generator)
            case .leastLatency:
                // Stable, so that those nothing is known of come as they are listed.
                able.enumerated().map { ($0.offset, $0.element.model, delay($0.element.model)) }
                    .sorted { ($0.2, $0.0) < ($1.2, $1.0) }.map(\.1)
            }
        let order = first + fallbacks.filter(isEligible)
        // With nobody left the first one's breaker says why.
        return order.isEmpty ? deployments.prefix(1).map(\.model) : order
    }

    /// Drawn one after the other, each by its weight among those that are left.
    private static func drawn(
        _ deployments: [Deployment], using generator: inout some RandomNumberGenerator
    ) -> [ModelReference] {
        var left = deployments
        var order: [ModelReference] = []
        while !left.isEmpty {
            let total = left.reduce(0) { $0 + max($1.weight, 0) }
            var mark = total > 0 ? Int(generator.next(upperBound: UInt64(total))) : 0
            let index = left.firstIndex { deployment in
                mark -= max(deployment.weight, 0)
                return mark < 0
            }
            order.append(left.remove(at: index ?? 0).model)
        }
        return order
    }
}
