/// The methods a call may use.
package enum CurlMethod: String, Hashable, Sendable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
}

/// How long a call may wait, by what it waits for. nil: for ever. A time in which the process was stopped, or got no
/// processor, is counted by `total` alone; what had arrived by then is read in any case.
package struct CurlTimeouts: Hashable, Sendable {
    /// Name look-up, TCP and TLS together.
    package var connect: Duration?
    /// From the connection to the first byte of the response head.
    package var firstByte: Duration?
    /// Between two arrivals; stands still while the reader holds the stream back.
    package var idle: Duration?
    /// The whole call.
    package var total: Duration?
    package init(
        connect: Duration? = .seconds(10), firstByte: Duration? = .seconds(120), idle: Duration? = .seconds(60),
        total: Duration? = nil
    ) {
        self.connect = connect
        self.firstByte = firstByte
        self.idle = idle
        self.total = total
    }
}

/// One HTTP call.
package struct CurlRequest: Sendable {
    /// What is asked of the server.
    package var method: CurlMethod
    /// Absolute, `http` or `https`, without user information.
    package var url: String
    /// In the order in which they are sent. Headers that frame the message are refused: they are libcurl's.
    package var headers: [(name: String, value: String)]
    /// Sent as it is, with its length; a GET has none.
    package var body: [UInt8]
    /// How it is signed, where its server wants that.
    package var signature: CurlSignature?
    /// How long the call may wait.
    package var timeouts: CurlTimeouts
    /// High-water mark: with more than this unread, the socket is no longer read and TCP holds the peer back.
    package var maxBufferedBytes: Int
    /// The most that a whole response body may have.
    package var maxResponseBytes: Int

    package init(
        method: CurlMethod = .post, url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        timeouts: CurlTimeouts = CurlTimeouts(), maxBufferedBytes: Int = 64 * 1024,
        maxResponseBytes: Int = 64 * 1024 * 1024
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeouts = timeouts
        self.maxBufferedBytes = maxBufferedBytes
        self.maxResponseBytes = maxResponseBytes
    }
}

extension CurlRequest {
    private static let maxURLBytes = 8 * 1024
    private static let maxHeaderBytes = 16 * 1024
    private static let maxHeaders = 64
    /// Names that libcurl sets itself. A second, different one would let a request be read in two ways.
    private static let framing: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    /// Refuses what could change the meaning of the request on the wire.
    func validate() throws(CurlError) {
        func refuse(_ message: String) -> CurlError {
            CurlError(.invalidRequest, message: message, requestWasSent: false)
        }
        // All of it on bytes: a character costs a hundred times as much, and this is looked at for each call.
        let schemes = ["http://".utf8, "https://".utf8]
        let scheme = schemes.first { url.utf8.count >= $0.count && zip(url.utf8, $0).allSatisfy(Self.isSameLetter) }
        guard let scheme else { throw refuse("URL is neither http nor https") }
        guard url.utf8.count <= Self.maxURLBytes, url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw refuse("URL is too long or has a character that must be escaped")
        }
        let authority = url.utf8.dropFirst(scheme.count).prefix(while: Self.isOfAuthority)
        guard !authority.isEmpty, !authority.contains(UInt8(ascii: "@")) else {
            throw refuse("URL has no host, or has credentials")
        }
        guard headers.count <= Self.maxHeaders else { throw refuse("too many headers") }
        for (name, value) in headers {
            guard !name.isEmpty, name.utf8.allSatisfy(Self.isToken) else { throw refuse("malformed header name") }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw refuse("control character in the header \(name)")
            }
            guard name.utf8.count + value.utf8.count <= Self.maxHeaderBytes else {
                throw refuse("header \(name) is too long")
            }
            guard !Self.framing.contains(name.lowercased()) else {
                throw refuse("header \(name) is not the caller's to set")
            }
        }
        guard method != .get || body.isEmpty else { throw refuse("a GET has no body") }
        guard maxBufferedBytes > 0, maxResponseBytes > 0 else { throw refuse("a limit of zero bytes") }
    }

    /// - Parameter lower: a lower-case letter, or no letter.
    private static func isSameLetter(_ byte: UInt8, _ lower: UInt8) -> Bool {
        byte == lower || (0x41...0x5A).contains(byte) && byte | 0x20 == lower
    }

    private static func isOfAuthority(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "\\"): false
        default: true
        }
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "-"): true
        default: "!#$%&'*+.^_`|~".utf8.contains(byte)
        }
    }
}
