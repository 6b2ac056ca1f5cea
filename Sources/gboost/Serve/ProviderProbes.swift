internal import GatewayCore
internal import GatewayServer

/// Looks at providers from time to time by a question that is never charged, so that one that is down is left alone
/// before a request finds out, and one that is back is tried at once. Off unless `probe_seconds` says otherwise.
struct ProviderProbes: Sendable {
    let providers: [String: any PaidProvider]
    /// By provider; those without one are not looked at.
    let intervals: [String: Duration]
    let guards: ProviderGuards

    /// Until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for (name, interval) in intervals {
                guard let provider = providers[name] else { continue }
                group.addTask {
                    while (try? await Task.sleep(for: interval)) != nil {
                        guard let isReachable = await provider.isReachable() else { return }
                        guards.probed(name, succeeded: isReachable)
                    }
                }
            }
        }
    }
}
