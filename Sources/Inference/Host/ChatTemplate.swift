internal import CLlama
internal import Foundation
package import GatewayCore

/// The model's own chat template, and the way from messages to tokens that user text cannot subvert.
package final class ChatTemplate {
    /// What this gateway tells every template: no reasoning aloud before the answer, since steps are what clients get.
    package static let arguments = #"{"enable_thinking": false}"#
    static let roles: Set<String> = ["system", "developer", "user", "assistant", "tool"]

    private let model: GGUFModel
    private let renderer: ChatRenderer
    /// Some models carry a second template, for conversations with tools.
    private let toolRenderer: ChatRenderer?
    let isOwn: Bool
    /// How calls of tools are written; nil: not at all, or in a way that nobody reads.
    package let toolCalls: ToolCallFormat?

    package convenience init(model: GGUFModel) throws(ModelFailure) {
        try self.init(model: model, source: model.chatTemplate, toolSource: model.toolChatTemplate)
    }

    /// With other templates than the model's.
    package init(model: GGUFModel, source: String?, toolSource: String? = nil) throws(ModelFailure) {
        self.model = model
        isOwn = source != nil
        renderer = try ChatRenderer(source: source, vocabulary: model.vocabulary)
        if let toolSource, toolSource != source {
            toolRenderer = try ChatRenderer(source: toolSource, vocabulary: model.vocabulary)
        } else {
            toolRenderer = nil
        }
        toolCalls = ToolCallProbe.format(of: toolRenderer ?? renderer)
    }

    /// Tokens of the conversation, up to and with the opening of the assistant's turn.
    package func tokens(_ messages: [ChatMessage], tools: String? = nil) throws(LocalModelError) -> [Int32] {
        guard !messages.isEmpty else { throw .invalid("the conversation is empty") }
        for message in messages where !Self.roles.contains(message.role) {
            throw .invalid("a message's role must be system, user, assistant or tool")
        }
        // A conversation in which tools were called is one with tools, whether or not it may go on calling them.
        let hasTools = tools != nil || messages.contains { $0.toolCalls != nil || $0.role == "tool" }
        let renderer = hasTools ? toolRenderer ?? renderer : renderer
        return tokens(parts: try renderer.render(messages, tools: tools, arguments: Self.arguments))
    }

    /// Tokens of a prompt in parts that no template has made.
    func tokens(parts: [PromptPart]) -> [Int32] {
        tokens(parts: parts.map { RenderedPart(text: $0.text, isInput: $0.isInput, isCut: false) })
    }

    /// Tokens of rendered parts.
    ///
    /// The prompt is tokenized as a whole, as llama.cpp's own tools do it, but for cuts through what would else be
    /// special tokens of somebody's text. Where that still finds other special tokens than the template's own text
    /// has, input has put them there together with its surroundings: then every part is tokenized by itself, input
    /// without special tokens.
    private func tokens(parts: [RenderedPart]) -> [Int32] {
        var whole: [Int32] = []
        var section = ""
        for (index, part) in parts.enumerated() {
            if part.isCut, index > 0 {
                whole += model.tokenize(section, addSpecial: whole.isEmpty, parseSpecial: true)
                section = ""
            }
            section += part.text
        }
        whole += model.tokenize(section, addSpecial: whole.isEmpty, parseSpecial: true)
        var pieces: [Int32] = []
        for (index, part) in parts.enumerated() {
            pieces += model.tokenize(part.text, addSpecial: index == 0, parseSpecial: !part.isInput)
        }
        return whole.filter(renderer.isSpecial) == pieces.filter(renderer.isSpecial) ? whole : pieces
    }

    /// True for a token that ends a turn, calls a tool or the like: none of these may come out of a client's text.
    package func isSpecial(_ token: Int32) -> Bool { renderer.isSpecial(token) }
}
