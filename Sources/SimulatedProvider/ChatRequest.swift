/// The part of an OpenAI chat-completions request that the simulated provider heeds.
struct ChatRequest: Decodable, Sendable {
    struct Message: Decodable, Sendable {
        var role: String
        var content: String

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

    /// What is written when the request sets no bound.
    static let defaultMaxTokens = 4_096
    static let maxMessages = 4_096
    /// As OpenAI has it.
    static let maxStops = 4

    /// Why a request is refused.
    struct Invalid: Error { var message: String }

    private enum Key: String, CodingKey {
        case model, messages, stream, stop, n
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
        guard !messages.isEmpty, messages.count <= Self.maxMessages else {
            throw Invalid(message: "messages must hold 1 to \(Self.maxMessages) messages")
        }
        guard maxTokens >= 1 else { throw Invalid(message: "max_tokens must be 1 at least") }
        guard stop.count <= Self.maxStops else { throw Invalid(message: "stop takes \(Self.maxStops) texts at most") }
        guard try fields.decodeIfPresent(Int.self, forKey: .n) ?? 1 == 1 else {
            throw Invalid(message: "n must be 1")
        }
    }

    /// Tokens of all messages' contents together, one at least.
    var inputTokens: Int {
        max(1, SimulatedModel.tokens(utf8Bytes: messages.reduce(0) { $0 + $1.content.utf8.count }))
    }
}
