internal import GatewayCore
internal import WireFormat

/// The formats that clients speak.
enum ClientWire: Hashable, Sendable { case openAI, anthropic }

/// A request in one of the wire formats: a client's, or one on its way to a provider.
enum WireRequest: Sendable {
    case chat(ChatCompletionRequest)
    case messages(MessagesRequest)
    /// Of a further endpoint of OpenAI's.
    case plain(PlainRequest)

    var wire: ClientWire {
        switch self {
        case .chat, .plain: .openAI
        case .messages: .anthropic
        }
    }
    var endpoint: PaidEndpoint {
        switch self {
        case .chat: .chatCompletions
        case .messages: .messages
        case .plain(let plain):
            switch plain.kind {
            case .completions: .completions
            case .embeddings: .embeddings
            case .responses: .responses
            }
        }
    }
    var model: String {
        switch self {
        case .chat(let chat): chat.model
        case .messages(let messages): messages.model
        case .plain(let plain): plain.model
        }
    }
    var isStream: Bool {
        switch self {
        case .chat(let chat): chat.isStream
        case .messages(let messages): messages.isStream
        case .plain(let plain): plain.isStream
        }
    }
    /// The bytes as they came.
    var body: [UInt8] { document.bytes }
    private var document: JSONDocument {
        switch self {
        case .chat(let chat): chat.document
        case .messages(let messages): messages.document
        case .plain(let plain): plain.document
        }
    }
    /// The client's bound on the answer, for each choice.
    var outputLimit: Int? {
        switch self {
        case .chat(let chat): chat.outputLimit
        case .messages(let messages): messages.maxTokens
        // Embeddings write nothing; a hold has room for a token at least.
        case .plain(let plain): plain.kind == .embeddings ? 1 : plain.outputLimit
        }
    }
    var choices: Int {
        switch self {
        case .chat(let chat): chat.n
        case .messages: 1
        case .plain(let plain): plain.choices
        }
    }

    /// Proven bound of the prompt's tokens; throws where there is none, with the field at fault.
    func inputTokens() throws(GatewayRefusal) -> Int64 {
        let (bound, field): (Int64?, String) =
            switch self {
            case .chat(let chat): (PromptBound.inputTokens(chat), chat.unbounded ?? "messages")
            case .messages(let messages): (PromptBound.inputTokens(messages), messages.unbounded ?? "messages")
            case .plain(let plain): (PromptBound.inputTokens(plain), plain.unbounded ?? "input")
            }
        guard let bound else {
            throw GatewayRefusal.invalidRequest(
                "The highest cost of what '\(field)' asks for cannot be bounded, so it is not sent.", parameter: field)
        }
        return bound
    }

    /// The request as the provider takes it; throws with the field that has no equal there.
    /// - Parameter model: by its name there.
    func translated(for provider: any PaidProvider, model: String) throws(GatewayRefusal) -> WireRequest {
        let request = try inFormat(of: provider, model: model)
        if let objection = provider.objection(to: request.body, model: model) {
            throw GatewayRefusal(inClientsWords(objection))
        }
        return request
    }

    /// What Anthropic's format calls fields that vendors object to by the names of OpenAI's.
    private static let anthropicNames = [
        "stop": "stop_sequences", "reasoning_effort": "output_config.effort",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    ]

    /// The objection to a translation of this request, by the name that the client gave the field.
    private func inClientsWords(_ objection: RequestObjection) -> RequestObjection {
        guard case .messages(let messages) = self, let param = objection.param else { return objection }
        let name = Self.anthropicNames[param] ?? MessagesToChat.source(of: param, in: messages)
        var objection = objection
        objection.param = name
        objection.message = objection.message.replacing("'\(param)'", with: "'\(name)'")
        return objection
    }

    /// Refuses a mark by which the vendor would charge more than was held: what is written to its cache to live for an
    /// hour costs twice what plain input does, and less is held for it where the price has no rate of its own.
    /// - Parameter asked: the client's request, whose words the refusal is in.
    /// - Returns: whether there is such a mark.
    func checkMarks(
        _ held: HeldCall, traits: ProviderTraits, asked: WireRequest
    ) throws(WireFormatError) -> Bool {
        guard traits.passesCacheMarks, let sent = CacheMarks.longMark(in: document.root) else { return false }
        // By any of these the prompt may be charged.
        let tiers = held.price.tiers.filter { $0.aboveInputTokens < held.plan.inputTokens }
        let rates = [held.price.rates] + tiers.map(\.rates)
        guard rates.contains(where: { $0.cacheWrite1h == nil }) else { return true }
        let param = CacheMarks.longMark(in: asked.document.root) ?? sent
        throw WireFormatError(
            .untranslatable,
            "'\(param)' asks for more than a cache's usual five minutes, and the price of this model has no rate for "
                + "what is written to one that lives for an hour.", param: param)
    }

    /// Google's models from the third generation on, which want calls signed.
    private static let signingModels = "gemini-3"

    private func inFormat(of provider: any PaidProvider, model: String) throws(GatewayRefusal) -> WireRequest {
        guard !provider.endpoints.contains(endpoint) else { return self }
        do throws(WireFormatError) {
            switch self {
            case .chat(let chat) where provider.endpoints.contains(.messages):
                return .messages(try MessagesRequest(ChatToMessages.body(chat), needsMaxTokens: false))
            case .messages(let messages) where provider.endpoints.contains(.chatCompletions):
                let traits = provider.traits
                if let place = messages.opening, !traits.continuesAnswers {
                    throw RequestField.untranslatable(
                        place, "models there do not go on from an assistant's last message")
                }
                // The client has one word only: of this format's two it gets the one that all models there take.
                let body = try MessagesToChat.body(
                    messages, keepsThinking: traits.takesThinkingBlocks,
                    limitField: traits.takesMaxCompletionTokens ? .maxCompletionTokens : .maxTokens,
                    hasOwnLimits: traits.hasOwnLimits,
                    signsCalls: traits.signsCalls && model.contains(Self.signingModels))
                let most = traits.hasOwnLimits ? Int.max : ChatCompletionRequest.maxStopStrings
                return .chat(try ChatCompletionRequest(body, maxStopStrings: most))
            default: break
            }
        } catch {
            throw GatewayRefusal(error)
        }
        throw GatewayRefusal.invalidRequest(
            "The provider of this model does not serve /v1\(endpoint.rawValue).", parameter: "model")
    }

    /// The same request for an answer in one piece.
    func unstreamed() throws(WireFormatError) -> WireRequest {
        func edited(_ document: JSONDocument) throws(WireFormatError) -> [UInt8] {
            var editor = try JSONObjectEditor(document)
            editor.remove("stream")
            editor.remove("stream_options")
            return editor.bytes
        }
        guard isStream else { return self }
        switch self {
        case .chat(let chat): return .chat(try ChatCompletionRequest(edited(chat.document)))
        case .messages(let messages): return .messages(try MessagesRequest(edited(messages.document)))
        case .plain: return self
        }
    }

    /// The body of an escalation, whose bound is written in the provider's own word.
    func escalationBody(
        model: String, maxTokens: Int, traits: ProviderTraits
    ) throws(WireFormatError) -> [UInt8] {
        guard case .chat(let chat) = self, traits.prefersMaxCompletionTokens(for: model) else {
            return try paidBody(model: model, maxTokens: maxTokens, traits: traits)
        }
        return try chat.paidBody(model: model, maxTokens: maxTokens, limitField: .maxCompletionTokens)
    }

    /// The body of a paid call, bounded by exactly what was held for.
    /// - Parameter maxTokens: for each choice.
    func paidBody(model: String, maxTokens: Int, traits: ProviderTraits) throws(WireFormatError) -> [UInt8] {
        switch self {
        case .messages(let messages): return try messages.paidBody(model: model, maxTokens: maxTokens)
        case .plain(let plain): return try plain.paidBody(model: model, maxTokens: maxTokens)
        case .chat(let chat):
            let isUnnamed = chat.maxCompletionTokens == nil && chat.maxTokens == nil
            // A bound that the provider reads over is none, and its answer would cost more than was held for it.
            let isCompletion =
                chat.maxCompletionTokens != nil && traits.takesMaxCompletionTokens
                || isUnnamed && traits.prefersMaxCompletionTokens(for: model)
            return try chat.paidBody(
                model: model, maxTokens: maxTokens, limitField: isCompletion ? .maxCompletionTokens : .maxTokens,
                takesStreamOptions: traits.takesStreamOptions)
        }
    }
}
