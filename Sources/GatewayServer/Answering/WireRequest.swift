internal import GatewayCore
internal import WireFormat

/// The formats that clients speak.
enum ClientWire: Hashable, Sendable { case openAI, anthropic }

/// A request in one of the wire formats: a client's, or one on its way to a provider.
enum WireRequest: Sendable {
    case chat(ChatCompletionRequest)
    case messages(MessagesRequest)

    var wire: ClientWire {
        switch self {
        case .chat: .openAI
        case .messages: .anthropic
        }
    }
    var endpoint: PaidEndpoint {
        switch self {
        case .chat: .chatCompletions
        case .messages: .messages
        }
    }
    var model: String {
        switch self {
        case .chat(let chat): chat.model
        case .messages(let messages): messages.model
        }
    }
    var isStream: Bool {
        switch self {
        case .chat(let chat): chat.isStream
        case .messages(let messages): messages.isStream
        }
    }
    /// The bytes as they came.
    var body: [UInt8] {
        switch self {
        case .chat(let chat): chat.body
        case .messages(let messages): messages.body
        }
    }
    /// The client's bound on the answer, for each choice.
    var outputLimit: Int? {
        switch self {
        case .chat(let chat): chat.outputLimit
        case .messages(let messages): messages.maxTokens
        }
    }
    var choices: Int {
        switch self {
        case .chat(let chat): chat.n
        case .messages: 1
        }
    }

    /// Proven bound of the prompt's tokens; throws where there is none, with the field at fault.
    func inputTokens() throws(GatewayRefusal) -> Int64 {
        let (bound, field): (Int64?, String) =
            switch self {
            case .chat(let chat): (PromptBound.inputTokens(chat), "messages")
            case .messages(let messages): (PromptBound.inputTokens(messages), messages.unbounded ?? "messages")
            }
        guard let bound else {
            throw GatewayRefusal.invalidRequest(
                "The highest cost of what '\(field)' asks for cannot be bounded, so it is not sent.", parameter: field)
        }
        return bound
    }

    /// The request as the provider takes it; throws with the field that has no equal there.
    func translated(for provider: any PaidProvider) throws(GatewayRefusal) -> WireRequest {
        guard !provider.endpoints.contains(endpoint) else { return self }
        do throws(WireFormatError) {
            switch self {
            case .chat(let chat) where provider.endpoints.contains(.messages):
                return .messages(try MessagesRequest(ChatToMessages.body(chat), needsMaxTokens: false))
            case .messages(let messages) where provider.endpoints.contains(.chatCompletions):
                return .chat(try ChatCompletionRequest(MessagesToChat.body(messages)))
            default: break
            }
        } catch {
            throw GatewayRefusal(error)
        }
        throw GatewayRefusal.invalidRequest("The model's provider takes no such requests.", parameter: "model")
    }

    /// The body of an escalation, whose bound is written in the provider's own word.
    func escalationBody(
        model: String, maxTokens: Int, prefersCompletionTokens: Bool
    ) throws(WireFormatError) -> [UInt8] {
        guard case .chat(let chat) = self, prefersCompletionTokens else {
            return try paidBody(model: model, maxTokens: maxTokens, prefersCompletionTokens: false)
        }
        return try chat.paidBody(model: model, maxTokens: maxTokens, limitField: .maxCompletionTokens)
    }

    /// The body of a paid call, bounded by exactly what was held for.
    /// - Parameters:
    ///   - maxTokens: for each choice.
    ///   - prefersCompletionTokens: the provider's word for the bound, where the client used none itself.
    func paidBody(
        model: String, maxTokens: Int, prefersCompletionTokens: Bool
    ) throws(WireFormatError) -> [UInt8] {
        switch self {
        case .messages(let messages): return try messages.paidBody(model: model, maxTokens: maxTokens)
        case .chat(let chat):
            let isCompletion = chat.maxCompletionTokens != nil || (chat.maxTokens == nil && prefersCompletionTokens)
            return try chat.paidBody(
                model: model, maxTokens: maxTokens, limitField: isCompletion ? .maxCompletionTokens : .maxTokens)
        }
    }
}
