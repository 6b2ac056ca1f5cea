internal import Ledger
internal import Outbox

/// A destination as a command line or a file writes it.
struct DestinationFields {
    var tenant: String?
    var name: String
    var kind: String
    var target: String
    var secrets: [String] = []
    /// Nil: what is usual.
    var events: [String]?
    var from: String?
    var to: [String] = []
    var username: String?
    var tls: String?
    var code: String?
    var source: String?

    init(name: String, kind: String, target: String) {
        self.name = name
        self.kind = kind
        self.target = target
    }

    /// Throws what names the field.
    func draft() throws(LedgerError) -> DestinationDraft {
        var settings = DestinationSettings()
        (settings.from, settings.username) = (from, username)
        settings.to = to.isEmpty ? nil : to
        settings.tls = try tls.map { text throws(LedgerError) in try Self.choice(text, MailSecurity.self, "tls") }
        (settings.code, settings.source) = (code, source)
        var kinds: [EventKind]?
        if let events {
            kinds = []
            for text in events { kinds?.append(try Self.choice(text, EventKind.self, "events")) }
        }
        return DestinationDraft(
            tenant: tenant, name: name, kind: try Self.choice(kind, DestinationKind.self, "kind"), target: target,
            secrets: secrets, kinds: kinds, settings: settings)
    }

    private static func choice<T: RawRepresentable & CaseIterable>(
        _ text: String, _ type: T.Type, _ field: String
    ) throws(LedgerError) -> T where T.RawValue == String {
        guard let value = T(rawValue: text) else {
            let all = T.allCases.map(\.rawValue).joined(separator: ", ")
            throw LedgerError(.invalid, field: field, "'\(text.prefix(40))' is not one of: \(all)")
        }
        return value
    }
}

extension DestinationDraft {
    /// What is compared and shown of a destination in a declaration.
    var shown: [String: String] {
        DestinationText.fields(kind: kind, target: target, secrets: secrets, kinds: events, settings: settings)
    }
}

/// How a destination is written where it is compared, the same for file and database.
enum DestinationText {
    static func fields(
        kind: DestinationKind, target: String, secrets: [String], kinds: [EventKind], settings: DestinationSettings
    ) -> [String: String] {
        let none = ResourceText.none
        return [
            "kind": kind.rawValue, "target": target,
            "secrets": secrets.isEmpty ? none : secrets.joined(separator: ","),
            "events": kinds.map(\.rawValue).joined(separator: ","), "from": settings.from ?? none,
            "to": settings.to?.joined(separator: ",") ?? none, "username": settings.username ?? none,
            "tls": settings.tls?.rawValue ?? none, "code": settings.code ?? none, "source": settings.source ?? none,
        ]
    }
}
