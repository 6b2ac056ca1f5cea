package import Ledger
internal import Outbox

/// A destination as a command line, a file or a request writes it.
package struct DestinationFields {
    package var tenant: String?
    package var name: String
    package var kind: String
    package var target: String
    package var secrets: [String] = []
    /// Nil: what is usual.
    package var events: [String]?
    package var from: String?
    package var to: [String] = []
    package var username: String?
    package var tls: String?
    package var code: String?
    package var source: String?

    package init(name: String, kind: String, target: String) {
        self.name = name
        self.kind = kind
        self.target = target
    }

    /// A destination as it is: what changes is written over it.
    package init(_ info: DestinationInfo) {
        let destination = info.destination
        self.init(name: destination.name, kind: destination.kind.rawValue, target: destination.target)
        (tenant, secrets) = (info.tenant, destination.secrets)
        events = destination.kinds.map(\.rawValue)
        (from, to) = (destination.settings.from, destination.settings.to ?? [])
        (username, tls) = (destination.settings.username, destination.settings.tls?.rawValue)
        (code, source) = (destination.settings.code, destination.settings.source)
    }

    /// Throws what names the field. The store checks the rest; what is refused here is refused in a declaration that
    /// changes nothing, too.
    package func draft() throws(LedgerError) -> DestinationDraft {
        do throws(DestinationProblem) { try Destination.checkEach(secrets) } catch {
            throw LedgerError(.invalid, field: error.field, error.message)
        }
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
