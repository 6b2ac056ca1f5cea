internal import Foundation

/// A request of Amazon's `Converse`: what counts of it. Fields that it does not know are refused, and turns alternate.
struct ConverseBody: Decodable, Sendable {
    private struct Image: Decodable {
        struct Source: Decodable { var bytes: String }
        var format: String
        var source: Source
    }
    private struct Use: Decodable {
        var toolUseId: String
        var name: String
    }
    private struct Result: Decodable {
        var toolUseId: String
        var content: [Block]
    }
    private struct Thought: Decodable {
        struct Text: Decodable {
            var text: String
            var signature: String?
        }
        var reasoningText: Text?
    }
    private struct Block: Decodable {
        var text: String?
        var image: Image?
        var toolUse: Use?
        var toolResult: Result?
        var reasoningContent: Thought?

        var words: String {
            (text ?? "") + (toolResult?.content.map(\.words).joined() ?? "")
                + (reasoningContent?.reasoningText?.text ?? "")
        }
    }
    private struct Message: Decodable {
        var role: String
        var content: [Block]
    }
    private struct Inference: Decodable {
        var maxTokens: Int?
        var stopSequences: [String]?
    }
    private struct Spec: Decodable {
        struct Input: Decodable { var json: JSONTree? }
        var name: String
        var description: String?
        var inputSchema: Input?
    }
    /// Without a specification: a mark for the cache.
    private struct Tool: Decodable { var toolSpec: Spec? }
    private struct Nothing: Decodable {}
    private struct Named: Decodable { var name: String }
    private struct Choice: Decodable {
        var any: Nothing?
        var tool: Named?
    }
    private struct ToolConfig: Decodable {
        var tools: [Tool]
        var toolChoice: Choice?
    }
    private struct Structure: Decodable {
        struct Schema: Decodable { var schema: String }
        var jsonSchema: Schema
    }
    private struct Format: Decodable {
        var type: String
        var structure: Structure

        /// It stands in a text there.
        func schema() throws -> JSONTree? {
            guard type == "json_schema" else { return nil }
            do {
                return try JSONDecoder().decode(JSONTree.self, from: Data(structure.jsonSchema.schema.utf8))
            } catch {
                throw ChatRequest.Invalid(
                    message: "outputConfig.textFormat.structure.jsonSchema.schema: the text is not JSON")
            }
        }
    }
    private struct Output: Decodable { var textFormat: Format? }
    private struct Thinking: Decodable {
        var type: String
        var budget: Int?
        private enum CodingKeys: String, CodingKey {
            case type
            case budget = "budget_tokens"
        }
    }
    private struct Further: Decodable { var thinking: Thinking? }

    private enum Key: String, CodingKey, CaseIterable {
        case messages, system, inferenceConfig, toolConfig, outputConfig, additionalModelRequestFields
    }

    /// The same request as everything here understands it, but for model and stream, which the path names.
    var request: ChatRequest
    private var thinking: Thinking?

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(Key.self) { .init(message: "Unknown field \($0)") }
        let system = try fields.decodeIfPresent([Block].self, forKey: .system) ?? []
        var messages = system.map { ChatRequest.Message(role: "system", content: $0.words) }
        var last = "assistant"
        for message in try fields.decode([Message].self, forKey: .messages) {
            guard ["user", "assistant"].contains(message.role), message.role != last else {
                throw ChatRequest.Invalid(message: "messages: roles must alternate between user and assistant")
            }
            last = message.role
            let isResult = message.content.contains { $0.toolResult != nil }
            messages.append(
                .init(
                    role: isResult ? "tool" : message.role, content: message.content.map(\.words).joined(),
                    images: message.content.count { $0.image != nil }))
        }
        let inference = try fields.decodeIfPresent(Inference.self, forKey: .inferenceConfig)
        request = ChatRequest(
            model: "", messages: messages, isStream: false,
            maxTokens: inference?.maxTokens ?? ChatRequest.defaultMaxTokens, stop: inference?.stopSequences ?? [])
        guard request.maxTokens >= 1 else {
            throw ChatRequest.Invalid(message: "inferenceConfig.maxTokens must be 1 at least")
        }
        request.schema = try fields.decodeIfPresent(Output.self, forKey: .outputConfig)?.textFormat?.schema()
        thinking = try fields.decodeIfPresent(Further.self, forKey: .additionalModelRequestFields)?.thinking
        request.isThinking = thinking.map { $0.type != "disabled" } ?? false
        guard let config = try fields.decodeIfPresent(ToolConfig.self, forKey: .toolConfig) else { return }
        let tools = config.tools.compactMap(\.toolSpec).map {
            ChatRequest.Tool(name: $0.name, description: $0.description, schema: $0.inputSchema?.json)
        }
        let named = config.toolChoice?.tool.map { ChatRequest.Choice.named($0.name) }
        try request.offer(
            tools, named ?? (config.toolChoice?.any == nil ? .auto : .any), field: "toolConfig.toolChoice.tool.name")
    }

    /// Claudes that think within a budget; what came after them takes none.
    private static let budgeted = [
        "claude-3-7-", "claude-opus-4-2025", "claude-sonnet-4-2025", "claude-opus-4-1-", "claude-opus-4-5-",
        "claude-sonnet-4-5-", "claude-haiku-4-5-",
    ]
    private static let leastBudget = 1024

    /// What Anthropic's models refuse beside the wire's own rules.
    /// - Parameter model: as the path names it.
    func check(model: String) throws {
        guard model.contains("anthropic.") else { return }
        guard request.stop.allSatisfy({ !$0.allSatisfy(\.isWhitespace) }) else {
            throw ChatRequest.Invalid(message: "stop_sequences: each stop sequence must contain non-whitespace")
        }
        let takesBudget = Self.budgeted.contains { model.contains($0) }
        switch thinking?.type {
        case "enabled":
            guard takesBudget else {
                throw ChatRequest.Invalid(message: "thinking.type: \"enabled\" is not supported by this model")
            }
            guard let budget = thinking?.budget, budget >= Self.leastBudget, budget < request.maxTokens else {
                throw ChatRequest.Invalid(message: "thinking.budget_tokens: at least 1024 and less than max_tokens")
            }
        case "adaptive":
            guard !takesBudget else {
                throw ChatRequest.Invalid(message: "thinking.type: \"adaptive\" is not supported by this model")
            }
        default: return
        }
    }
}
