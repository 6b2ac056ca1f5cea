/// The part of an OpenAI chat-completions request that the simulated provider heeds.
struct ChatRequest: Decodable, Sendable {
    struct Message: Decodable, Sendable {
        var role: String
        var content: String
        var images = 0

        init(role: String, content: String, images: Int = 0) {
            self.role = role
            self.content = content
            self.images = images
        }

        private enum Key: String, CodingKey { case role, content }
        private struct Part: Decodable {
            var type: String
            var text: String?
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: Key.self)
            role = try fields.decode(String.self, forKey: .role)
            if let text = try? fields.decode(String.self, forKey: .content) {
                content = text
            } else {
                let parts = try fields.decodeIfPresent([Part].self, forKey: .content) ?? []
                content = parts.compactMap(\.text).joined()
                images = parts.count { $0.type == "image_url" }
            }
        }
    }
    struct StreamOptions: Decodable, Sendable {
        var includeUsage: Bool?
        private enum CodingKeys: String, CodingKey { case includeUsage = "include_usage" }
    }

    var model: String
    var messages: [Message]
    var isStream: Bool
    var includesUsage: Bool
    var maxTokens: Int
    var stop: [String]
    /// Those that the reply may call.
    var tools: [Tool] = []
    /// One of them is called even behind the result of one.
    var isForced = false
    var isParallel = true
    /// Thinking is asked for.
    var isThinking = false
    /// What the answer is to fit; one that says nothing asks for an object; nil: prose.
    var schema: JSONTree?
    /// What the request holds beside its messages' contents, in bytes: names and descriptions of tools.
    var otherBytes = 0
    /// Tokens that came as such and not as texts.
    var otherTokens = 0
    /// What an embeddings request asks for.
    var vectors = EmbeddingsJSON.Wanted()

    /// What is written when the request sets no bound.
    static let defaultMaxTokens = 4_096
    static let maxMessages = 4_096
    /// As OpenAI has it.
    static let maxStops = 4

    private enum Key: String, CodingKey {
        case model, messages, stream, stop, n, tools, temperature
        case toolChoice = "tool_choice"
        case parallel = "parallel_tool_calls"
        case effort = "reasoning_effort"
        case format = "response_format"
        case streamOptions = "stream_options"
        case maxTokens = "max_tokens"
        case maxCompletionTokens = "max_completion_tokens"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        model = try fields.decode(String.self, forKey: .model)
        messages = try fields.decode([Message].self, forKey: .messages)
        isStream = try fields.decodeIfPresent(Bool.self, forKey: .stream) ?? false
        includesUsage = try fields.decodeIfPresent(StreamOptions.self, forKey: .streamOptions)?.includeUsage ?? false
        maxTokens =
            try fields.decodeIfPresent(Int.self, forKey: .maxCompletionTokens)
            ?? fields.decodeIfPresent(Int.self, forKey: .maxTokens) ?? Self.defaultMaxTokens
        if let one = try? fields.decode(String.self, forKey: .stop) {
            stop = [one]
        } else {
            stop = try fields.decodeIfPresent([String].self, forKey: .stop) ?? []
        }
        stop.removeAll(where: \.isEmpty)
        if Self.reasoning.contains(where: { model.hasPrefix($0) }) { try Self.refuseSampling(fields) }
        try readWishes(fields)
        guard !messages.isEmpty, messages.count <= Self.maxMessages else {
            throw Invalid(message: "messages must hold 1 to \(Self.maxMessages) messages")
        }
        guard maxTokens >= 1 else { throw Invalid(message: "max_tokens must be 1 at least") }
        guard stop.count <= Self.maxStops else { throw Invalid(message: "stop takes \(Self.maxStops) texts at most") }
        guard try fields.decodeIfPresent(Int.self, forKey: .n) ?? 1 == 1 else {
            throw Invalid(message: "n must be 1")
        }
    }

    /// How the names of OpenAI's reasoning models begin.
    private static let reasoning = ["gpt-5", "o1", "o3", "o4"]

    /// What those models refuse, in OpenAI's words.
    private static func refuseSampling(_ fields: KeyedDecodingContainer<Key>) throws {
        if let temperature = try fields.decodeIfPresent(Double.self, forKey: .temperature), temperature != 1 {
            throw Invalid(
                message: "Unsupported value: 'temperature' does not support \(temperature) with this model. "
                    + "Only the default (1) value is supported.")
        }
        guard !fields.contains(.stop) else {
            throw Invalid(message: "Unsupported parameter: 'stop' is not supported with this model.")
        }
    }

    /// The last message is a tool's result: no further call is made.
    var isAfterTool: Bool { messages.last?.role == "tool" }

    /// Tokens of an image, whatever it shows.
    private static let tokensPerImage = 85

    /// Tokens of all that the request says together, one at least.
    var inputTokens: Int {
        let bytes = messages.reduce(otherBytes) { $0 + $1.content.utf8.count }
        let images = messages.reduce(0) { $0 + $1.images }
        return max(1, SimulatedModel.tokens(utf8Bytes: bytes) + otherTokens + images * Self.tokensPerImage)
    }
}

extension ChatRequest {
    /// Tools, thinking and the answer's form, as OpenAI's requests have them.
    private mutating func readWishes(_ fields: KeyedDecodingContainer<Key>) throws {
        let offered = try fields.decodeIfPresent([OfferedFunction].self, forKey: .tools) ?? []
        let choice = try fields.decodeIfPresent(WantedCall.self, forKey: .toolChoice)
        try offer(
            try offered.enumerated().map { try $1.tool(at: $0) }, try choice?.choice(isNested: true) ?? .auto)
        isParallel = try fields.decodeIfPresent(Bool.self, forKey: .parallel) ?? true
        isThinking = try fields.decodeIfPresent(String.self, forKey: .effort).map { $0 != "none" } ?? false
        let format = try fields.decodeIfPresent(AnswerFormat.self, forKey: .format)
        schema = try format?.schema(isNested: true, field: Key.format.rawValue)
    }

    /// Memberwise, for requests of another format.
    init(model: String, messages: [Message], isStream: Bool, maxTokens: Int, stop: [String]) {
        self.model = model
        self.messages = messages
        self.isStream = isStream
        includesUsage = true
        self.maxTokens = maxTokens
        self.stop = stop
    }
}
