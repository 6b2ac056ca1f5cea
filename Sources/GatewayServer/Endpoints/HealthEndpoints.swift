internal import GatewayCore
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `/health/live`, `/health/ready`, `/metrics`, `/openapi.json`: no key needed, no tenant's data shown. And
/// `POST /health/drain`, which cannot be undone and is for the operator alone.
struct HealthEndpoints: Sendable {
    let services: GatewayServices

    func register(on router: GatewayRouter) {
        router.get("/health/live") { _, _ in Self.json(["status": "live"]) }
        router.get("/health/ready") { _, _ in await ready() }
        router.post("/health/drain") { request, context in
            try await requireOperator(request, context)
            services.activity.startDraining()
            return Self.json(["status": "draining"])
        }
        router.get("/metrics") { _, _ in await metrics() }
        router.get("/openapi.json") { _, _ in
            guard let document = services.openAPIDocument else {
                throw GatewayRefusal.invalidRequest("The document is not here.", parameter: nil, status: 404)
            }
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: .init(byteBuffer: ByteBuffer(bytes: document)))
        }
    }

    /// The tenants' port is also the operator's: its key tells them apart, or, where there is none, the machine.
    private func requireOperator(_ request: Request, _ context: GatewayContext) async throws {
        if let administration = services.administration {
            guard let identity = try await administration.identity(of: request) else {
                throw GatewayRefusal.notAdministrator
            }
            guard identity.role == .operator else { throw GatewayRefusal.roleNotAllowed(identity) }
        } else if context.peer?.isLoopback != true {
            throw GatewayRefusal(
                status: 403, type: "permission_error", code: "loopback_only",
                message: "Without an admin.key in the configuration this path is for the gateway's own machine only.")
        }
    }

    /// 200 when a request could be answered in full, else 503 with what is missing.
    private func ready() async -> Response {
        var missing = await services.notReady()
        if services.activity.isDraining { missing.append("draining") }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("status", missing.isEmpty ? "ready" : "not_ready")
        writer.key("missing")
        writer.beginArray()
        for name in missing { writer.string(name) }
        writer.endArray()
        writer.endObject()
        return Response(
            status: missing.isEmpty ? .ok : .serviceUnavailable, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }

    private func metrics() async -> Response {
        let metrics = services.metrics
        metrics.registry.set("gboost_in_flight_requests", Double(services.activity.running))
        for (provider, state) in services.guards.breakers {
            metrics.registry.set("gboost_provider_breaker_open", state == .closed ? 0 : 1, [provider])
        }
        metrics.registry.set("gboost_cache_bytes", Double(services.cache?.size.bytes ?? 0))
        await services.refreshGauges(metrics)
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(string: metrics.registry.render())))
    }

    private static func json(_ members: KeyValuePairs<String, String>) -> Response {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value) in members { writer.member(name, value) }
        writer.endObject()
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}
