internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `POST /v1/chat/completions`: a route's name in `model` is answered by the tenant's SLM and the router, a
/// "provider/model" by that paid model alone.
struct ChatCompletionsEndpoint: Sendable {
    let services: GatewayServices

    func register(on group: RouterGroup<GatewayContext>) {
        group.post("/chat/completions") { request, context in try await respond(to: request, context) }
    }

    private func respond(to request: Request, _ context: GatewayContext) async throws -> Response {
        let caller = try context.requireCaller()
        let chat = try await read(request)
        let job = AnswerJob(
            services: services, caller: caller, chat: chat, options: try RequestOptions(request.headers),
            requestID: context.requestID, startedAt: context.startedAt, startedOn: context.startedOn,
            stream: AnswerStream())
        let work = try await work(for: job)
        let activity = services.activity
        guard activity.enter(limit: services.limits.maxRequests) else {
            throw GatewayRefusal.overloaded(retryAfterSeconds: 1)
        }
        // Not a child task: the answer's money is settled also when the client's connection is gone.
        Task {
            await work()
            activity.leave()
        }
        let head = try await job.stream.head().get()
        return Response(status: .ok, headers: head.headers, body: body(of: job, head: head))
    }

    private func read(_ request: Request) async throws -> ChatCompletionRequest {
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: services.limits.maxBodyBytes)
        } catch is NIOTooManyBytesError {
            throw GatewayRefusal.invalidRequest(
                "The body is larger than \(services.limits.maxBodyBytes) bytes.", parameter: nil, status: 413)
        }
        do {
            return try ChatCompletionRequest(Array(buffer.readableBytesView))
        } catch {
            throw GatewayRefusal(error)
        }
    }

    /// What answers this request, or why nothing does.
    private func work(for job: AnswerJob) async throws -> @Sendable () async -> Void {
        let catalog = services.catalog
        let tenantID = job.caller.tenant.id
        if let route = await catalog.route(job.chat.model, tenantID: tenantID) {
            let strategy = job.options.strategy ?? route.settings.strategy
            guard strategy != .direct else {
                return DirectAnswer(job: job, model: route.llm, route: route.name, reason: "route is direct").run
            }
            if let obstacle = job.chat.obstacleForSLM {
                guard !route.settings.escalationForbidden else {
                    throw GatewayRefusal.invalidRequest(
                        "The model of this route cannot take \(obstacle.rawValue), and the route may not escalate.",
                        parameter: nil)
                }
                let reason = "the SLM cannot take \(obstacle.rawValue)"
                return DirectAnswer(job: job, model: route.llm, route: route.name, reason: reason).run
            }
            return BoostedAnswer(job: job, route: route, strategy: strategy).run
        }
        guard let model = ModelReference(job.chat.model), services.providers[model.provider] != nil else {
            throw GatewayRefusal.unknownModel(job.chat.model)
        }
        return DirectAnswer(job: job, model: model, route: nil, reason: "direct call").run
    }

    /// Forwards what the answer's task writes. A client that has left shows at the next write, which throws.
    ///
    /// (Hummingbird's own watch for closed connections reads the request's body to its end, which is consumed here
    /// already: it would stop the process. For a stream that waits upstream the provider's time limits apply.)
    private func body(of job: AnswerJob, head: AnswerHead) -> ResponseBody {
        let stream = job.stream
        return ResponseBody(contentLength: head.contentLength) { writer in
            do {
                while let bytes = await stream.next() { try await writer.write(ByteBuffer(bytes: bytes)) }
                try await writer.finish(nil)
            } catch {
                stream.abandon()
                throw error
            }
        }
    }
}
