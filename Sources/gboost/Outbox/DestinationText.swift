internal import Ledger
internal import Outbox

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
            "secrets": secrets.isEmpty ? none : list(secrets),
            "events": list(kinds.map(\.rawValue)), "from": settings.from ?? none,
            "to": settings.to.map(list) ?? none, "username": settings.username ?? none,
            "tls": settings.tls?.rawValue ?? none, "code": settings.code ?? none, "source": settings.source ?? none,
        ]
    }

    /// With commas between. One list is never written as another: a text that has a comma itself stands in quotes.
    private static func list(_ texts: [String]) -> String {
        texts.map { $0.contains(",") || $0.contains("\"") ? String(reflecting: $0) : $0 }.joined(separator: ",")
    }
}
