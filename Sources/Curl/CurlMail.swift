/// One mail, by SMTP.
package struct CurlMail: Sendable {
    /// `smtp://host:port` or `smtps://host:port`, without user information.
    package var url: String
    /// The envelope's addresses, without angle brackets.
    package var from: String
    package var to: [String]
    /// Header lines, an empty one and the text, with CR LF at the ends of lines. Lines that begin with a dot may: their
    /// quoting is libcurl's.
    package var text: [UInt8]
    /// Whether nothing may be said before the connection is protected (STARTTLS, or `smtps`).
    package var requiresTLS = true
    /// The name and the password for the server; nil: it wants none.
    package var login: (name: String, password: String)?
    /// How long it may take.
    package var timeouts: CurlTimeouts

    package init(url: String, from: String, to: [String], text: [UInt8], timeouts: CurlTimeouts = CurlTimeouts()) {
        self.url = url
        self.from = from
        self.to = to
        self.text = text
        self.timeouts = timeouts
    }
}

extension CurlMail {
    private static let maxURLBytes = 2048
    private static let maxRecipients = 100
    private static let maxAddressBytes = 254
    private static let maxTextBytes = 1 << 20

    /// Refuses what could be read as another command on the wire.
    func validate() throws(CurlError) {
        func refuse(_ message: String) -> CurlError {
            CurlError(.invalidRequest, message: message, requestWasSent: false)
        }
        guard let scheme = ["smtp://", "smtps://"].first(where: { url.lowercased().hasPrefix($0) }) else {
            throw refuse("URL is neither smtp nor smtps")
        }
        guard url.utf8.count <= Self.maxURLBytes, url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw refuse("URL is too long or has a character that must be escaped")
        }
        let authority = url.dropFirst(scheme.count).prefix { !"/?#\\".contains($0) }
        guard !authority.isEmpty, !authority.contains("@") else { throw refuse("URL has no host, or has credentials") }
        guard (1...Self.maxRecipients).contains(to.count) else { throw refuse("no recipients, or too many") }
        for address in [from] + to {
            guard (1...Self.maxAddressBytes).contains(address.utf8.count),
                address.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"<>".utf8.contains($0) })
            else { throw refuse("malformed address") }
        }
        guard text.count <= Self.maxTextBytes else { throw refuse("the mail is too large") }
        guard requiresTLS || login == nil else { throw refuse("a password is not sent unprotected") }
    }

    /// The same as an HTTP call has, for the clocks.
    var request: CurlRequest { CurlRequest(url: url, timeouts: timeouts) }
}
