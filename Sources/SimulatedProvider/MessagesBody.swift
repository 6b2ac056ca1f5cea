/// An Anthropic messages request, as strict as the real one: fields that it does not know are refused.
struct MessagesBody: Decodable, Sendable {
    struct Block: Decodable {
        var type: String
        var text: String?
        var thinking: String?
        var content: Content?
    }

    /// A string or blocks; what counts of it.
    struct Content: Decodable {
        var text = ""
        var images = 0
        var isToolResult = false

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                self.text = text
                return
            }
            for block in try value.decode([Block].self) {
                text += (block.text ?? "") + (block.thinking ?? "") + (block.content?.text ?? "")
                images += (block.type == "image" ? 1 : 0) + (block.content?.images ?? 0)
                isToolResult = isToolResult || block.type == "tool_result"
                guard block.type != "text" || block.text?.isEmpty == false else {
                    throw ChatRequest.Invalid(message: "messages: text content blocks must be non-empty")
                }
            }
        }
    }

    struct Message: Decodable {
        var role: String
        var content: Content
    }
    struct Tool: Decodable {
        var name: String
        var description: String?
        var schema: JSONTree?
        private enum CodingKeys: String, CodingKey {
            case name, description
            case schema = "input_schema"
        }
    }
    struct Choice: Decodable {
        var type: String
        var name: String?
        var isSerial: Bool?
        private enum CodingKeys: String, CodingKey {
            case type, name
            case isSerial = "disable_parallel_tool_use"
        }

        func choice() throws -> ChatRequest.Choice {
            switch type {
            case "auto": return .auto
            case "none": return .never
            case "any": return .any
            case "tool":
                guard let name else { throw ChatRequest.Invalid(message: "tool_choice.name: Field required") }
                return .named(name)
            default:
                throw ChatRequest.Invalid(message: "tool_choice.type: \"\(type)\" is none of auto, none, any, tool")
            }
        }
    }
    struct Kind: Decodable { var type: String }
    struct Output: Decodable {
        var format: AnswerFormat?
        var effort: String?
    }

    private enum Key: String, CodingKey, CaseIterable {
        case model, messages, system, stream, temperature, tools, thinking, metadata
        case maxTokens = "max_tokens"
        case stop = "stop_sequences"
        case toolChoice = "tool_choice"
        case output = "output_config"
        case format = "output_format"
        case topP = "top_p"
        case topK = "top_k"
        case tier = "service_tier"
        case cache = "cache_control"
    }

    /// By which Anthropic's own clients know that they are to send the whole conversation instead.
    private static let threadDetails = #"{"error_code":"thread_unsupported_request"}"#

    /// The same request as everything here understands it.
    var request: ChatRequest

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self) {
            .init(
                message: "\($0): Extra inputs are not permitted", details: $0 == "thread" ? Self.threadDetails : nil)
        }
        let system = try fields.decodeIfPresent(Content.self, forKey: .system)
        var messages: [ChatRequest.Message] = system.map { [.init(role: "system", content: $0.text)] } ?? []
        for message in try fields.decode([Message].self, forKey: .messages) {
            guard ["user", "assistant"].contains(message.role) else {
                throw ChatRequest.Invalid(message: "messages: unexpected role \"\(message.role)\"")
            }
            let role = message.content.isToolResult ? "tool" : message.role
            messages.append(.init(role: role, content: message.content.text, images: message.content.images))
        }
        let stop = try fields.decodeIfPresent([String].self, forKey: .stop) ?? []
        guard stop.allSatisfy({ !$0.allSatisfy(\.isWhitespace) }) else {
            throw ChatRequest.Invalid(message: "stop_sequences: each stop sequence must contain non-whitespace")
        }
        guard (0...1).contains(try fields.decodeIfPresent(Double.self, forKey: .temperature) ?? 1) else {
            throw ChatRequest.Invalid(message: "temperature: range: 0..1")
        }
        request = ChatRequest(
            model: try fields.decode(String.self, forKey: .model), messages: messages,
            isStream: try fields.decodeIfPresent(Bool.self, forKey: .stream) ?? false,
            maxTokens: try fields.decodeIfPresent(Int.self, forKey: .maxTokens) ?? 0, stop: stop)
        try readWishes(fields)
    }

    private mutating func readWishes(_ fields: KeyedDecodingContainer<Key>) throws {
        let tools = try fields.decodeIfPresent([Tool].self, forKey: .tools) ?? []
        let choice = try fields.decodeIfPresent(Choice.self, forKey: .toolChoice)
        request.isParallel = choice?.isSerial != true
        try request.offer(
            tools.map { .init(name: $0.name, description: $0.description, schema: $0.schema) },
            try choice?.choice() ?? .auto)
        let thinking = try fields.decodeIfPresent(Kind.self, forKey: .thinking)?.type
        let output = try fields.decodeIfPresent(Output.self, forKey: .output)
        request.isThinking = thinking != "disabled" && (thinking != nil || output?.effort != nil)
        // The older of the two places.
        let format = try fields.decodeIfPresent(AnswerFormat.self, forKey: .format)
        request.schema =
            try output?.format?.schema(isNested: false, field: "output_config.format")
            ?? format?.schema(isNested: false, field: Key.format.rawValue)
    }
}
