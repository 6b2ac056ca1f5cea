/// Why a call failed.
package struct CurlError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a call was waiting for when its time was up.
    package enum Phase: String, Hashable, Sendable {
        /// Name look-up, TCP connection and TLS handshake.
        case connect
        /// From the connection to the first byte of the response head, the sending of the request included.
        case firstByte
        /// Between two arrivals, not counting the time in which the reader held the stream back.
        case idle
        /// The whole call.
        case total
    }

    /// What happened.
    package enum Code: Hashable, Sendable {
        /// No connection: name look-up, TCP or TLS failed. No byte of the request was sent.
        case unreachable
        case timeout(Phase)
        /// The connection broke, or the peer spoke nonsense, after the request began to be sent.
        case interrupted
        /// The reader's task was cancelled, or the call was.
        case cancelled
        /// Response head or body above its limit.
        case tooLarge
        /// As many calls in flight as the configuration allows.
        case busy
        /// The client was shut down.
        case shutDown
        /// The request itself is malformed; nothing was tried.
        case invalidRequest
        /// The client's own configuration is unusable (a CA file that is not there).
        case configuration
    }

    /// What happened.
    package var code: Code
    /// libcurl's own code; 0 where the failure was not libcurl's.
    package var curlCode: Int32
    /// For the log. Names hosts, never headers or bodies.
    package var message: String
    /// False only where no byte of the request can have left this process.
    package var requestWasSent: Bool

    package init(_ code: Code, curlCode: Int32 = 0, message: String, requestWasSent: Bool) {
        self.code = code
        self.curlCode = curlCode
        self.message = message
        self.requestWasSent = requestWasSent
    }

    /// For the log.
    package var description: String {
        "\(code): \(message) (curl \(curlCode), request \(requestWasSent ? "sent" : "not sent"))"
    }
}
