internal import GatewayCore
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/teams`.
enum TeamEndpoints {
    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/teams", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenant()
            let (after, limit) = try call.page()
            let teams = try await call.store().teams(tenant: tenant, after: after, limit: limit)
            return try .page("teams", teams, limit: limit, last: teams.last?.id)
        }
        routes.on(.post, "/teams", for: [.tenantAdmin]) { call in try await make(&call) }
        routes.on(.get, "/teams/:name", for: Set(AdminRole.allCases)) { call in
            let (tenant, name) = (try call.tenant(), try call.part("name"))
            return try .json(try await call.store().team(named: name, tenant: tenant))
        }
        routes.on(.patch, "/teams/:name", for: [.tenantAdmin]) { call in try await change(&call) }
    }

    private static func make(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try call.tenant()
        let name = try call.fields.required("name")
        let models = try call.fields.texts("models")
        return try .created(
            try await call.store().inOneTransaction { store -> TeamInfo in
                let made = try await store.createTeam(name: name, tenant: tenant)
                guard let models else { return made }
                return try await store.setTeamModels(models, team: name, tenant: tenant)
            })
    }

    private static func change(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, name) = (try call.tenant(), try call.part("name"))
        let isSuspended = try call.fields.flag("suspended")
        let setsModels = call.fields.has("models")
        let models = try call.fields.texts("models")
        return try .json(
            try await call.store().inOneTransaction { store -> TeamInfo in
                if setsModels { try await store.setTeamModels(models, team: name, tenant: tenant) }
                if let isSuspended { try await store.setTeamSuspended(isSuspended, team: name, tenant: tenant) }
                return try await store.team(named: name, tenant: tenant)
            })
    }
}
