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
        var thinkingConfig: Thinking?
    }
    private enum Key: String, CodingKey, CaseIterable {
        case contents, systemInstruction, tools, toolConfig, generationConfig
    }

    /// The same request as everything here understands it, but for model and stream, which the path names.
    var request: ChatRequest

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self) { "Invalid JSON payload received. Unknown name \"\($0)\"" }
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
        request.hasSchema = generation?.responseMimeType == "application/json"
        if let thinking = generation?.thinkingConfig {
            request.isThinking = thinking.includeThoughts == true && thinking.thinkingBudget != 0
        }
        try readTools(fields)
    }

    private mutating func readTools(_ fields: KeyedDecodingContainer<Key>) throws {
        let tools = try fields.decodeIfPresent([Tool].self, forKey: .tools) ?? []
        let declared = tools.flatMap { $0.functionDeclarations ?? [] }
        request.tools = declared.map(\.name)
        request.otherBytes = declared.reduce(0) { $0 + $1.name.utf8.count + ($1.description ?? "").utf8.count }
        let calling = try fields.decodeIfPresent(ToolConfig.self, forKey: .toolConfig)?.functionCallingConfig
        if calling?.mode == "NONE" { request.tools = [] }
        if let allowed = calling?.allowedFunctionNames { request.tools = allowed }
    }
}
