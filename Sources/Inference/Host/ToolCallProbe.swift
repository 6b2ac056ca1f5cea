package import GatewayCore

/// Finds out by rendering a conversation how a chat template writes calls of tools.
///
/// The model was trained on what its template writes, so that is how it will call them. A template that leaves out
/// tools, calls or results has none of this: it would drop what a client gave without a word.
package enum ToolCallProbe {
    private static let tool = "gboost_tool"
    private static let call = "gboost_call"
    private static let result = "gboost_result"
    private static let tools = """
        [{"type": "function", "function": {"name": "\(tool)", "description": "Tool", "parameters": {"type": "object", \
        "properties": {"x": {"type": "string"}}, "required": ["x"]}}}]
        """
    private static let messages: [ChatMessage] = {
        var calling = ChatMessage(role: "assistant", content: "")
        // Some templates want ids of nine letters and digits.
        calling.toolCalls = """
            [{"id": "call00001", "type": "function", "function": {"name": "\(call)", \
            "arguments": "{\\"x\\": \\"y\\"}"}}]
            """
        var answer = ChatMessage(role: "tool", content: result)
        answer.toolCallID = "call00001"
        answer.name = call
        return [ChatMessage(role: "user", content: "Question"), calling, answer]
    }()

    /// nil: calls are not written, or in a form that nobody reads here.
    package static func format(of renderer: ChatRenderer) -> ToolCallFormat? {
        guard let parts = try? renderer.render(messages, tools: tools, arguments: ChatTemplate.arguments) else {
            return nil
        }
        let text = parts.map(\.text).joined()
        guard text.contains(tool), text.contains(result), let name = text.firstRange(of: "\"\(call)\"") else {
            return nil
        }
        let before = text[..<name.lowerBound].filter { !$0.isWhitespace }
        let after = text[name.upperBound...].filter { !$0.isWhitespace }
        let opening = "{\"name\":"
        guard before.hasSuffix(opening) else { return nil }
        let isTagged = before.dropLast(opening.count).hasSuffix("<tool_call>")
        if after.hasPrefix(",\"arguments\":{\"x\":\"y\"}}</tool_call>"), isTagged { return .tagged }
        // Something before it would be a mark of its own, which the model writes and nobody here reads.
        let isAlone = before.dropLast(opening.count).hasSuffix("<|end_header_id|>")
        return after.hasPrefix(",\"parameters\":{\"x\":\"y\"}}") && isAlone ? .plain : nil
    }
}
