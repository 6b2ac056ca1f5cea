internal import FoundationEssentials
internal import GatewayCore
package import Hummingbird
internal import NIOCore
internal import Synchronization

/// What the handlers know of a request beside its bytes.
package struct GatewayContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// UUIDv7, the `x-gboost-request-id` of the answer and the key of every hold.
    let requestID: UUID
    let startedAt: ContinuousClock.Instant
    let startedOn: Date
    /// Where it came from; nil where the channel does not say.
    let peer: SocketAddress?
    private let identity = CallerIdentity()
    /// Who sent it; set by `AuthenticationMiddleware`, for every copy of this context: what turns a request away stands
    /// outside, and has one that was made before.
    var caller: Caller? {
        get { identity.caller.withLock { $0 } }
        nonmutating set { identity.caller.withLock { $0 = newValue } }
    }

    package init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        peer = source.channel.remoteAddress
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

/// A request's caller, once it is known.
private final class CallerIdentity: Sendable {
    let caller = Mutex<Caller?>(nil)
}

extension SocketAddress {
    /// Whether it is of this machine; another one cannot take such an address.
    var isLoopback: Bool {
        switch self {
        case .unixDomainSocket: true
        case .v4, .v6:
            ipAddress.map { $0 == "::1" || $0.hasPrefix("127.") || $0.hasPrefix("::ffff:127.") } ?? false
        }
    }
}
