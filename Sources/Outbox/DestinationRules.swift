internal import Foundation

extension Destination {
    /// Secrets at once: two while one replaces the other.
    package static let maxSecrets = 2
    /// Recipients of a mail.
    package static let maxRecipients = 20
    private static let maxTextBytes = 2000

    /// Refuses what could not be delivered to, or would put a secret into the database. Names the field.
    package func check() throws(DestinationProblem) {
        try checkTarget()
        try checkSecrets()
        try checkKinds()
        try checkSettings()
    }

    /// Whether a text says where something stands instead of being it.
    package static func isReference(_ text: String) -> Bool {
        text.hasPrefix("env:") && text.count > 4 || text.hasPrefix("file:/")
    }

    /// Refuses two references to secrets in one text: they would be kept as one, which leads nowhere.
    package static func checkEach(_ secrets: [String]) throws(DestinationProblem) {
        guard !secrets.contains(where: { $0.contains(",") }) else {
            throw DestinationProblem("secret", "a reference has no comma: each of two secrets is given by itself")
        }
    }

    /// The URL that a target is, or that its reference stands for. Nothing of it is repeated in an error.
    package func checkURL(_ url: String) throws(DestinationProblem) {
        let schemes = kind == .email ? ["smtp", "smtps"] : ["https", "http"]
        guard url.utf8.count <= Self.maxTextBytes, let parts = URLComponents(string: url),
            let scheme = parts.scheme?.lowercased(), schemes.contains(scheme), parts.host?.isEmpty == false
        else { throw DestinationProblem("target", "is not a URL with one of the schemes \(Self.list(schemes))") }
        guard parts.user == nil, parts.password == nil else {
            throw DestinationProblem("target", "holds a name or a password; use a secret, or a reference as target")
        }
        guard parts.fragment == nil else { throw DestinationProblem("target", "has a fragment") }
    }

    private func checkTarget() throws(DestinationProblem) {
        if Self.isReference(target) { return }
        guard kind != .slack else {
            throw DestinationProblem("target", "Slack's webhook URL is a secret: give it as env:NAME or file:/path")
        }
        try checkURL(target)
    }

    private func checkSecrets() throws(DestinationProblem) {
        try Self.checkEach(secrets)
        guard secrets.allSatisfy(Self.isReference) else {
            throw DestinationProblem("secret", "a secret is given as env:NAME or file:/path, never itself")
        }
        switch kind {
        case .webhook:
            guard (1...Self.maxSecrets).contains(secrets.count) else {
                throw DestinationProblem("secret", "a webhook is signed: give one secret, or two while it is replaced")
            }
        case .slack:
            guard secrets.isEmpty else { throw DestinationProblem("secret", "Slack's URL is the secret") }
        case .email:
            guard secrets.count == (settings.username == nil ? 0 : 1) else {
                throw DestinationProblem("secret", "the password belongs to a username: give both or none")
            }
        case .cloudevents:
            guard secrets.count <= 1 else { throw DestinationProblem("secret", "one bearer token at most") }
        case .lago:
            guard secrets.count == 1 else { throw DestinationProblem("secret", "Lago's API key is needed") }
        }
    }

    private func checkKinds() throws(DestinationProblem) {
        guard !kinds.isEmpty else { throw DestinationProblem("events", "none is chosen") }
        guard !kinds.contains(.test), Set(kinds).count == kinds.count else {
            let names = Self.list(EventKind.choosable.map(\.rawValue))
            throw DestinationProblem("events", "each of them once, out of: \(names)")
        }
        if kind == .slack || kind == .email, kinds.contains(.usage) {
            throw DestinationProblem("events", "usage is for machines: \(kind.rawValue) cannot have it")
        }
        if kind == .lago, kinds != [.usage] { throw DestinationProblem("events", "Lago takes usage only") }
        guard tenantID == nil || kinds.allSatisfy({ !EventKind.operatorOnly.contains($0) }) else {
            let names = EventKind.choosable.filter { EventKind.operatorOnly.contains($0) }.map(\.rawValue)
            throw DestinationProblem("events", "only the operator's destinations may have \(Self.list(names))")
        }
    }

    private func checkSettings() throws(DestinationProblem) {
        let mail: [(String, Bool)] = [
            ("from", settings.from != nil), ("to", settings.to != nil), ("username", settings.username != nil),
            ("tls", settings.tls != nil),
        ]
        if kind == .email {
            guard let from = settings.from, Self.isAddress(from) else {
                throw DestinationProblem("from", "the sender's address is needed, such as gateway@example.com")
            }
            let to = settings.to ?? []
            guard (1...Self.maxRecipients).contains(to.count), to.allSatisfy(Self.isAddress) else {
                throw DestinationProblem("to", "1 to \(Self.maxRecipients) addresses are needed")
            }
            if settings.tls == MailSecurity.none, settings.username != nil {
                throw DestinationProblem("tls", "a password is sent protected only: leave it at required")
            }
        } else if let field = mail.first(where: \.1)?.0 {
            throw DestinationProblem(field, "belongs to the kind email")
        }
        if settings.code != nil, kind != .lago { throw DestinationProblem("code", "belongs to the kind lago") }
        if settings.source != nil, kind != .cloudevents {
            throw DestinationProblem("source", "belongs to the kind cloudevents")
        }
        for (field, text) in [("code", settings.code), ("source", settings.source), ("username", settings.username)] {
            guard let text else { continue }
            guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw DestinationProblem(field, "is 1 to 255 visible characters without blanks")
            }
        }
    }

    /// What may stand between the angle brackets of an SMTP command.
    package static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && text.utf8.count <= 254
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"<>()[]\\,;:\"".utf8.contains($0) }
    }

    private static func list(_ names: [String]) -> String { names.joined(separator: ", ") }
}
