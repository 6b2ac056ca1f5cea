internal import GatewayCore
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `GET /v1/models`, in the caller's format: the caller's boosted routes, and every paid model that has a price and a
/// configured provider.
///
/// Budgets do not matter here: a route whose budget is spent is still listed, since its SLM still answers.
struct ModelsEndpoint: Sendable {
    let services: GatewayServices

    func register(on group: RouterGroup<GatewayContext>) {
        group.get("/models") { request, context in try await list(request, context) }
    }

    private func list(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let caller = try context.requireCaller()
        let routes = await services.catalog.routes(tenantID: caller.tenant.id)
        let priced = await services.catalog.pricedModels()
        let paid = priced.filter { services.providers[$0.provider] != nil }
        var entries = routes.map { ModelList.Entry(id: $0.name, owner: "gboost") }
        entries += paid.map { ModelList.Entry(id: "\($0)", owner: $0.provider) }
        entries.removeAll { !caller.models.allows($0.id) }
        let list = ModelList(entries.sorted { $0.id < $1.id })
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: .init(
                byteBuffer: ByteBuffer(bytes: ClientWire(request) == .anthropic ? list.anthropicBody : list.body)))
    }
}
