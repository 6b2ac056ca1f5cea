internal import GatewayCore
internal import Logging
internal import Router

extension BoostedAnswer {
    /// An SLM that could not draft. The LLM is likely to be paid for what it would have written: whoever runs this
    /// hears of it, though the client gets its answer.
    func failed(_ error: LocalModelError) -> StrategyEvent {
        switch error {
        case .contextExceeded, .overloaded: break
        case .unavailable, .unusablePattern, .interrupted, .invalid, .deadlineExceeded:
            job.services.logger.warning(
                "an SLM failed",
                metadata: [
                    "tenant": "\(job.caller.tenant.name)", "route": "\(route.name)", "model": "\(route.slm)",
                    "request": "\(job.requestIDText)", "why": "\(error)",
                ])
        }
        return .draftFailed(error)
    }
}
