internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird

/// What a form of the console's sent: `application/x-www-form-urlencoded`, read strictly.
struct ConsoleForm: Sendable, Hashable {
    /// More is no form of ours.
    static let maxBytes = 32 * 1024
    private static let type = "application/x-www-form-urlencoded"
    private(set) var fields: [String: String] = [:]

    static func read(_ request: Request, _ limits: GatewayLimits) async throws -> ConsoleForm {
        let given = (request.headers[.contentType] ?? "").prefix { $0 != ";" }
        guard given.lowercased().filter({ $0 != " " }) == type else {
            throw GatewayRefusal.invalidRequest("The form is not sent as \(type).", parameter: nil, status: 415)
        }
        return try ConsoleForm(try await request.wholeBody(limits, atMost: maxBytes))
    }

    /// Refuses what a browser would not send: a pair without its sign, half an escape, a name twice, what is no UTF-8.
    init(_ body: [UInt8]) throws(GatewayRefusal) {
        guard !body.isEmpty else { return }
        for pair in body.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            let parts = pair.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false)
            guard parts.count == 2, let name = Self.decoded(parts[0]), let value = Self.decoded(parts[1]),
                !name.isEmpty, fields.updateValue(value, forKey: name) == nil
            else { throw .invalidRequest("The form cannot be read.", parameter: nil) }
        }
    }

    /// The one field that there is to be.
    func only(_ name: String) throws(GatewayRefusal) -> String {
        guard fields.count == 1, let value = fields[name] else {
            throw .invalidRequest("The form has not the field '\(name)' alone.", parameter: name)
        }
        return value
    }

    private static func decoded(_ bytes: ArraySlice<UInt8>) -> String? {
        var out: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): out.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = digit(rest.popFirst()), let low = digit(rest.popFirst()) else { return nil }
                out.append(high << 4 | low)
            default: out.append(byte)
            }
        }
        return String(validating: out, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8?) -> UInt8? {
        guard let byte, byte < 0x80, let value = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
        return UInt8(value)
    }
}

extension Request {
    /// Whether the client's own connection is by TLS, as far as it is known here: over HTTP/2 the request says so, and
    /// where a proxy ends TLS, the proxy.
    var cameByTLS: Bool {
        let forwarded = headers[.forwardedProto]?.prefix { $0 != "," }.lowercased()
        return head.scheme == "https" || forwarded == "https"
    }

    /// Refuses a form that another site's page has sent here.
    ///
    /// Whoever sends neither header is no browser, and has no session that could be misused. A browser that sends no
    /// more of its origin than `null` says in the other header whether it is this one.
    func requireOwnOrigin() throws(GatewayRefusal) {
        let site = headers[.secFetchSite]
        let isSame = site == "same-origin"
        guard site == nil || isSame || site == "none" else { throw .foreignOrigin }
        guard let origin = headers[.origin], !isSame else { return }
        let parts = origin.lowercased().split(separator: "://", maxSplits: 1)
        guard parts.count == 2 else { throw .foreignOrigin }
        let hosts = [head.authority, headers[.forwardedHost]].compactMap(\.self)
        guard hosts.contains(where: { Self.host($0.lowercased()) == Self.host(String(parts[1])) }) else {
            throw .foreignOrigin
        }
    }

    /// Without the ports that need not be said.
    private static func host(_ authority: String) -> String {
        for port in [":443", ":80"] where authority.hasSuffix(port) { return String(authority.dropLast(port.count)) }
        return authority
    }
}

extension GatewayRefusal {
    fileprivate static let foreignOrigin = GatewayRefusal(
        status: 403, type: "permission_error", code: "foreign_origin",
        message: "The form was sent by a page of another site.")
}

extension HTTPField.Name {
    /// Makes a name from a literal that is known to be a valid token.
    private static func literal(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else { preconditionFailure("not a header name: \(name)") }
        return field
    }
    static let referrerPolicy = literal("referrer-policy")
    static let secFetchSite = literal("sec-fetch-site")
    static let forwardedProto = literal("x-forwarded-proto")
    static let forwardedHost = literal("x-forwarded-host")
}
