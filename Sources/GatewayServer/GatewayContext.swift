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
        requestID = UUIDv7.make(at: startedOn)
    }

    /// The caller, or a 401 for a handler that stands outside the authenticated group by mistake.
    func requireCaller() throws -> Caller {
        guard let caller else { throw GatewayRefusal.invalidKey }
        return caller
    }
}

/// Time-ordered request ids (RFC 9562, version 7): 48 bits of milliseconds, the rest random.
enum UUIDv7 {
    static func make(at date: Date) -> UUID {
        var bytes = UUID().uuid  // version 4: random bits, variant already set
        let milliseconds = UInt64(max(0, date.timeIntervalSince1970 * 1000))
        bytes.0 = UInt8(truncatingIfNeeded: milliseconds >> 40)
        bytes.1 = UInt8(truncatingIfNeeded: milliseconds >> 32)
        bytes.2 = UInt8(truncatingIfNeeded: milliseconds >> 24)
        bytes.3 = UInt8(truncatingIfNeeded: milliseconds >> 16)
        bytes.4 = UInt8(truncatingIfNeeded: milliseconds >> 8)
        bytes.5 = UInt8(truncatingIfNeeded: milliseconds)
        bytes.6 = (bytes.6 & 0x0F) | 0x70
        return UUID(uuid: bytes)
    }
}
