internal import Foundation
internal import GatewayCore
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/keys`. A secret is in the answer that makes it, and in no other.
enum KeyEndpoints {
    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/keys", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenant()
            let (after, limit) = try call.page()
            let keys = try await call.store().keys(tenant: tenant, after: after, limit: limit)
            return try .page("keys", keys, limit: limit, last: keys.last?.id)
        }
        routes.on(.post, "/keys", for: [.tenantAdmin]) { call in
            var draft = KeyDraft(tenant: try call.tenant(), team: try call.fields.text("team"))
            draft.name = try call.fields.text("name") ?? ""
            draft.expiresAt = try expiry(&call)
            draft.models = try call.fields.texts("models")
            return try .created(NewKeyDocument(try await call.store().createKey(draft)))
        }
        routes.on(.get, "/keys/:id", for: Set(AdminRole.allCases)) { call in
            let id = try call.number("id")
            return try .json(try await call.key(id, try call.store()).info)
        }
        routes.on(.patch, "/keys/:id", for: [.tenantAdmin]) { call in try await change(&call) }
        routes.on(.post, "/keys/:id/rotate", for: [.tenantAdmin]) { call in
            let (id, store) = (try call.number("id"), try call.store())
            _ = try await call.key(id, store)
            return try .json(NewKeyDocument(try await store.rotateKey(id)))
        }
        routes.on(.delete, "/keys/:id", for: [.tenantAdmin]) { call in
            let (id, store) = (try call.number("id"), try call.store())
            _ = try await call.key(id, store)
            return try .json(try await store.revokeKey(id))
        }
    }

    /// What the request does not name stays; a team, an end or a list that is null is taken away.
    private static func change(_ call: inout AdminCall) async throws -> AdminAnswer {
        let id = try call.number("id")
        let isSuspended = try call.fields.flag("suspended")
        let (setsModels, models) = (call.fields.has("models"), try call.fields.texts("models"))
        let (setsTeam, team) = (call.fields.has("team"), try call.fields.text("team"))
        let (setsEnd, end) = (call.fields.has("expires"), try expiry(&call))
        let asked = call
        return try .json(
            try await asked.store().inOneTransaction { store -> KeyInfo in
                let (info, tenant) = try await asked.key(id, store)
                var draft = KeyDraft(tenant: tenant, team: info.team, name: info.name, expiresAt: info.expiresAt)
                if setsTeam { draft.team = team }
                if setsEnd { draft.expiresAt = end }
                // First: it locks the tenant, which comes before its keys in everybody's order.
                if setsTeam || setsEnd { try await store.changeKey(id, to: draft) }
                if setsModels { try await store.setKeyModels(models, key: id) }
                if let isSuspended { try await store.setKeySuspended(isSuspended, key: id) }
                return try await asked.key(id, store).info
            })
    }

    /// A key is ended at once by revoking it, which cannot be mistaken.
    private static func expiry(_ call: inout AdminCall) throws -> Date? {
        guard let end = try call.fields.instant("expires") else { return nil }
        guard end > Date() else { throw AdminFields.wrong("expires", "lies in the past") }
        return end
    }
}
