/// What is asked of a paid API: it decides about the form of body, answer and usage.
package enum PaidEndpoint: String, Hashable, Sendable, CaseIterable {
    case chatCompletions = "/chat/completions"
    case completions = "/completions"
    case embeddings = "/embeddings"
    case responses = "/responses"
    /// Anthropic's.
    case messages = "/messages"
    /// Anthropic's. Free of charge, so it is asked without a hold.
    case countTokens = "/messages/count_tokens"
}

/// How requests to a provider differ from others of the same format.
package struct ProviderTraits: Hashable, Sendable {
    /// Chat completions may be bounded by `max_completion_tokens`, and are where the client wrote so. Others refuse
    /// that word or, worse, read over it: whatever the client wrote, they are told `max_tokens`.
    package var takesMaxCompletionTokens = false
    /// They are bounded by that word also where the client named no bound.
    package var prefersMaxCompletionTokens = false
    /// `stream_options` are known, by which usage is asked for.
    package var takesStreamOptions = true
    /// Chats may carry Anthropic's thinking, with its signatures, as it came, and its `cache_control`.
    package var takesThinkingBlocks = false
    /// Chats are read by the gateway, which writes the vendor's own format from them: OpenAI's limits do not hold, only
    /// the vendor's.
    package var hasOwnLimits = false
    /// Google's models may be asked, of which some refuse an earlier call of a tool without a signature. Which do, the
    /// name says where a request is translated.
    package var signsCalls = false
    /// Anthropic's `cache_control` goes on to vendors that charge what is written to a cache.
    package var passesCacheMarks = false
    /// Models go on from an assistant's last message, as Anthropic's do, or refuse it; else they begin another turn.
    package var continuesAnswers = true
    /// Steps may be written together with an SLM: `PaidCall.fusion`.
    package var takesFusion = false
    package init() {}
}

/// One call to a paid API, with its body in the form of its endpoint. The body's bound of the answer is exactly what
/// the hold was taken for.
package struct PaidCall: Sendable {
    package var model: ModelReference
    package var endpoint = PaidEndpoint.chatCompletions
    /// The client's own headers that go on to the provider, beside the gateway's.
    package var headers: [(name: String, value: String)] = []
    /// Complete JSON body as sent (model name, max_tokens, stream and stream_options already set).
    package var body: [UInt8]
    package var isStream: Bool
    /// The answer is short (a step, a count): though it is no stream, its head is waited for no longer than a stream's.
    package var isBrief = false
    /// Sent as `x-request-id`, for the provider's logs.
    package var requestID: String
    /// Who pays: for a model that is served at home, where tenants are kept apart.
    package var tenantID: Int64 = 0
    /// Tokens of the prompt that the hold was taken for: a model that is served at home counts no more than these.
    package var maxInputTokens = Int64.max
    /// Tokens of the answer that the hold was taken for: such a model may end a character a few tokens later, and
    /// counts these no more.
    package var maxOutputTokens = Int64.max
    /// Which writes to a provider's cache the hold's price knows; marks that ask for others are left out where the
    /// gateway writes them.
    package var cacheWrites = CacheWrites.none
    /// A mark asks for an hour in the vendor's cache. An answer that counts what was written there, and not for how
    /// long, is settled as if all of it were: the vendor may charge that.
    package var hasHourMark = false
    /// Asked instead of the body, which says the same in words, where the provider takes it.
    package var fusion: FusedStep?
    package init(model: ModelReference, body: [UInt8], isStream: Bool, requestID: String) {
        self.model = model
        self.body = body
        self.isStream = isStream
        self.requestID = requestID
    }
}

/// Writes to a provider's cache that a price has a rate for. One that has none would be held and charged as plain
/// input, which is less than the provider charges.
package enum CacheWrites: Hashable, Sendable {
    case none
    /// Of the usual time.
    case usual
    /// Also those that live for an hour.
    case hour

    package init(_ rates: TokenRates) {
        self = rates.cacheWrite5m == nil ? .none : rates.cacheWrite1h == nil ? .usual : .hour
    }
}

/// What came from a provider, as it arrived.
package struct PaidChunk: Sendable {
    /// Raw bytes to pass on: whole SSE events of a stream, or the whole body.
    package var bytes: [UInt8]
    /// The answer's text in these bytes (concatenated `delta.content`, or `message.content`).
    package var text: String
    package init(bytes: [UInt8], text: String) {
        self.bytes = bytes
        self.text = text
    }
}

/// How a paid exchange ended, known once `next()` gave nil or threw, or after `drain`.
package struct PaidResult: Hashable, Sendable {
    package var usage: TokenUsage?
    /// In OpenAI's words: "stop", "length", "tool_calls", …; "boundary" where a fused step ended at one.
    package var finishReason: String?
    package var providerRequestID: String?
    package init(usage: TokenUsage? = nil, finishReason: String? = nil, providerRequestID: String? = nil) {
        self.usage = usage
        self.finishReason = finishReason
        self.providerRequestID = providerRequestID
    }
}

/// Why a paid call failed.
package struct ProviderError: Error, Hashable, Sendable {
    /// How far the call got, which says whether it can have been charged.
    package enum Code: String, Hashable, Sendable {
        /// No connection: no byte of the request was sent, so nothing can have been charged.
        case unreachable
        /// The provider answered with an error status: by its terms not charged.
        case status
        /// The connection broke, timed out or spoke nonsense after the request was sent: may have been charged.
        case interrupted
    }
    package var code: Code
    /// HTTP status of the provider, for `.status`.
    package var status: Int?
    package var providerRequestID: String?
    package var retryAfterSeconds: Int?
    /// What went wrong, cut to a bound and free of secrets.
    package var message: String
    /// The field that the provider says is at fault.
    package var parameter: String?
    /// The provider's own word for what is wrong, e.g. `context_length_exceeded`.
    package var reason: String?
    /// The message is in the provider's own words, which may repeat the prompt: for the client, and for no log.
    package var isForeign = false
    package init(
        code: Code, status: Int? = nil, providerRequestID: String? = nil, retryAfterSeconds: Int? = nil,
        message: String
    ) {
        self.code = code
        self.status = status
        self.providerRequestID = providerRequestID
        self.retryAfterSeconds = retryAfterSeconds
        self.message = message
    }
    /// Whether the provider can have charged for the call.
    package var mayHaveCharged: Bool { code == .interrupted }
}

/// A running exchange with a provider. One reader.
package protocol PaidExchange: Sendable {
    /// The next bytes; nil at the proper end. Throws `ProviderError`. Cancelling the task ends the wait, not the
    /// exchange: call `drain` or `cancel` after it.
    func next() async throws -> PaidChunk?
    /// Reads on without delivering, up to the usage or to `seconds`, and closes.
    func drain(seconds: Double) async -> PaidResult
    /// Closes at once.
    func cancel() async
    /// What is known by now.
    var result: PaidResult { get async }
}

/// A configured paid API.
package protocol PaidProvider: Sendable {
    var name: String { get }
    /// What it takes; a request of another kind is translated, or refused.
    var endpoints: Set<PaidEndpoint> { get }
    /// How its requests differ from others of the same format.
    var traits: ProviderTraits { get }
    /// Sends the call and waits for the response head. Throws `ProviderError`.
    func open(_ call: PaidCall) async throws -> any PaidExchange
    /// Whether it answers at all, by a question that is never charged; nil: there is none to ask.
    func isReachable() async -> Bool?
    /// Why a body in the form of its endpoint cannot be sent there; nil: it can. Asked before a hold is taken.
    /// - Parameter model: by its name there.
    func objection(to body: [UInt8], model: String) -> RequestObjection?
}

/// What stands in the way of a request at one provider.
package struct RequestObjection: Error, Hashable, Sendable {
    /// For the client; names fields, never their content.
    package var message: String
    /// Fit for `error.code`.
    package var code: String
    /// The field at fault.
    package var param: String?
    package init(message: String, code: String, param: String?) {
        self.message = message
        self.code = code
        self.param = param
    }
}

extension PaidProvider {
    package var endpoints: Set<PaidEndpoint> { [.chatCompletions] }
    package var traits: ProviderTraits { ProviderTraits() }
    package func isReachable() async -> Bool? { nil }
    package func objection(to body: [UInt8], model: String) -> RequestObjection? { nil }
}
