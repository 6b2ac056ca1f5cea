internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `POST /v1/messages/count_tokens`: the provider's own count where it has one (it charges nothing for it, so that no
/// hold is taken), else an estimate that says so. Of a model with several deployments the first that counts is asked;
/// where none of them is up, the estimate is better than nothing.
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
            let (guards, tenantID) = (services.guards, caller.tenant.id)
            let candidates = services.deployments.candidates(for: model, guards: guards, tenantID: tenantID)
            guard candidates.contains(where: { services.providers[$0.provider] != nil }) else {
                throw GatewayRefusal.unknownModel(messages.model)
            }
            let counting = candidates.filter {
                services.providers[$0.provider]?.endpoints.contains(.countTokens) == true
                    && guards.wouldAdmit($0.provider, tenantID: tenantID)
            }
            let headers = try AnswerEndpoints.passedHeaders(request)
            if let count = try await ask(counting, messages, headers: headers, context) { return count }
        } else if route == nil {
            throw GatewayRefusal.unknownModel(messages.model)
        }
        return Self.response(Self.estimate(messages))
    }

    /// One candidate after the other; nil: those that count are down.
    private func ask(
        _ candidates: [ModelReference], _ messages: MessagesRequest, headers: [(name: String, value: String)],
        _ context: GatewayContext
    ) async throws -> Response? {
        guard !candidates.isEmpty else { return nil }
        guard services.activity.enter(limit: services.limits.maxRequests) else {
            throw GatewayRefusal.overloaded(retryAfterSeconds: 1)
        }
        defer { services.activity.leave() }
        var refusal: ProviderError?
        for model in candidates {
            guard let provider = services.providers[model.provider] else { continue }
            var call = PaidCall(
                model: model, body: try messages.paidBody(model: model.model, maxTokens: nil), isStream: false,
                requestID: context.requestID.text)
            call.endpoint = .countTokens
            call.isBrief = true
            call.headers = headers
            do {
                return Self.response(try await Self.answer(of: provider, to: call))
            } catch {
                let failure = PaidHop.providerError(error)
                guard !Self.isRequestFault(failure) else { throw GatewayRefusal.upstream(failure) }
                if !Self.isPassing(failure) { refusal = failure }
            }
        }
        if let refusal { throw GatewayRefusal.upstream(refusal) }
        return nil
    }

    private static func answer(of provider: any PaidProvider, to call: PaidCall) async throws -> [UInt8] {
        var answer: [UInt8] = []
        let exchange = try await provider.open(call)
        while answer.count <= maxAnswerBytes, let chunk = try await exchange.next() { answer += chunk.bytes }
        await exchange.cancel()
        return answer
    }

    /// Another deployment would say the same.
    private static func isRequestFault(_ error: ProviderError) -> Bool {
        error.code == .status && [400, 413, 415, 422].contains(error.status)
    }

    /// The provider is down or busy: what a wrong key or an unknown model comes to is said instead.
    private static func isPassing(_ error: ProviderError) -> Bool {
        guard error.code == .status, let status = error.status else { return true }
        return status >= 500 || status == 408 || status == 429
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
