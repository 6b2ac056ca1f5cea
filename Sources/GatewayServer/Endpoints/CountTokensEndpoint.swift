internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `POST /v1/messages/count_tokens`: the provider's own count where it has one (it charges nothing for it, so that no
/// hold is taken), else an estimate that says so.
struct CountTokensEndpoint: Sendable {
    /// Of English text, about.
    private static let bytesPerToken: Int64 = 4
    /// Of an image, about.
    private static let tokensPerImage: Int64 = 1_600
    /// A count is a few bytes; a provider that sends more is not heard out.
    private static let maxAnswerBytes = 64 * 1024
    let services: GatewayServices

    func register(on group: RouterGroup<GatewayContext>) {
        group.post("/messages/count_tokens") { request, context in try await count(request, context) }
    }

    private func count(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let caller = try context.requireCaller()
        let body = try await request.wholeBody(services.limits)
        let messages: MessagesRequest
        do throws(WireFormatError) {
            messages = try MessagesRequest(body, needsMaxTokens: false)
        } catch {
            throw GatewayRefusal(error)
        }
        try caller.require(messages.model)
        let route = await services.catalog.route(messages.model, tenantID: caller.tenant.id)
        if let model = ModelReference(messages.model), route == nil {
            guard let provider = services.providers[model.provider] else {
                throw GatewayRefusal.unknownModel(messages.model)
            }
            if provider.endpoints.contains(.countTokens) {
                let headers = try AnswerEndpoints.passedHeaders(request)
                return try await ask(provider, model, messages, headers: headers, context)
            }
        } else if route == nil {
            throw GatewayRefusal.unknownModel(messages.model)
        }
        return Self.response(Self.estimate(messages))
    }

    private func ask(
        _ provider: any PaidProvider, _ model: ModelReference, _ messages: MessagesRequest,
        headers: [(name: String, value: String)], _ context: GatewayContext
    ) async throws -> Response {
        guard services.activity.enter(limit: services.limits.maxRequests) else {
            throw GatewayRefusal.overloaded(retryAfterSeconds: 1)
        }
        defer { services.activity.leave() }
        var call = PaidCall(
            model: model, body: try messages.paidBody(model: model.model, maxTokens: nil), isStream: false,
            requestID: context.requestID.text)
        call.endpoint = .countTokens
        call.isBrief = true
        call.headers = headers
        var answer: [UInt8] = []
        do {
            let exchange = try await provider.open(call)
            while answer.count <= Self.maxAnswerBytes, let chunk = try await exchange.next() { answer += chunk.bytes }
            await exchange.cancel()
        } catch {
            throw GatewayRefusal.upstream(PaidHop.providerError(error))
        }
        return Self.response(answer)
    }

    private static func estimate(_ messages: MessagesRequest) -> [UInt8] {
        let bytes = Int64(messages.body.count - messages.imageBytes)
        var writer = JSONWriter()
        writer.beginObject()
        writer.member(
            "input_tokens", (bytes + bytesPerToken - 1) / bytesPerToken + Int64(messages.images) * tokensPerImage)
        writer.key("gboost")
        writer.beginObject()
        writer.member("estimated", true)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    private static func response(_ body: [UInt8]) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}
