internal import GatewayCore
internal import HTTPTypes
internal import Ledger
internal import WireFormat

/// `/admin/v1/models`: which local models there are and where they are in this gateway; add, remove, load, unload, pin,
/// unpin.
///
/// An order is for every gateway, and is an event like the command's. Who asks for a load with
/// `accept: text/event-stream` is told how it goes on here.
enum ModelEndpoints {
    /// How often a load is looked at, and how long.
    private static let interval = Duration.milliseconds(100)
    private static let patience = Duration.seconds(600)
    /// Gateways hear of an order within about a second.
    private static let orderLimit = Duration.seconds(15)

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/models", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenant()
            let models = try await call.store().models(tenant: tenant)
            return .whole(await list(models, call.services))
        }
        routes.on(.get, "/models/:name", for: Set(AdminRole.allCases)) { call in
            let (tenant, name) = (try call.tenant(), try call.part("name"))
            let models = try await call.store().models(tenant: tenant)
            guard let model = models.first(where: { $0.name == name }) else {
                throw LedgerError(.notFound, field: "model", "\(tenant) has no model \(name)")
            }
            return .whole(await document(model, call.services))
        }
        // A file on the gateways' own disks: the operator alone says which.
        routes.on(.post, "/models", for: []) { call in try await add(&call) }
        routes.on(.delete, "/models/:name", for: []) { call in
            let (tenant, name) = (try call.tenant(), try call.part("name"))
            try await call.store().removeModel(name, tenant: tenant)
            return try .json(RemovedDocument(name))
        }
        order("load", for: [.tenantAdmin], on: routes) { try await $0.orderModel($2, tenant: $1, .load) }
        order("unload", for: [.tenantAdmin], on: routes) { try await $0.orderModel($2, tenant: $1, .unload) }
        // What is pinned takes the memory of all tenants.
        order("pin", for: [], on: routes) { try await $0.pinModel($2, tenant: $1, isPinned: true) }
        order("unpin", for: [], on: routes) { try await $0.pinModel($2, tenant: $1, isPinned: false) }
    }

    private static func add(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try call.tenant()
        let name = try call.fields.required("name")
        guard let kind = try call.fields.choice("kind", ModelKind.self) else {
            throw AdminFields.wrong("kind", "is missing")
        }
        let file = try call.fields.required("file")
        // What it would be relative to is nobody's business but the command's.
        guard file.hasPrefix("/") || RemoteEndpoint.isMeant(file) else {
            throw AdminFields.wrong("file", "is neither an absolute path nor where another server holds the model")
        }
        let base = try call.fields.text("base")
        let reward = try call.fields.choice("reward_kind", RewardKind.self)
        let draft = ModelDraft(
            tenant: tenant, name: name, kind: kind, file: file, base: base,
            rewardKind: ModelRegistration.rewardKind(reward, of: kind, base: base),
            isPinned: try call.fields.flag("pin") ?? false)
        let store = try call.store()
        let model = try await FieldNames.inJSON { try await ModelRegistration.add(draft, store) }
        var answer = AdminAnswer.whole(await document(model, call.services))
        answer.status = .created
        return answer
    }

    private static func order(
        _ action: String, for roles: Set<AdminRole>, on routes: AdminRoutes,
        _ work: @escaping @Sendable (AdminStore, String, String) async throws -> ModelRecord
    ) {
        routes.on(.post, "/models/:name/\(action)", for: roles) { call in
            let (tenant, name) = (try call.tenant(), try call.part("name"))
            let model = try await work(try call.store(), tenant, name)
            let services = call.services
            guard action == "load", call.takesEvents else { return .whole(await document(model, services)) }
            return .events { write in try await tell(of: model, services.modelPlace, write) }
        }
    }

    // MARK: The answer

    private static func list(_ models: [ModelRecord], _ services: GatewayServices) async -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("models")
        writer.beginArray()
        for model in models { write(model, at: await services.modelPlace(model), to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private static func document(_ model: ModelRecord, _ services: GatewayServices) async -> [UInt8] {
        var writer = JSONWriter()
        write(model, at: await services.modelPlace(model), to: &writer)
        return writer.bytes
    }

    private static func write(_ model: ModelRecord, at place: ModelPlace, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("id", model.id)
        writer.member("name", model.name)
        writer.member("kind", model.kind.rawValue)
        writer.member("reward_kind", model.rewardKind?.rawValue)
        writer.member("base", model.base)
        writer.member("pinned", model.isPinned)
        writer.member("sha256", model.sha256)
        writer.member("settings_sha256", model.settingsSHA256)
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
    private static func tell(
        of model: ModelRecord, _ place: @Sendable (ModelRecord) async -> ModelPlace, _ write: AdminAnswer.Writer
    ) async throws {
        let start = ContinuousClock.now
        var last: ModelPlace.Phase?
        var hasBegun = false
        while start.duration(to: .now) < patience {
            let place = await place(model)
            // What failed before the order came here is no answer to it.
            let isOld = place.phase == .failed && !hasBegun && start.duration(to: .now) < orderLimit
            if place.phase == .waiting || place.phase == .loading { hasBegun = true }
            if place.phase != last, !isOld {
                last = place.phase
                var writer = JSONWriter()
                self.write(place, to: &writer)
                try await write((Array("event: progress\ndata: ".utf8) + writer.bytes + Array("\n\n".utf8))[...])
            }
            if [.resident, .elsewhere].contains(place.phase) || place.phase == .failed && !isOld { break }
            try await Task.sleep(for: interval)
        }
    }
}
