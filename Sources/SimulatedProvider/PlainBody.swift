/// What counts of a request of OpenAI's further endpoints.
struct PlainBody: Decodable, Sendable {
    private struct Item: Decodable {
        var role: String?
        var content: MessagesBody.Content?
        var output: MessagesBody.Content?
        var name: String?
        var arguments: String?
    }
    /// A text, tokens, several of either, or items.
    private struct Input: Decodable {
        var texts: [String] = []
        /// How many tokens each input has that came as tokens.
        var tokens: [Int] = []
        var items: [Item] = []
        var count: Int { texts.count + tokens.count }

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                texts = [text]
            } else if let all = try? value.decode([String].self) {
                texts = all
            } else if let one = try? value.decode([UInt32].self) {
                tokens = [one.count]
            } else if let all = try? value.decode([[UInt32]].self) {
                tokens = all.map(\.count)
            } else {
                items = try value.decode([Item].self)
            }
        }
    }
    private struct Tool: Decodable {
        var type: String?
        var name: String?
        var description: String?
        var parameters: JSONTree?
    }
    private struct Text: Decodable { var format: AnswerFormat? }

    private var model: String
    private var prompt: Input?
    private var input: Input?
    private var instructions: String?
    private var stream: Bool?
    private var options: ChatRequest.StreamOptions?
    private var maxTokens: Int?
    private var maxOutputTokens: Int?
    private var tools: [Tool]?
    private var toolChoice: WantedCall?
    private var isParallel: Bool?
    private var text: Text?
    private var dimensions: Int?
    private var encoding: String?
    private enum CodingKeys: String, CodingKey {
        case model, prompt, input, instructions, stream, tools, text, dimensions
        case options = "stream_options"
        case maxTokens = "max_tokens"
        case maxOutputTokens = "max_output_tokens"
        case toolChoice = "tool_choice"
        case isParallel = "parallel_tool_calls"
        case encoding = "encoding_format"
    }

    /// The same request as everything here understands it.
    func request(for wire: SimulatedWire) throws -> ChatRequest {
        let given = try self.given(for: wire)
        var messages = instructions.map { [ChatRequest.Message(role: "system", content: $0)] } ?? []
        messages += given.texts.map { .init(role: "user", content: $0) }
        messages += given.tokens.map { _ in .init(role: "user", content: "") }
        messages += given.items.map { item in
            let results = item.output?.text ?? ""
            let words = (item.content?.text ?? "") + results + (item.name ?? "") + (item.arguments ?? "")
            return .init(role: item.output == nil ? item.role ?? "assistant" : "tool", content: words)
        }
        var request = ChatRequest(
            model: model, messages: messages, isStream: stream ?? false, maxTokens: try bound(for: wire), stop: [])
        request.includesUsage = wire == .completions ? options?.includeUsage ?? false : true
        request.otherTokens = given.tokens.reduce(0, +)
        if wire == .embeddings { request.vectors = try vectors(of: given) }
        guard wire == .responses else { return request }
        try request.offer(try functions(), try toolChoice?.choice(isNested: false) ?? .auto)
        request.isParallel = isParallel ?? true
        request.schema = try text?.format?.schema(isNested: false, field: "text.format")
        return request
    }

    /// Of the answer's tokens.
    private func bound(for wire: SimulatedWire) throws -> Int {
        let bound = (wire == .responses ? maxOutputTokens : maxTokens) ?? ChatRequest.defaultMaxTokens
        guard bound >= 1 else {
            let name = wire == .responses ? "max_output_tokens" : "max_tokens"
            throw ChatRequest.Invalid(message: "\(name) must be 1 at least")
        }
        return bound
    }

    /// What is to be answered.
    private func given(for wire: SimulatedWire) throws -> Input {
        let name = wire == .completions ? "prompt" : "input"
        guard let given = wire == .completions ? prompt : input else {
            throw ChatRequest.Invalid(message: "\(name) is missing")
        }
        guard wire == .responses ? given.tokens.isEmpty : given.items.isEmpty else {
            let expected = wire == .responses ? "a text or items are" : "texts or tokens are"
            throw ChatRequest.Invalid(message: "\(name): \(expected) expected")
        }
        guard given.count <= 1 || wire == .embeddings else {
            throw ChatRequest.Invalid(message: "one prompt at a time")
        }
        return given
    }

    /// The functions among the tools; what the vendor runs itself is never called.
    private func functions() throws -> [ChatRequest.Tool] {
        try (tools ?? []).enumerated().compactMap { index, tool -> ChatRequest.Tool? in
            guard let name = tool.name else { return nil }
            if let type = tool.type { try OfferedFunction.check(type, at: index) }
            return ChatRequest.Tool(name: name, description: tool.description, schema: tool.parameters)
        }
    }

    private func vectors(of given: Input) throws -> EmbeddingsJSON.Wanted {
        guard (1...EmbeddingsJSON.maxCount).contains(given.count) else {
            throw ChatRequest.Invalid(message: "input must hold 1 to \(EmbeddingsJSON.maxCount) texts or token lists")
        }
        guard !given.texts.contains(""), !given.tokens.contains(0) else {
            throw ChatRequest.Invalid(message: "input must not hold an empty text or token list")
        }
        guard ["float", "base64", nil].contains(encoding) else {
            throw ChatRequest.Invalid(message: "encoding_format must be float or base64")
        }
        var wanted = EmbeddingsJSON.Wanted(count: given.count, isBase64: encoding == "base64")
        guard let dimensions else { return wanted }
        guard (1...EmbeddingsJSON.maxDimensions).contains(dimensions) else {
            throw ChatRequest.Invalid(message: "dimensions must be 1 to \(EmbeddingsJSON.maxDimensions)")
        }
        guard given.count * dimensions <= EmbeddingsJSON.maxNumbers else {
            throw ChatRequest.Invalid(
                message: "dimensions times the inputs must be \(EmbeddingsJSON.maxNumbers) at most")
        }
        wanted.dimensions = dimensions
        return wanted
    }
}
