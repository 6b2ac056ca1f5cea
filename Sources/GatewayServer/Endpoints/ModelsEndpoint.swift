internal import Foundation
internal import GatewayCore
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `GET /v1/models` and `/v1/models/{model}`, in the caller's format: the caller's boosted routes, and every paid model
/// that has a price and a configured provider.
///
/// Budgets do not matter here: a route whose budget is spent is still listed, since its SLM still answers.
struct ModelsEndpoint: Sendable {
    let services: GatewayServices

    func register(on group: RouterGroup<GatewayContext>) {
        group.get("/models") { request, context in try await list(request, context) }
        // A model's name has a slash in it, which some clients escape.
        group.get("/models/**") { request, context in try await show(request, context) }
    }

    private func list(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let list = ModelList(try await entries(for: context).sorted { $0.id < $1.id })
        return Self.response(ClientWire(request) == .anthropic ? list.anthropicBody : list.body)
    }

    private func show(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let name = context.wildName ?? ""
        guard let entry = try await entries(for: context).first(where: { $0.id == name }) else {
            throw GatewayRefusal.unknownModel(name)
        }
        return Self.response(ClientWire(request) == .anthropic ? entry.anthropicBody : entry.body)
    }

    /// What the caller may name.
    private func entries(for context: GatewayContext) async throws -> [ModelList.Entry] {
        let caller = try context.requireCaller()
        let routes = await services.catalog.routes(tenantID: caller.tenant.id)
        let priced = await services.catalog.pricedModels()
        let paid = priced.filter { services.providers[$0.provider] != nil }
        var entries = routes.map { ModelList.Entry(id: $0.name, owner: "gboost") }
        entries += paid.map { ModelList.Entry(id: "\($0)", owner: $0.provider) }
        entries.removeAll { !caller.models.allows($0.id) }
        return entries
    }

    private static func response(_ body: [UInt8]) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json"], body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

extension GatewayContext {
    /// The name that stands in the path for its `**`, with its slashes as they are or escaped; nil: the path has none.
    var wildName: String? {
        let parts = parameters.getCatchAll()
        guard !parts.isEmpty else { return nil }
        let name = parts.joined(separator: "/")
        return name.removingPercentEncoding ?? name
    }
}
