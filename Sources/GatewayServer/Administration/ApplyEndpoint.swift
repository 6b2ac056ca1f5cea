internal import HTTPTypes
internal import Ledger

/// `/admin/v1/apply`: brings about what a file declares, in YAML or JSON, for whole deployments kept as text.
enum ApplyEndpoint {
    static func register(on routes: AdminRoutes) {
        routes.on(.post, "/apply", for: [], body: .text(mostBytes: AdminBody.maxBytes)) { call in
            try call.requireAllTenants()
            let way = ApplyWay(
                isPlan: try call.fields.flag("plan") ?? false, prunes: try call.fields.flag("prune") ?? false)
            let store = try call.store()
            guard let apply = call.apply else {
                throw LedgerError(.notFound, "this gateway brings about no declared states")
            }
            return try await apply(call.body, way, store)
        }
    }
}
