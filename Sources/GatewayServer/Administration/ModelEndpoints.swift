internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import Ledger
internal import NIOCore
internal import WireFormat

/// `/admin/v1/models`: which local models there are and where they are in this gateway; load, unload, pin, unpin.
///
/// An order is for every gateway, and is an event like the command's. Who asks for a load with
/// `accept: text/event-stream` is told how it goes on here.
struct ModelEndpoints: Sendable {
    /// How often a load is looked at, and how long.
    private static let interval = Duration.milliseconds(100)
    private static let patience = Duration.seconds(600)
    /// Gateways hear of an order within about a second.
    private static let orderLimit = Duration.seconds(15)

    let services: GatewayServices

    func register(on router: Router<GatewayContext>) {
        router.get("/admin/v1/models") { request, _ in
            let store = try store(for: request)
            let tenant = try Self.tenant(of: request)
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("models")
            writer.beginArray()
            for model in try await Self.asking({ try await store.models(tenant: tenant) }) {
                Self.write(model, at: await services.modelPlace(model), to: &writer)
            }
            writer.endArray()
            writer.endObject()
            return Self.response(writer.bytes)
        }
        router.get("/admin/v1/models/:name") { request, context in
            let (store, tenant, name) = try target(request, context)
            let models = try await Self.asking { try await store.models(tenant: tenant) }
            guard let model = models.first(where: { $0.name == name }) else {
                throw GatewayRefusal.invalidRequest(
                    "\(tenant) has no model \(name)", parameter: "model", status: 404)
            }
            return await response(model)
        }
        order("load", on: router) { try await $0.orderModel($2, tenant: $1, .load) }
        order("unload", on: router) { try await $0.orderModel($2, tenant: $1, .unload) }
        order("pin", on: router) { try await $0.pinModel($2, tenant: $1, isPinned: true) }
        order("unpin", on: router) { try await $0.pinModel($2, tenant: $1, isPinned: false) }
    }

    private func order(
        _ action: String, on router: Router<GatewayContext>,
        _ work: @escaping @Sendable (AdminStore, String, String) async throws -> ModelRecord
    ) {
        router.post(RouterPath("/admin/v1/models/:name/\(action)")) { request, context in
            let (store, tenant, name) = try target(request, context)
            let isFollowed = action == "load" && request.headers[.accept]?.contains("text/event-stream") == true
            let model = try await Self.asking { try await work(store, tenant, name) }
            return isFollowed ? progress(of: model) : await response(model)
        }
    }

    // MARK: The request

    private func store(for request: Request) throws -> AdminStore {
        guard let administration = services.administration, administration.isOperator(request) else {
            throw GatewayRefusal.notAdministrator
        }
        return administration.store
    }

    private func target(_ request: Request, _ context: GatewayContext) throws -> (AdminStore, String, String) {
        let store = try store(for: request)
        return (store, try Self.tenant(of: request), try context.parameters.require("name"))
    }

    private static func tenant(of request: Request) throws -> String {
        guard let tenant = request.uri.queryParameters["tenant"], !tenant.isEmpty else {
            throw GatewayRefusal.invalidRequest("The query names no tenant.", parameter: "tenant")
        }
        return String(tenant)
    }

    private static func asking<Value>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch let error as LedgerError { throw GatewayRefusal(error) }
    }

    // MARK: The answer

    private func response(_ model: ModelRecord) async -> Response {
        var writer = JSONWriter()
        Self.write(model, at: await services.modelPlace(model), to: &writer)
        return Self.response(writer.bytes)
    }

    private static func response(_ body: [UInt8]) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json"], body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }

    private static func write(_ model: ModelRecord, at place: ModelPlace, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", model.name)
        writer.member("kind", model.kind.rawValue)
        writer.member("reward_kind", model.rewardKind?.rawValue)
        writer.member("base", model.base)
        writer.member("pinned", model.isPinned)
        writer.member("sha256", model.sha256)
        writer.member("file", model.file)
        writer.key("place")
        write(place, to: &writer)
        writer.endObject()
    }

    private static func write(_ place: ModelPlace, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("state", place.phase.rawValue)
        writer.member("bytes", place.bytes)
        writer.member("in_use", Int64(place.inUse))
        writer.member("waiting", Int64(place.waiting))
        writer.member("why", place.why)
        writer.endObject()
    }

    /// An event for each change, until the model is in memory, or has failed, or has no host of its own.
    private func progress(of model: ModelRecord) -> Response {
        let place = services.modelPlace
        return Response(
            status: .ok, headers: AnswerJob.streamHeaders,
            body: ResponseBody { body in
                let start = ContinuousClock.now
                var last: ModelPlace.Phase?
                var hasBegun = false
                while start.duration(to: .now) < Self.patience {
                    let place = await place(model)
                    // What failed before the order came here is no answer to it.
                    let isOld = place.phase == .failed && !hasBegun && start.duration(to: .now) < Self.orderLimit
                    if place.phase == .waiting || place.phase == .loading { hasBegun = true }
                    if place.phase != last, !isOld {
                        last = place.phase
                        var writer = JSONWriter()
                        Self.write(place, to: &writer)
                        let event = Array("event: progress\ndata: ".utf8) + writer.bytes + Array("\n\n".utf8)
                        try await body.write(ByteBuffer(bytes: event))
                    }
                    if [.resident, .elsewhere].contains(place.phase) || place.phase == .failed && !isOld { break }
                    try await Task.sleep(for: Self.interval)
                }
                try await body.finish(nil)
            })
    }
}
