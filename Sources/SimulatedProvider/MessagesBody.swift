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
    }
    struct Choice: Decodable {
        var type: String
        var name: String?
        var isSerial: Bool?
        private enum CodingKeys: String, CodingKey {
            case type, name
            case isSerial = "disable_parallel_tool_use"
        }
    }
    struct Kind: Decodable { var type: String }
    struct Output: Decodable {
        var format: Kind?
        var effort: String?
    }

    private enum Key: String, CodingKey, CaseIterable {
        case model, messages, system, stream, temperature, tools, thinking, metadata
        case maxTokens = "max_tokens"
        case stop = "stop_sequences"
        case toolChoice = "tool_choice"
        case output = "output_config"
        case topP = "top_p"
        case topK = "top_k"
        case tier = "service_tier"
        case cache = "cache_control"
    }

    /// The same request as everything here understands it.
    var request: ChatRequest

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self) { "\($0): Extra inputs are not permitted" }
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
        request.tools = tools.map(\.name)
        request.otherBytes = tools.reduce(0) { $0 + $1.name.utf8.count + ($1.description ?? "").utf8.count }
        if let choice = try fields.decodeIfPresent(Choice.self, forKey: .toolChoice) {
            if choice.type == "none" { request.tools = [] }
            if let name = choice.name { request.tools = [name] }
            request.isParallel = choice.isSerial != true
        }
        let thinking = try fields.decodeIfPresent(Kind.self, forKey: .thinking)?.type
        let output = try fields.decodeIfPresent(Output.self, forKey: .output)
        request.isThinking = thinking != "disabled" && (thinking != nil || output?.effort != nil)
        request.hasSchema = output?.format?.type == "json_schema"
    }
}
