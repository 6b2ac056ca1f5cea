internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Answers the simulated provider's requests.
struct ChatService: Sendable {
    /// Counts the calls that run now.
    final class InFlight: Sendable {
        /// One running call; it ends with the last reference to this, however the call ends.
        final class Slot: Sendable {
            private let owner: InFlight
            fileprivate init(owner: InFlight) { self.owner = owner }
            deinit { owner.count.withLock { $0 -= 1 } }
        }
        private let count = Mutex(0)
        let limit: Int
        init(limit: Int) { self.limit = limit }
        var current: Int { count.withLock { $0 } }
        /// nil: as many calls as allowed run already.
        func enter() -> Slot? {
            let isFree = count.withLock {
                guard $0 < limit else { return false }
                $0 += 1
                return true
            }
            return isFree ? Slot(owner: self) : nil
        }
    }

    let options: SimulatedProviderOptions
    let bill: SimulatedBill
    let plan: FaultPlan
    let solver: SimulatedSolver
    let inFlight: InFlight
    let logger: Logger

    /// Longer ids of callers are cut.
    private static let maxRequestIDBytes = 256
    static let requestIDHeader = "x-request-id"
    static let faultHeader = "x-sim-fault"

    init(options: SimulatedProviderOptions, bill: SimulatedBill, logger: Logger) {
        self.options = options
        self.bill = bill
        self.logger = logger
        plan = FaultPlan(options.faults)
        solver = SimulatedSolver(seed: options.seed, accuracy: options.accuracy)
        inFlight = InFlight(limit: options.maxConcurrentCalls)
    }

    func addRoutes(to router: Router<BasicRequestContext>) {
        router.get("v1/models") { request, _ in refusal(of: request) ?? models() }
        router.post("v1/chat/completions") { request, _ in try await answer(request, on: .chat) }
        router.post("v1/completions") { request, _ in try await answer(request, on: .completions) }
        router.post("v1/responses") { request, _ in try await answer(request, on: .responses) }
        router.post("v1/embeddings") { request, _ in try await answer(request, on: .embeddings) }
        router.post("v1/messages") { request, _ in try await answer(request, on: .messages) }
        router.post("v1/messages/count_tokens") { request, _ in
            if let refusal = refusal(of: request, on: .messages) { return refusal }
            return try await countTokens(request)
        }
        router.get("v1beta/models") { request, _ in
            let wire = SimulatedWire.gemini(model: "", isStream: false)
            return refusal(of: request, on: wire) ?? respond(.ok, #"{"models":[]}"#)
        }
        router.post("v1beta/models/:action") { request, context in
            let words = (context.parameters.get("action") ?? "").split(separator: ":", maxSplits: 1).map(String.init)
            guard words.count == 2, ["generateContent", "streamGenerateContent"].contains(words[1]) else {
                return invalid("There is no such method.", status: .notFound)
            }
            let isStream = words[1] == "streamGenerateContent"
            return try await answer(request, on: .gemini(model: words[0], isStream: isStream))
        }
        for (action, isStream) in [("converse", false), ("converse-stream", true)] {
            router.post("model/:model/\(action)") { request, context in
                let model = context.parameters.get("model")?.removingPercentEncoding ?? ""
                return try await answer(request, on: .converse(model: model, isStream: isStream))
            }
        }
        router.get("sim/calls") { _, _ in try calls() }
        router.post("sim/faults") { request, _ in try await setFaults(request) }
    }

    // MARK: Answers

    private func respond(_ status: HTTPResponse.Status, _ json: String, headers: [String: String] = [:]) -> Response {
        var fields: HTTPFields = [.contentType: "application/json"]
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        return Response(status: status, headers: fields, body: .init(byteBuffer: ByteBuffer(string: json)))
    }

    private func invalid(
        _ message: String, status: HTTPResponse.Status = .badRequest, code: String? = nil,
        details: String? = nil, on wire: SimulatedWire = .chat
    ) -> Response {
        respond(status, wire.error(message, status: status.code, code: code, details: details))
    }

    /// The body is no request of the endpoint.
    private func invalid(_ error: any Error, on wire: SimulatedWire) -> Response {
        let named = (error as? DecodingError).map { ChatRequest.Invalid($0) }
        guard let reason = (error as? ChatRequest.Invalid) ?? named else {
            return invalid("The body is no request of this endpoint.", on: wire)
        }
        return invalid(reason.message, details: reason.details, on: wire)
    }

    /// 401 unless the key is right.
    private func refusal(of request: Request, on wire: SimulatedWire = .chat) -> Response? {
        guard let key = options.apiKey else { return nil }
        let authorization = request.headers[.authorization]
        let isRight =
            switch wire {
            case .messages: header("x-api-key", of: request) == key
            case .gemini: header("x-goog-api-key", of: request) == key
            // The key is Bedrock's own, or the id of one that signs; the signature itself is not looked at.
            case .converse:
                authorization == "Bearer \(key)"
                    || authorization?.hasPrefix("AWS4-HMAC-SHA256 Credential=\(key)/") == true
            case .chat, .completions, .responses, .embeddings: authorization == "Bearer \(key)"
            }
        guard !isRight else { return nil }
        return invalid("Incorrect API key provided.", status: .unauthorized, code: "invalid_api_key", on: wire)
    }

    private func models() -> Response {
        respond(.ok, ChatJSON.models(options.models.map(\.name), created: 0))
    }

    private func header(_ name: String, of request: Request) -> String? {
        HTTPField.Name(name).flatMap { request.headers[$0] }
    }

    // MARK: A call

    private func answer(_ request: Request, on wire: SimulatedWire) async throws -> Response {
        if let refusal = refusal(of: request, on: wire) { return refusal }
        let own = header(Self.faultHeader, of: request) ?? ""
        guard plan.mayWait || SimulatedFault.waitingKinds.contains(where: own.contains) else {
            return try await call(request, body: request.body, on: wire)
        }
        // Notices the caller's leaving, at the price of the connection. It must own the body from its first
        // byte on: begun after the body was read, it traps when the caller leaves.
        var response = try await request.body.consumeWithCancellationOnInboundClose {
            try await call(request, body: $0, on: wire)
        }
        // Hummingbird closes the connection after that and does not say so: a client would send its next call on it.
        response.headers[.connection] = "close"
        return response
    }

    private func call(_ request: Request, body: RequestBody, on wire: SimulatedWire) async throws -> Response {
        guard let buffer = try? await body.collect(upTo: options.maxBodyBytes) else {
            let message = "The body is larger than \(options.maxBodyBytes) bytes."
            return invalid(message, status: .contentTooLarge, on: wire)
        }
        let chat: ChatRequest
        let own: [SimulatedFault]
        do {
            chat = try wire.read(Data(buffer.readableBytesView))
            own = try SimulatedFault.list(header(Self.faultHeader, of: request) ?? "")
        } catch let error as SimulatedFault.ParseError {
            return invalid("\(Self.faultHeader): \(error)", on: wire)
        } catch {
            return invalid(error, on: wire)
        }
        guard let model = options.models.first(where: { $0.name == chat.model }) else {
            return invalid("The model does not exist.", status: .notFound, code: "model_not_found", on: wire)
        }
        guard let slot = inFlight.enter() else {
            let body = wire.error("Too many calls at a time.", status: 503, code: "overloaded")
            return respond(.serviceUnavailable, body, headers: ["retry-after": "1"])
        }
        let faults = plan.faults(model: model.name, text: chat.messages.last?.content ?? "", own: own)
        let call = makeCall(chat, model: model, faults: faults, request: request, wire: wire)
        return try await answer(call, slot: slot)
    }

    private func makeCall(
        _ chat: ChatRequest, model: SimulatedModel, faults: CallFaults, request: Request, wire: SimulatedWire
    ) -> ChatCall {
        let number = bill.nextCall()
        let full = solver.reply(to: chat.messages, by: model)
        let id = (header(Self.requestIDHeader, of: request) ?? "").utf8.prefix(Self.maxRequestIDBytes)
        return ChatCall(
            number: number, requestID: String(decoding: id, as: UTF8.self), request: chat, model: model,
            faults: faults, reply: SimulatedReply(full: full, request: chat),
            json: wire.json(number: number, request: chat, now: Int(Date().timeIntervalSince1970)), wire: wire,
            bill: bill, logger: logger)
    }

    /// As the real one: free of charge.
    private func countTokens(_ request: Request) async throws -> Response {
        guard let buffer = try? await request.body.collect(upTo: options.maxBodyBytes) else {
            let message = "The body is larger than \(options.maxBodyBytes) bytes."
            return invalid(message, status: .contentTooLarge, on: .messages)
        }
        do {
            let body = try JSONDecoder().decode(MessagesBody.self, from: Data(buffer.readableBytesView))
            return respond(.ok, #"{"input_tokens":\#(body.request.inputTokens)}"#)
        } catch {
            return invalid(error, on: .messages)
        }
    }

    /// Waits and refuses as the faults say, then answers. The answer's body keeps `slot`.
    private func answer(_ call: ChatCall, slot: InFlight.Slot) async throws -> Response {
        let id = "sim-\(call.number)"
        if call.faults.isHanging {
            try? await wait(.seconds(Self.longestHangSeconds))
            return gone()
        }
        if call.faults.latency > 0 {
            do {
                try await wait(.milliseconds(call.faults.latency))
            } catch {
                try await call.charge(output: 0, finished: false)
                return gone()
            }
        }
        if let (status, seconds) = call.faults.refusal {
            return refused(status: status, retryAfterSeconds: seconds, id: id, wire: call.wire)
        }
        let body = call.body()
        var headers: HTTPFields = [.contentType: call.request.isStream ? call.wire.streamType : "application/json"]
        if let name = HTTPField.Name(Self.requestIDHeader) { headers[name] = id }
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                try await body.write(writer)
                withExtendedLifetime(slot) {}
            })
    }

    /// A hang ends when the caller leaves, when the server stops, and at the latest after this time.
    private static let longestHangSeconds = 86_400

    /// Closes the connection of a call that was waiting when its caller left or the server stopped: failing the body
    /// closes both directions at once, so that a stop need not wait for the caller to close its own.
    private func gone() -> Response {
        Response(status: .serviceUnavailable, body: ResponseBody { _ in throw ChatCall.Cut() })
    }

    private func wait(_ time: Duration) async throws {
        try await cancelWhenGracefulShutdown { try await Task.sleep(for: time) }
    }

    private func refused(status: Int, retryAfterSeconds: Int, id: String, wire: SimulatedWire) -> Response {
        var headers = [Self.requestIDHeader: id]
        if status != 500 { headers["retry-after"] = String(retryAfterSeconds) }
        let body =
            status == 429
            ? wire.error("Rate limit reached (simulated).", status: status, code: "rate_limit_exceeded")
            : wire.error("The server had an error (simulated).", status: status, code: nil)
        return respond(.init(code: status), body, headers: headers)
    }

    // MARK: Administration

    private struct Calls: Encodable {
        var calls: Int
        var charged: Int
        var nano_usd: Int64
        var in_flight: Int
    }

    private func calls() throws -> Response {
        let totals = bill.totals
        let calls = Calls(
            calls: totals.calls, charged: totals.charged, nano_usd: totals.nanoUSD, in_flight: inFlight.current)
        return respond(.ok, String(decoding: try JSONEncoder().encode(calls), as: UTF8.self))
    }

    private struct FaultList: Codable { var faults: [String] }

    private func setFaults(_ request: Request) async throws -> Response {
        guard let buffer = try? await request.body.collect(upTo: options.maxBodyBytes),
            let list = try? JSONDecoder().decode(FaultList.self, from: Data(buffer.readableBytesView)),
            list.faults.count <= FaultPlan.maxFaults
        else { return invalid(#"Write {"faults": ["KIND[:ARGUMENT][@MATCH]", …]}."#) }
        do {
            plan.replace(try list.faults.map { try SimulatedFault(parsing: $0) })
        } catch let error as SimulatedFault.ParseError {
            return invalid(error.description)
        }
        return respond(.ok, String(decoding: try JSONEncoder().encode(list), as: UTF8.self))
    }
}
