/// What counts of a request of OpenAI's further endpoints.
struct PlainBody: Decodable, Sendable {
    private struct Item: Decodable {
        var role: String?
        var content: MessagesBody.Content?
        var output: String?
        var name: String?
        var arguments: String?
    }
    private struct Text: Decodable {
        var all: [String]
        var items: [Item] = []

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                all = [text]
            } else if let texts = try? value.decode([String].self) {
                all = texts
            } else {
                all = []
                items = try value.decode([Item].self)
            }
        }
    }
    private struct Tool: Decodable { var name: String? }

    private var model: String
    private var prompt: Text?
    private var input: Text?
    private var instructions: String?
    private var stream: Bool?
    private var options: ChatRequest.StreamOptions?
    private var maxTokens: Int?
    private var maxOutputTokens: Int?
    private var tools: [Tool]?
    private enum CodingKeys: String, CodingKey {
        case model, prompt, input, instructions, stream, tools
        case options = "stream_options"
        case maxTokens = "max_tokens"
        case maxOutputTokens = "max_output_tokens"
    }

    /// The same request as everything here understands it.
    func request(for wire: SimulatedWire) throws -> ChatRequest {
        guard let text = wire == .completions ? prompt : input else {
            throw ChatRequest.Invalid(message: "\(wire == .completions ? "prompt" : "input") is missing")
        }
        guard text.all.count <= 1 || wire == .embeddings else {
            throw ChatRequest.Invalid(message: "one prompt at a time")
        }
        var messages = instructions.map { [ChatRequest.Message(role: "system", content: $0)] } ?? []
        messages += text.all.map { .init(role: "user", content: $0) }
        messages += text.items.map { item in
            let words = (item.content?.text ?? "") + (item.output ?? "") + (item.name ?? "") + (item.arguments ?? "")
            return .init(role: item.output == nil ? item.role ?? "assistant" : "tool", content: words)
        }
        var request = ChatRequest(
            model: model, messages: messages, isStream: stream ?? false,
            maxTokens: (wire == .responses ? maxOutputTokens : maxTokens) ?? ChatRequest.defaultMaxTokens, stop: [])
        request.includesUsage = wire == .completions ? options?.includeUsage ?? false : true
        request.tools = (tools ?? []).compactMap(\.name)
        return request
    }
}
