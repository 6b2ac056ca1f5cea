internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import WireFormat

/// `POST /v1/chat/completions`, `/v1/messages`, and OpenAI's further endpoints: a route's name in `model` is answered
/// by the tenant's SLM and the router, a "provider/model" by that paid model alone.
///
/// OpenAI's stand at two further places, as in LiteLLM's proxy: without `/v1`, and where Azure's clients look for them,
/// below a deployment's name. That is the model, whatever the body names.
struct AnswerEndpoints: Sendable {
    /// Longer headers of a client's do not go on to its provider.
    private static let maxPassedHeaderBytes = 2 * 1024
    private let shared: SharedServices
    private var services: GatewayServices { shared.services }

    init(services: GatewayServices) { shared = SharedServices(services) }

    /// OpenAI's endpoints.
    /// - Parameter kinds: besides chats.
    func register(_ kinds: [PlainRequest.Kind], on group: RouterGroup<GatewayContext>) {
        group.post("/chat/completions") { request, context in
            try await respond(to: request, context) { body throws(WireFormatError) in
                .chat(try ChatCompletionRequest(body))
            }
        }
        for kind in kinds {
            group.post("/\(kind.rawValue)") { request, context in
                try await respond(to: request, context) { body throws(WireFormatError) in
                    .plain(try PlainRequest(body, kind: kind))
                }
            }
        }
    }

    /// Anthropic's.
    func registerMessages(on group: RouterGroup<GatewayContext>) {
        group.post("/messages") { request, context in
            try await respond(to: request, context) { body throws(WireFormatError) in
                .messages(try MessagesRequest(body))
            }
        }
    }

    private func respond(
        to request: Request, _ context: GatewayContext,
        reading: ([UInt8]) throws(WireFormatError) -> WireRequest
    ) async throws -> Response {
        let caller = try context.requireCaller()
        let body = try await request.wholeBody(services.limits)
        let wanted: WireRequest
        do throws(WireFormatError) {
            // Only a deployment's name stands in a path.
            let named = if let model = context.wildName { try Self.naming(model, in: body) } else { body }
            wanted = try reading(named)
        } catch { throw GatewayRefusal(error) }
        try wanted.refuseBeyond(services.limits)
        let job = AnswerJob(
            shared: shared, caller: caller, request: wanted, passedHeaders: try Self.passedHeaders(request),
            options: try RequestOptions(request.headers), requestID: context.requestID,
            startedAt: context.startedAt, startedOn: context.startedOn, stream: AnswerStream())
        guard let (key, fingerprint) = try IdempotencyKeys.key(of: request, body: body, caller: caller) else {
            return try await answer(job).response
        }
        if let before = try services.idempotency.begin(key, fingerprint: fingerprint) { return before }
        do {
            let (response, body) = try await answer(job)
            services.idempotency.answered(key, headers: response.headers, body: body)
            return response
        } catch {
            services.idempotency.failed(key, error as? GatewayRefusal ?? .unexpected(error))
            throw error
        }
    }

    /// The body with that model, whether it names one or not.
    private static func naming(_ model: String, in body: [UInt8]) throws(WireFormatError) -> [UInt8] {
        var editor = try JSONObjectEditor(JSONDocument(body))
        editor.set("model", string: model)
        return editor.bytes
    }

    /// Answers, or throws a refusal. The body is there where it is not a stream.
    private func answer(_ job: AnswerJob) async throws -> (response: Response, body: [UInt8]?) {
        let work = try await work(for: job)
        let activity = services.activity
        guard activity.enter(limit: services.limits.maxRequests) else {
            throw GatewayRefusal.overloaded(retryAfterSeconds: 1)
        }
        // Not a child task: the answer's money is settled also when the client's connection is gone.
        Task(executorPreference: EventLoopExecutor.current) {
            await work()
            activity.leave()
        }
        var head = try await job.stream.head().get()
        if services.sendsLiteLLMHeaders {
            head.headers[.liteLLMModelID] = job.request.model
            head.headers[.liteLLMModelGroup] = job.request.model
        }
        guard let length = head.contentLength else {
            return (Response(status: .ok, headers: head.headers, body: streamed(job.stream)), nil)
        }
        // All of it is there, or is about to be: head and body leave together.
        var whole: [UInt8] = []
        whole.reserveCapacity(length)
        while let bytes = await job.stream.next() { whole += bytes }
        let body = ResponseBody(byteBuffer: ByteBuffer(bytes: whole))
        return (Response(status: .ok, headers: head.headers, body: body), whole)
    }

    static func passedHeaders(_ request: Request) throws -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        for name in [HTTPField.Name.anthropicVersion, .anthropicBeta] {
            guard let value = request.headers[name] else { continue }
            guard value.utf8.count <= maxPassedHeaderBytes else {
                throw GatewayRefusal.invalidRequest(
                    "\(name.rawName) is longer than \(maxPassedHeaderBytes) bytes.", parameter: name.rawName)
            }
            headers.append((name: name.canonicalName, value: value))
        }
        return headers
    }

    /// What answers this request, or why nothing does.
    private func work(for job: AnswerJob) async throws -> @Sendable () async -> Void {
        let name = job.request.model
        try job.caller.require(name)
        if let route = await services.catalog.route(name, tenantID: job.caller.tenant.id) {
            return try work(for: job, route: route)
        }
        guard let model = ModelReference(name), services.providers[model.provider] != nil else {
            throw GatewayRefusal.unknownModel(name)
        }
        return DirectAnswer(job: job, model: model, route: nil, reason: "direct call").run
    }

    private func work(for job: AnswerJob, route: RouteRecord) throws -> @Sendable () async -> Void {
        let strategy = job.options.strategy ?? route.settings.strategy
        let mayPay = !route.settings.escalationForbidden
        // Whoever asks for it, the direct strategy of a route that may not escalate drafts like the others.
        if route.slm.isEmpty || (strategy == .direct && mayPay) {
            guard mayPay else {
                throw GatewayRefusal.invalidRequest(
                    "The route '\(route.name)' has no model of its own, and may not escalate.", parameter: "model")
            }
            return DirectAnswer(job: job, model: route.llm, route: route.name, reason: "route is direct").run
        }
        let obstacle: String
        switch try Self.forSLM(job.request) {
        case .chat(let chat):
            switch chat.forSLM {
            case .text: return BoostedAnswer(job: job, chat: chat, route: route, strategy: strategy).run
            case .structured(let wishes):
                return StructuredAnswer(job: job, chat: chat, structure: wishes, route: route, strategy: strategy).run
            case .not(let found): obstacle = found.rawValue
            case .unheld(let field, let keyword): obstacle = "\(field.rawValue) with \(keyword)"
            }
        case .obstacle(let field): obstacle = field
        }
        if let refusal = job.refusalToPay(for: obstacle, on: route) { throw refusal }
        let reason = "the SLM cannot take \(obstacle)"
        return DirectAnswer(job: job, model: route.llm, route: route.name, reason: reason).run
    }

    private enum ForSLM {
        case chat(ChatCompletionRequest)
        /// A field that SLMs cannot take.
        case obstacle(String)
    }

    private static func forSLM(_ request: WireRequest) throws -> ForSLM {
        switch request {
        case .chat(let chat): return .chat(chat)
        case .plain(let plain): return .obstacle("/v1/\(plain.kind.rawValue)")
        case .messages(let messages):
            do throws(WireFormatError) {
                var chat = try ChatCompletionRequest(MessagesToChat.body(messages))
                chat.takeOpening()
                return .chat(chat)
            } catch {
                guard error.code == .untranslatable else { throw GatewayRefusal(error) }
                return .obstacle(error.param ?? "this request")
            }
        }
    }

    /// Forwards what the answer's task writes. A client that has left shows at the next write, which throws, or by the
    /// body's being dropped, where not even the head could be written.
    ///
    /// (Hummingbird's own watch for closed connections reads the request's body to its end, which is consumed here
    /// already: it would stop the process. For a stream that waits upstream the provider's time limits apply.)
    private func streamed(_ stream: AnswerStream<AnswerHead>) -> ResponseBody {
        let client = AnswerStream<AnswerHead>.ClientEnd(stream)
        return ResponseBody(contentLength: nil) { writer in
            do {
                while let bytes = await client.next() { try await writer.write(ByteBuffer(bytes: bytes)) }
                try await writer.finish(nil)
            } catch {
                client.leave()
                throw error
            }
        }
    }
}

extension Caller {
    /// Refuses a name that the key's or its team's list does not have.
    func require(_ model: String) throws {
        guard models.allows(model) else { throw GatewayRefusal.modelNotAllowed(model) }
    }
}

extension Request {
    /// The whole body; refused are one that is compressed, one that is too large and one that takes too long.
    /// - Parameter most: bytes, where that is fewer than usual.
    func wholeBody(_ limits: GatewayLimits, atMost most: Int = .max) async throws -> [UInt8] {
        let most = min(most, limits.maxBodyBytes)
        try refuseEncoded()
        // Said before it is read; who waits to be asked for one that is larger than any path takes is not asked.
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > most { throw Self.tooLarge(most) }
        let deadline = ContinuousClock.now + .seconds(limits.requestSeconds)
        var bytes: [UInt8] = []
        var pieces = body.makeAsyncIterator()
        while true {
            let next: ByteBuffer?
            // All that a stream throws is of the connection's: not a failure of the gateway.
            do { next = try await pieces.next() } catch { throw GatewayRefusal.unfinishedRequest }
            guard let piece = next else { return bytes }
            guard bytes.count + piece.readableBytes <= most else { throw Self.tooLarge(most) }
            guard ContinuousClock.now < deadline else {
                throw GatewayRefusal.invalidRequest(
                    "The body did not arrive within \(limits.requestSeconds) seconds.", parameter: nil, status: 408)
            }
            bytes.append(contentsOf: piece.readableBytesView)
        }
    }

    private static func tooLarge(_ most: Int) -> GatewayRefusal {
        .invalidRequest("The body is larger than \(most) bytes.", parameter: nil, status: 413)
    }

    /// Compressed bytes would be no JSON to whoever reads them.
    private func refuseEncoded() throws {
        let encodings = (headers[.contentEncoding] ?? "").lowercased().split { $0 == "," || $0 == " " }
        guard let encoding = encodings.first(where: { $0 != "identity" }) else { return }
        var refusal = GatewayRefusal.invalidRequest(
            "The body is encoded as '\(encoding.prefix(50))'; it is taken as it is only, without content-encoding.",
            parameter: HTTPField.Name.contentEncoding.canonicalName, status: 415)
        refusal.code = "unsupported_encoding"
        throw refusal
    }
}

extension WireRequest {
    /// Refuses what is over the configured bounds, naming the parameter as the client spelled it.
    fileprivate func refuseBeyond(_ limits: GatewayLimits) throws {
        if let named = outputLimit, named > limits.maxMaxTokens {
            throw GatewayRefusal.invalidRequest(
                "'\(limitName)' is \(named), and at most \(limits.maxMaxTokens) is let through.", parameter: limitName)
        }
        guard messageCount <= limits.maxMessages else {
            throw GatewayRefusal.invalidRequest(
                "There are \(messageCount) messages, and at most \(limits.maxMessages) are let through.",
                parameter: "messages")
        }
    }

    private var limitName: String {
        switch self {
        case .chat(let chat): chat.maxCompletionTokens == nil ? "max_tokens" : "max_completion_tokens"
        case .messages: "max_tokens"
        case .plain(let plain): plain.kind == .responses ? "max_output_tokens" : "max_tokens"
        }
    }

    private var messageCount: Int {
        switch self {
        case .chat(let chat): chat.messages.count
        // Its own count has the system prompt's blocks too.
        case .messages(let messages): messages.document.root["messages"]?.elements.count ?? 0
        case .plain: 0
        }
    }
}
