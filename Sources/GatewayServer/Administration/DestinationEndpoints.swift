internal import HTTPTypes
internal import Ledger
internal import Outbox

/// `/admin/v1/destinations` and `/admin/v1/outbox`: where events go, and those that did not get there.
///
/// The operator alone changes anything. A destination names secrets by where they stand on the gateways' own machines
/// (`env:NAME`, `file:/path`): whoever may make one could have any of them sent to a server of his own, and a tenant's
/// administrator is not who the operator keeps them for.
enum DestinationEndpoints {
    /// A tenant's administrator sees the tenant's own.
    private static let readers: Set<AdminRole> = [.tenantAdmin, .billing, .auditor]
    /// Deliveries that one answer lists.
    private static let maxDeliveries: Int64 = 10_000

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/destinations", for: readers) { call in
            let tenant = try readTenant(&call)
            let all = try await call.store().destinations(tenant: tenant, everybody: tenant == nil)
            return try .list("destinations", all.map(DestinationDocument.init))
        }
        routes.on(.put, "/destinations/:name", for: []) { call in try await put(&call) }
        routes.on(.delete, "/destinations/:name", for: []) { call in
            let (tenant, name) = (try call.tenantIfAny(), try call.part("name"))
            let info = try await call.store().removeDestination(name, tenant: tenant)
            return try .json(RemovedDestinationDocument(info))
        }
        for (action, isPaused) in [("pause", true), ("resume", false)] {
            routes.on(.post, "/destinations/:name/\(action)", for: []) { call in
                let (tenant, name) = (try call.tenantIfAny(), try call.part("name"))
                let info = try await call.store().setDestinationPaused(isPaused, name, tenant: tenant)
                return try .json(DestinationDocument(info))
            }
        }
        // Its secret is used: not for a tenant's administrator either, who may see where a destination points.
        routes.on(.post, "/destinations/:name/test", for: []) { call in
            let (tenant, name) = (try call.tenantIfAny(), try call.part("name"))
            let store = try call.store()
            guard let sender = call.sender else { throw LedgerError(.notFound, "this gateway sends no events") }
            return try .json(try await DestinationTest.run(name, tenant: tenant, store, by: sender))
        }
        for (state, isDead) in [("pending", false), ("dead", true)] {
            routes.on(.get, "/outbox/\(state)", for: readers) { call in
                let tenant = try readTenant(&call)
                let destination = try call.fields.text("destination")
                let limit = Int(try call.fields.count("limit", from: 1, through: maxDeliveries) ?? 100)
                return try .list(
                    state,
                    try await call.store().deliveries(
                        dead: isDead, destination: destination, tenant: tenant, limit: limit))
            }
        }
        routes.on(.post, "/outbox/retry", for: []) { call in
            let tenant = try call.tenantIfAny()
            let destination = try call.fields.required("destination")
            let id = try call.fields.count("id", from: 1)
            let queued = try await call.store().retryDeliveries(destination, tenant: tenant, id: id)
            return try .json(["queued": queued])
        }
    }

    /// Nil: everybody's, the operator's own too. A tenant's administrator has a tenant: without one there is none of
    /// theirs to see.
    private static func readTenant(_ call: inout AdminCall) throws -> String? {
        if call.identity.role == .tenantAdmin { return try call.tenant() }
        return try call.tenantIfAny()
    }

    /// Makes a destination, or replaces the whole of one; without a tenant it is the operator's.
    private static func put(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, name) = (try call.tenantIfAny(), try call.part("name"))
        var fields = DestinationFields(
            name: name, kind: try call.fields.required("kind"), target: try call.fields.required("target"))
        fields.tenant = tenant
        fields.secrets = try call.fields.texts("secrets") ?? []
        fields.events = try call.fields.texts("events")
        if var settings = try call.fields.object("settings") {
            fields.from = try settings.text("from")
            fields.to = try settings.texts("to") ?? []
            fields.username = try settings.text("username")
            fields.tls = try settings.text("tls")
            fields.code = try settings.text("code")
            fields.source = try settings.text("source")
            try settings.finish()
        }
        let (wanted, store) = (fields, try call.store())
        let (info, isNew) = try await FieldNames.inJSON(["secret": "secrets"]) {
            let draft = try wanted.draft()
            return try await AdminPut.run("destination") {
                try await store.changeDestination(draft)
            } make: {
                try await store.addDestination(draft)
            }
        }
        return try .json(DestinationDocument(info), status: isNew ? 201 : 200)
    }
}
