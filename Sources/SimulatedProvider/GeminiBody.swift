/// A request of Google's `generateContent`: what counts of it. Fields that it does not know are refused, as there.
struct GeminiBody: Decodable, Sendable {
    private struct Text: Decodable { var text: String? }
    private struct Blob: Decodable {
        var mimeType: String
        var data: String
    }
    private struct Call: Decodable { var name: String }
    private struct Result: Decodable {
        var name: String
        var response: [String: String]?

        private enum Key: String, CodingKey { case name, response }
        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: Key.self)
            name = try fields.decode(String.self, forKey: .name)
            // An object, whatever is in it.
            _ = try fields.nestedContainer(keyedBy: Key.self, forKey: .response)
            response = try? fields.decode([String: String].self, forKey: .response)
        }
    }
    private struct Part: Decodable {
        var text: String?
        var inlineData: Blob?
        var functionCall: Call?
        var functionResponse: Result?
    }
    private struct Content: Decodable {
        var role: String?
        var parts: [Part]
    }
    private struct Declaration: Decodable {
        var name: String
        var description: String?
        var parameters: JSONTree?
        var parametersJsonSchema: JSONTree?
    }
    private struct Tool: Decodable { var functionDeclarations: [Declaration]? }
    private struct Calling: Decodable {
        var mode: String?
        var allowedFunctionNames: [String]?
    }
    private struct ToolConfig: Decodable { var functionCallingConfig: Calling? }
    private struct Thinking: Decodable {
        var thinkingBudget: Int?
        var thinkingLevel: String?
        var includeThoughts: Bool?
    }
    private struct Generation: Decodable {
        var maxOutputTokens: Int?
        var stopSequences: [String]?
        var responseMimeType: String?
        var responseSchema: JSONTree?
        var responseJsonSchema: JSONTree?
        var thinkingConfig: Thinking?
    }
    private enum Key: String, CodingKey, CaseIterable {
        case contents, systemInstruction, tools, toolConfig, generationConfig
    }

    /// The same request as everything here understands it, but for model and stream, which the path names.
    var request: ChatRequest

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self) {
            .init(message: "Invalid JSON payload received. Unknown name \"\($0)\"")
        }
        var messages: [ChatRequest.Message] = []
        if let system = try fields.decodeIfPresent(Content.self, forKey: .systemInstruction) {
            messages.append(.init(role: "system", content: system.parts.compactMap(\.text).joined()))
        }
        for content in try fields.decode([Content].self, forKey: .contents) {
            guard ["user", "model", nil].contains(content.role) else {
                throw ChatRequest.Invalid(message: "Please use a valid role: user, model.")
            }
            let text = content.parts.map { part in
                (part.text ?? "") + (part.functionResponse?.response?.values.joined() ?? "")
            }
            let isResult = content.parts.contains { $0.functionResponse != nil }
            messages.append(
                .init(
                    role: isResult ? "tool" : content.role == "model" ? "assistant" : "user", content: text.joined(),
                    images: content.parts.count { $0.inlineData?.mimeType.hasPrefix("image/") == true }))
        }
        let generation = try fields.decodeIfPresent(Generation.self, forKey: .generationConfig)
        request = ChatRequest(
            model: "", messages: messages, isStream: false,
            maxTokens: generation?.maxOutputTokens ?? ChatRequest.defaultMaxTokens,
            stop: generation?.stopSequences ?? [])
        guard request.maxTokens >= 1 else {
            throw ChatRequest.Invalid(message: "generationConfig.maxOutputTokens must be 1 at least")
        }
        if generation?.responseMimeType == "application/json" {
            request.schema = generation?.responseJsonSchema ?? generation?.responseSchema ?? .object([:])
        }
        if let thinking = generation?.thinkingConfig {
            request.isThinking = thinking.includeThoughts == true && thinking.thinkingBudget != 0
        }
        try readTools(fields)
    }

    private mutating func readTools(_ fields: KeyedDecodingContainer<Key>) throws {
        let tools = try fields.decodeIfPresent([Tool].self, forKey: .tools) ?? []
        let declared = tools.flatMap { $0.functionDeclarations ?? [] }
        let calling = try fields.decodeIfPresent(ToolConfig.self, forKey: .toolConfig)?.functionCallingConfig
        let choice: ChatRequest.Choice =
            switch calling?.mode {
            case "NONE": .never
            case "ANY": .any
            default: .auto
            }
        try request.offer(
            declared.map {
                .init(name: $0.name, description: $0.description, schema: $0.parametersJsonSchema ?? $0.parameters)
            }, choice)
        guard let allowed = calling?.allowedFunctionNames, !allowed.isEmpty else { return }
        if let name = allowed.first(where: { name in !declared.contains { $0.name == name } }) {
            let field = "toolConfig.functionCallingConfig.allowedFunctionNames"
            throw ChatRequest.Invalid(message: "\(field): there is no function \"\(name)\" among those declared")
        }
        request.tools.removeAll { !allowed.contains($0.name) }
    }
}
