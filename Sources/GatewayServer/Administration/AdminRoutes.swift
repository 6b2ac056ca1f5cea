internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import Ledger

/// Where the endpoints under `/admin/v1` are put in: each with the roles that may ask for it.
struct AdminRoutes {
    typealias Work = @Sendable (inout AdminCall) async throws -> AdminAnswer
    static let root = "/admin/v1"
    let services: GatewayServices
    private let router: GatewayRouter

    init(_ services: GatewayServices, on router: GatewayRouter) {
        self.services = services
        self.router = router
    }

    /// - Parameters:
    ///   - path: below `/admin/v1`, with `:name` for parts.
    ///   - roles: who may ask for it besides the operator.
    func on(
        _ method: HTTPRequest.Method, _ path: String, for roles: Set<AdminRole>, body: AdminBody = .object,
        _ work: @escaping Work
    ) {
        let services = services
        router.on(RouterPath(Self.root + path), method: method) { request, context in
            var call = try await AdminCall(request, context, services, roles: roles, body: body)
            return try await AdminExecutor.run { try await Self.asking { try await work(&call) } }.response
        }
    }

    /// What administration found wrong, as a refusal, with the field as the JSON spells it.
    static func asking<Value>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await FieldNames.inJSON([:], work) } catch let error as LedgerError {
            throw GatewayRefusal(error)
        }
    }
}

/// Everything under `/admin/v1`.
struct AdminEndpoints: Sendable {
    let services: GatewayServices

    func register(on router: GatewayRouter) {
        let routes = AdminRoutes(services, on: router)
        TenantEndpoints.register(on: routes)
        TeamEndpoints.register(on: routes)
        KeyEndpoints.register(on: routes)
        BudgetEndpoints.register(on: routes)
        LimitEndpoints.register(on: routes)
        ModelEndpoints.register(on: routes)
        PriceEndpoints.register(on: routes)
        RouteEndpoints.register(on: routes)
        DestinationEndpoints.register(on: routes)
        UpkeepEndpoints.register(on: routes)
        ApplyEndpoint.register(on: routes)
        SpendEndpoints.register(on: routes)
        StatementEndpoints.register(on: routes)
        EscalationEndpoints.register(on: routes)
        AuditEndpoints.register(on: routes)
    }
}
