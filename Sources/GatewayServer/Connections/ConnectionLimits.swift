internal import HummingbirdCore
internal import NIOCore

/// How much of the server clients may take up by being slow.
package struct ConnectionLimits: Hashable, Sendable {
    /// Further ones wait to be accepted.
    package var maxConnections = 4096
    /// How long a connection may stand still with no request under way, or with half of a request's head.
    package var idleSeconds = 120.0
    /// How long a request may take to arrive, and a TLS handshake.
    package var requestSeconds = 60.0
    /// How long what is to be written of an answer may wait for its client. An answer may take as long as it takes; who
    /// does not read it keeps a hold, a place among the requests and a connection from everybody else. Long: a whole
    /// answer is one piece, and may be large.
    package var unreadSeconds = 600.0
    package init() {}

    /// A little more than `requestSeconds`: until then whoever reads the body answers that it came too slowly.
    private static let grace = 1.0

    /// - Parameter maxBodyBytes: no path takes a larger body: a client that waits to be asked for one is not.
    func channel(maxBodyBytes: Int) -> HTTP1Channel.Configuration {
        let limit = TimeAmount.seconds(requestSeconds + Self.grace)
        return HTTP1Channel.Configuration(
            additionalChannelHandlers: [
                HTTP1CourtesyPlacer(maxBodyBytes), RequestDeadline(limit), ReadingDeadline(.seconds(unreadSeconds)),
            ],
            idleTimeout: .seconds(idleSeconds))
    }
}

extension TimeAmount {
    static func seconds(_ seconds: Double) -> TimeAmount { .milliseconds(Int64(seconds * 1000)) }
}
