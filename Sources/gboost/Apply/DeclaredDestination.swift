internal import GatewayServer
internal import Ledger
internal import Outbox
internal import Yams

/// A destination of a file.
enum DeclaredDestination {
    private static let known = [
        "name", "kind", "target", "secret", "events", "from", "to", "username", "tls", "code", "source",
    ]

    static func resource(
        _ node: Node, _ place: DeclaredPlace, tenant: String?
    ) throws(CommandFailure) -> DeclaredResource {
        let fields = try DeclaredMapping(node, place, known: known)
        var values = DestinationFields(
            name: try fields.required("name"), kind: try fields.required("kind"),
            target: try fields.required("target"))
        values.tenant = tenant
        values.secrets = try texts(fields, "secret") ?? []
        values.events = try texts(fields, "events")
        values.to = try texts(fields, "to") ?? []
        (values.from, values.username) = (try fields.text("from"), try fields.text("username"))
        (values.tls, values.code) = (try fields.text("tls"), try fields.text("code"))
        values.source = try fields.text("source")
        do throws(LedgerError) {
            let draft = try values.draft()
            return DeclaredResource(
                name: ResourceName(kind: .destination, tenant: tenant, text: draft.name), fields: draft.shown,
                draft: .destination(draft), place: place)
        } catch { throw fields.failure(error.field ?? "", error.message) }
    }

    /// One text or a list of them; nil: not there.
    private static func texts(_ fields: DeclaredMapping, _ name: String) throws(CommandFailure) -> [String]? {
        guard fields.names.contains(name) else { return nil }
        if let one = try? fields.text(name) { return [one] }
        var texts: [String] = []
        for (node, place) in try fields.list(name, atMost: 100) {
            guard case .scalar(let scalar) = node else { throw place.failure(nil, "a single value is expected") }
            texts.append(scalar.string)
        }
        return texts
    }
}
