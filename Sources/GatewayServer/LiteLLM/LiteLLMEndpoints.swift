internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import Ledger
internal import NIOCore
internal import WireFormat

/// LiteLLM's management paths, with its names of fields: the same operations as the commands', for the tools of people
/// who come from there. A field that has no equal here is refused by name, or named in the answer; none is dropped.
struct LiteLLMEndpoints: Sendable {
    typealias Work = @Sendable (LiteLLMCall) async throws -> [UInt8]
    let services: GatewayServices

    func register(on router: GatewayRouter) {
        // LiteLLM has both spellings.
        for path in ["/health/liveliness", "/health/liveness"] {
            router.get(RouterPath(path)) { _, _ in Self.response(Array("\"I'm alive!\"".utf8)) }
        }
        router.get("/health/readiness") { _, _ in await readiness() }
        for path in ["/model/info", "/v1/model/info"] {
            router.get(RouterPath(path)) { request, context in
                Self.response(try await LiteLLMModels(services: services).list(request, context))
            }
        }
        router.get("/key/info") { request, context in
            Self.response(try await LiteLLMKeys(services: services).info(request, context))
        }
        post("/key/generate", on: router) { try await LiteLLMKeys.generate($0) }
        post("/key/update", on: router) { try await LiteLLMKeys.update($0) }
        post("/key/delete", on: router) { try await LiteLLMKeys.delete($0) }
        post("/key/regenerate", on: router) { try await LiteLLMKeys.regenerate($0) }
        post("/key/block", on: router) { try await LiteLLMKeys.setBlocked(true, $0) }
        post("/key/unblock", on: router) { try await LiteLLMKeys.setBlocked(false, $0) }
        post("/user/new", on: router) { try await LiteLLMUsers.make($0) }
        post("/team/new", on: router) { try await LiteLLMTeams.make($0) }
        post("/team/update", on: router) { try await LiteLLMTeams.update($0) }
        post("/team/block", on: router) { try await LiteLLMTeams.setBlocked(true, $0) }
        post("/team/unblock", on: router) { try await LiteLLMTeams.setBlocked(false, $0) }
        post("/budget/new", on: router) { try await LiteLLMBudgets.set($0) }
        post("/budget/info", on: router) { try await LiteLLMBudgets.info($0) }
        get("/key/list", on: router) { try await LiteLLMKeys.list($0) }
        get("/team/info", on: router) { try await LiteLLMTeams.info($0) }
        get("/team/list", on: router) { try await LiteLLMTeams.list($0) }
        get("/spend/logs", on: router) { try await LiteLLMSpend.logs($0) }
        get("/global/spend", on: router) { try await LiteLLMSpend.total($0) }
        get("/global/spend/report", on: router) { try await LiteLLMSpend.report($0) }
    }

    private func post(_ path: RouterPath, on router: GatewayRouter, _ work: @escaping Work) {
        router.post(path) { request, context in
            let administration = try await administration(for: request)
            let body = try await request.wholeBody(services.limits, atMost: LiteLLMCall.maxBodyBytes)
            let call = try LiteLLMCall(body: body, administration, context)
            return Self.response(try await Self.perform(work, call))
        }
    }

    private func get(_ path: RouterPath, on router: GatewayRouter, _ work: @escaping Work) {
        router.get(path) { request, context in
            let call = LiteLLMCall(query: request, try await administration(for: request), context)
            return Self.response(try await Self.perform(work, call))
        }
    }

    private func administration(for request: Request) async throws -> Administration {
        guard let administration = services.administration,
            let identity = try await administration.identity(of: request)
        else { throw GatewayRefusal.notAdministrator }
        guard identity.role == .operator else { throw GatewayRefusal.roleNotAllowed(identity) }
        return administration.acting(as: identity)
    }

    /// Errors name the field as LiteLLM spells it.
    static func perform(_ work: Work, _ call: LiteLLMCall) async throws -> [UInt8] {
        do { return try await work(call) } catch let error as LedgerError {
            throw GatewayRefusal(LiteLLMFieldNames.spelled(error))
        } catch let error as LiteLLMRecord.Failure {
            throw GatewayRefusal.invalidRequest("\(error.field) \(error.message).", parameter: error.field)
        }
    }

    private func readiness() async -> Response {
        let missing = await services.notReady()
        let isReady = missing.isEmpty && !services.activity.isDraining
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("status", isReady ? "healthy" : "unhealthy")
        writer.member("db", missing.contains("database") ? "disconnected" : "connected")
        writer.endObject()
        return Self.response(writer.bytes, status: isReady ? .ok : .serviceUnavailable)
    }

    static func response(_ body: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}
