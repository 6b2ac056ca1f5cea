internal import Crypto
internal import Foundation
internal import Hummingbird

/// Who asks for a page of the console.
enum ConsoleEntry: Sendable {
    /// Somebody who says nothing of who they are.
    case nobody
    /// Somebody who was known, or says to be, and is not; with what they are told.
    case unknown(String)
    /// - Parameter hasCookie: whether there is a session to sign out of.
    case known(AdminIdentity, hasCookie: Bool)
}

/// Sessions of the console: the credential itself, sealed into a cookie that this process alone can open.
///
/// There is no list of them, but of those that were signed out of. Each request opens its cookie and has the credential
/// verified anew, so that a key that was changed or a token that ran out ends the session.
struct ConsoleSessions: Sendable {
    static let cookieName = "gboost_console"
    static let lifetime: TimeInterval = 8 * 3600
    /// Browsers keep cookies of 4096 bytes, and base64 makes four of three.
    static let maxCredentialBytes = 2900
    private static let bound = Array("gboost-console/1".utf8)
    private static let expiryBytes = 8
    private let key: SymmetricKey
    private let ended = EndedSessions()

    /// - Parameter key: this process's own. With another one, cookies of before cannot be opened.
    init(key: SymmetricKey = SymmetricKey(size: .bits256)) { self.key = key }

    /// The cookie's value; nil where the credential is too long for a cookie.
    func seal(_ credential: String, now: Date) -> String? {
        guard credential.utf8.count <= Self.maxCredentialBytes else { return nil }
        let end = Int64(now.addingTimeInterval(Self.lifetime).timeIntervalSince1970)
        var text: [UInt8] = (0..<Self.expiryBytes).map { UInt8(truncatingIfNeeded: end >> (8 * $0)) }
        text += Array(credential.utf8)
        guard let box = try? AES.GCM.seal(text, using: key, authenticating: Self.bound), let sealed = box.combined
        else { return nil }
        return sealed.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// The credential in a cookie; nil: it has run out or was signed out of, or was sealed by another process, or by
    /// nobody.
    func open(_ value: String, now: Date) -> String? {
        guard let session = unsealed(value), now.timeIntervalSince1970 < Double(session.end),
            !ended.has(session.id, until: session.end)
        else { return nil }
        return session.credential
    }

    /// Ends the session in a cookie, wherever else the cookie is kept.
    func end(_ value: String, now: Date) {
        guard let session = unsealed(value) else { return }
        ended.add(session.id, until: session.end, now: Int64(now.timeIntervalSince1970))
    }

    /// What was sealed into a cookie, with what no other has; nil: not by this process.
    private func unsealed(_ value: String) -> (id: [UInt8], end: Int64, credential: String)? {
        var base64 = value.replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        guard let sealed = Data(base64Encoded: base64), let box = try? AES.GCM.SealedBox(combined: sealed),
            let opened = try? AES.GCM.open(box, using: key, authenticating: Self.bound)
        else { return nil }
        let text = Array(opened)
        guard text.count > Self.expiryBytes else { return nil }
        var end: Int64 = 0
        for (index, byte) in text.prefix(Self.expiryBytes).enumerated() { end |= Int64(byte) << (8 * index) }
        return (Array(box.nonce), end, String(decoding: text.dropFirst(Self.expiryBytes), as: UTF8.self))
    }

    // MARK: - Requests

    /// Who sent the request: by its header, as a signing-in proxy puts it there, or else by its cookie.
    func entry(_ request: Request, _ administration: Administration, now: Date) async throws -> ConsoleEntry {
        var problem: String?
        do {
            if let identity = try await administration.identity(of: request) {
                return .known(identity, hasCookie: false)
            }
            if AuthenticationMiddleware.key(in: request.headers, mostBytes: SignedToken.maxBytes) != nil {
                problem = "The key or token in the request's header is not known here."
            }
        } catch let refusal as GatewayRefusal where refusal.status == 401 { problem = refusal.message }
        guard let value = request.cookies[Self.cookieName]?.value, !value.isEmpty else {
            return problem.map { .unknown($0) } ?? .nobody
        }
        guard let credential = open(value, now: now) else {
            return .unknown("Your session has ended, or was begun before this gateway was started, or at another one.")
        }
        do {
            if let identity = try await administration.identity(presenting: credential) {
                return .known(identity, hasCookie: true)
            }
        } catch let refusal as GatewayRefusal where refusal.status == 401 || refusal.status == 403 {
            // Also one that has lost its role: who has it signs in anew, with another.
            return .unknown("Your session has ended: \(refusal.message)")
        }
        return .unknown("Your session has ended: the key that it was begun with is not known here any more.")
    }

    /// The header that has a browser keep the session.
    static func cookie(_ value: String, isSecure: Bool) -> String {
        cookie("\(cookieName)=\(value)", maxAge: Int(lifetime), isSecure: isSecure)
    }

    /// The header that has a browser forget the session.
    static func forgottenCookie(isSecure: Bool) -> String {
        cookie("\(cookieName)=", maxAge: 0, isSecure: isSecure)
    }

    private static func cookie(_ pair: String, maxAge: Int, isSecure: Bool) -> String {
        "\(pair); Max-Age=\(maxAge); Path=\(ConsoleLink.root); HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")"
    }
}
