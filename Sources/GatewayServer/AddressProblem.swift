internal import Glibc
internal import NIOCore

/// Why nothing can listen at an address.
package enum AddressProblem: Hashable, Sendable {
    case portInUse
    /// One of the ports that only some processes may have.
    case portForbidden
    case hostUnknown
    /// The host is another machine.
    case hostElsewhere

    /// - Parameter error: what the server ended with; nil: the address is not to blame.
    package init?(_ error: any Error) {
        guard !(error is SocketAddressError.UnknownHost) else {
            self = .hostUnknown
            return
        }
        guard let code = (error as? IOError)?.errnoCode else { return nil }
        switch code {
        case EADDRINUSE: self = .portInUse
        case EACCES: self = .portForbidden
        case EADDRNOTAVAIL: self = .hostElsewhere
        default: return nil
        }
    }
}
