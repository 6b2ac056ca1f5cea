internal import GatewayCore
internal import HTTPTypes
internal import Ledger
internal import WireFormat

/// `/admin/v1/routes`: a tenant's boosted routes, and what more or less money would buy in one.
enum RouteEndpoints {
    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/routes", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenant()
            return try .list("routes", try await call.store().routes(tenant: tenant).map(RouteDocument.init))
        }
        routes.on(.get, "/routes/:name", for: Set(AdminRole.allCases)) { call in
            let (tenant, name) = (try call.tenant(), try call.part("name"))
            let route = try await call.store().routes(tenant: tenant).first { $0.name == name }
            guard let route else { throw LedgerError(.notFound, field: "route", "\(tenant) has no route \(name)") }
            return try .json(RouteDocument(route))
        }
        routes.on(.get, "/routes/:name/advice", for: Set(AdminRole.allCases)) { call in
            let (tenant, name) = (try call.tenant(), try call.part("name"))
            return try .json(try await RouteAdvice.read(name, tenant: tenant, try call.store()))
        }
        routes.on(.put, "/routes/:name", for: [.tenantAdmin]) { call in try await put(&call) }
        routes.on(.delete, "/routes/:name", for: [.tenantAdmin]) { call in
            let (tenant, name) = (try call.tenant(), try call.part("name"))
            try await call.store().removeRoute(name, tenant: tenant)
            return try .json(RemovedDocument(name))
        }
    }

    /// Makes a route, or replaces the whole of one: what the request leaves out is as in a new one.
    private static func put(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, name) = (try call.tenant(), try call.part("name"))
        let slm = try call.fields.text("slm")
        let prm = try call.fields.text("prm")
        guard let llm = ModelReference(try call.fields.required("llm")) else {
            throw AdminFields.wrong("llm", "is not PROVIDER/MODEL")
        }
        let draft = RouteDraft(
            tenant: tenant, name: name, slm: slm ?? "", prm: prm, llm: llm, settings: try settings(&call))
        let store = try call.store()
        let (route, isNew) = try await AdminPut.run("route") {
            try await store.changeRoute(draft)
        } make: {
            try await store.addRoute(draft)
        }
        return try .json(RouteDocument(route), status: isNew ? 201 : 200)
    }

    /// As routes show them, those that differ from a new route's at least, with the strategy that may stand beside
    /// them. They are read off the body itself, by what reads stored ones.
    private static func settings(_ call: inout AdminCall) throws -> RouteSettings {
        let strategy = try call.fields.choice("strategy", StrategyKind.self)
        var settings = RouteSettings()
        var names: Set<String> = []
        if let given = call.fields.take("settings") {
            guard let fields = given.fields, let json = (try? JSONDocument(call.body))?.root["settings"] else {
                throw AdminFields.wrong("settings", "is not an object")
            }
            settings = try RouteSettings(json: String(decoding: json.rawBytes, as: UTF8.self))
            names = Set(fields.keys)
        }
        guard let strategy else { return settings }
        guard !names.contains(RouteSettings.Key.strategy.rawValue) || settings.strategy == strategy else {
            throw AdminFields.wrong("strategy", "contradicts settings.strategy, which is \(settings.strategy.rawValue)")
        }
        settings.strategy = strategy
        return settings
    }
}
