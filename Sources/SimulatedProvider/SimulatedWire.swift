internal import Foundation

/// A wire format that the simulated provider speaks.
enum SimulatedWire: Hashable, Sendable {
    case chat, messages, completions, responses, embeddings
    /// Google's and Amazon's, whose paths say more than an endpoint.
    case gemini(model: String, isStream: Bool)
    case converse(model: String, isStream: Bool)

    /// Of a stream.
    var streamType: String {
        if case .converse = self { "application/vnd.amazon.eventstream" } else { "text/event-stream" }
    }

    /// Writing to the cache is charged and told.
    var tellsCacheWrites: Bool { if case .gemini = self { false } else { true } }

    /// Reads a body; throws `ChatRequest.Invalid` with words for the caller.
    func read(_ body: Data) throws -> ChatRequest {
        switch self {
        case .chat: return try JSONDecoder().decode(ChatRequest.self, from: body)
        case .completions, .responses, .embeddings:
            return try JSONDecoder().decode(PlainBody.self, from: body).request(for: self)
        case .gemini(let model, let isStream):
            var request = try JSONDecoder().decode(GeminiBody.self, from: body).request
            (request.model, request.isStream) = (model, isStream)
            return request
        case .converse(let model, let isStream):
            let converse = try JSONDecoder().decode(ConverseBody.self, from: body)
            try converse.check(model: model)
            var request = converse.request
            (request.model, request.isStream) = (model, isStream)
            return request
        case .messages:
            let request = try JSONDecoder().decode(MessagesBody.self, from: body).request
            guard request.maxTokens >= 1 else { throw ChatRequest.Invalid(message: "max_tokens: Field required") }
            return request
        }
    }

    /// The writer of one call's answer.
    func json(number: Int, request: ChatRequest, now: Int) -> any WireJSON {
        switch self {
        case .chat:
            ChatJSON(
                id: "chatcmpl-sim-\(number)", created: now, model: request.model, namesUsage: request.includesUsage)
        case .messages: MessagesJSON(id: "msg_sim_\(number)", model: request.model)
        case .completions: CompletionsJSON(id: "cmpl-sim-\(number)", created: now, model: request.model)
        case .responses: ResponsesJSON(id: "resp_sim_\(number)", created: now, model: request.model)
        case .embeddings: EmbeddingsJSON(model: request.model, wanted: request.vectors)
        case .gemini: GeminiJSON(id: "sim-\(number)", model: request.model)
        case .converse: ConverseJSON(model: request.model)
        }
    }

    /// - Parameter details: as JSON, where the format has a place for them.
    func error(_ message: String, status: Int, code: String?, details: String? = nil) -> String {
        switch self {
        case .chat, .completions, .responses, .embeddings:
            let type = status == 429 ? "requests" : status >= 500 ? "server_error" : "invalid_request_error"
            return ChatJSON.error(message, type: type, code: code)
        case .messages: return MessagesJSON.error(message, type: Self.type(status), details: details)
        case .gemini: return GeminiJSON.error(message, status: status)
        case .converse: return ConverseJSON.error(message)
        }
    }

    private static func type(_ status: Int) -> String {
        switch status {
        case 401: "authentication_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 503: "overloaded_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }
}
