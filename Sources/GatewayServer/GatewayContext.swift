internal import FoundationEssentials
internal import GatewayCore
package import Hummingbird

/// What the handlers know of a request beside its bytes.
package struct GatewayContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// UUIDv7, the `x-gboost-request-id` of the answer and the key of every hold.
    let requestID: UUID
    let startedAt: ContinuousClock.Instant
    let startedOn: Date
    /// Who sent it; set by `AuthenticationMiddleware`.
    var caller: Caller?

    package init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        startedAt = .now
        startedOn = Date()
        var random = SystemRandomNumberGenerator()
        let milliseconds = UInt64(max(0, startedOn.timeIntervalSince1970 * 1000))
        requestID = RequestID.make(milliseconds: milliseconds, using: &random)
    }

    /// The caller, or a 401 for a handler that stands outside the authenticated group by mistake.
    func requireCaller() throws -> Caller {
        guard let caller else { throw GatewayRefusal.invalidKey }
        return caller
    }
}
