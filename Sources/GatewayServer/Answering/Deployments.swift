package import GatewayCore
internal import Synchronization

/// Which deployments serve a model, and how fast they answered. The decisions are `ModelGroup`'s and
/// `DeploymentLoad`'s; this has the clock, the lock and the random numbers.
package final class Deployments: Sendable {
    private let groups: [ModelReference: ModelGroup]
    /// Deployments whose answers are timed: somebody chooses by that.
    private let timed: Set<ModelReference>
    private let start = ContinuousClock.now
    private let loads = Mutex<[ModelReference: DeploymentLoad]>([:])

    /// - Parameter groups: by the model that routes and clients name; others have one deployment, themselves.
    package init(_ groups: [ModelReference: ModelGroup] = [:]) {
        self.groups = groups
        timed = Set(groups.values.filter { $0.balance == .leastLatency }.flatMap { $0.deployments.map(\.model) })
    }

    private var now: Duration { ContinuousClock.now - start }

    /// What to try for `model`, best first; one at least.
    /// - Parameter tenantID: whose request it is.
    func candidates(
        for model: ModelReference, guards: ProviderGuards, tenantID: Int64? = nil
    ) -> [ModelReference] {
        guard let group = groups[model] else { return [model] }
        let (now, loads) = (now, loads.withLock { $0 })
        var random = SystemRandomNumberGenerator()
        return group.order(
            isEligible: { guards.wouldAdmit($0.provider, tenantID: tenantID) },
            delay: { loads[$0]?.expectedDelay(now: now) ?? 0 }, using: &random)
    }

    /// What a share of the requests for `model` is asked of as well; nil: nothing.
    func mirror(of model: ModelReference) -> ModelGroup.Mirror? { groups[model]?.mirror }

    private func with(_ model: ModelReference, _ change: (inout DeploymentLoad, Duration) -> Void) {
        guard timed.contains(model) else { return }
        let now = now
        loads.withLock { change(&$0[model, default: DeploymentLoad()], now) }
    }

    func began(_ model: ModelReference) { with(model) { load, _ in load.began() } }

    /// - Parameter delay: until its answer's head; nil: it failed.
    func ended(_ model: ModelReference, after delay: Duration?) {
        with(model) { load, now in load.ended(after: delay, now: now) }
    }

    /// The call was not sent after all.
    func withdrawn(_ model: ModelReference) { with(model) { load, _ in load.withdrawn() } }
}
