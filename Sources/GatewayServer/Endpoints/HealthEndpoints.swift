internal import GatewayCore
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `/health/live`, `/health/ready`, `POST /health/drain`, `/metrics`, `/openapi.json`: no key needed, no tenant's data
/// shown.
struct HealthEndpoints: Sendable {
    let services: GatewayServices

    func register(on router: Router<GatewayContext>) {
        router.get("/health/live") { _, _ in Self.json(["status": "live"]) }
        router.get("/health/ready") { _, _ in await ready() }
        router.post("/health/drain") { _, _ in
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
