/// An Anthropic message as an OpenAI completion.
///
/// Thinking comes twice: as `reasoning_content`, which clients show, and as `thinking_blocks` with its signatures,
/// which is what a client sends back.
package enum MessageToCompletion {
    /// - Parameters:
    ///   - created: Unix time in seconds, which Anthropic's messages lack.
    ///   - gboost: the gateway's own facts, put beside `usage`.
    package static func body(_ message: [UInt8], created: Int64, gboost: [UInt8]?) throws(WireFormatError) -> [UInt8] {
        let root = try JSONDocument(message, limits: .provider).root
        var text: String?
        var thoughts: [JSONValue] = []
        var calls: [[UInt8]] = []
        for block in root["content"]?.elements ?? [] {
            switch block["type"]?.string {
            case "text": text = (text ?? "") + (block["text"]?.string ?? "")
            case "thinking", "redacted_thinking": thoughts.append(block)
            case "tool_use":
                let input = block["input"].map { String(decoding: $0.rawBytes, as: UTF8.self) } ?? "{}"
                calls.append(
                    ToolCall.json(id: block["id"]?.string, name: block["name"]?.string, arguments: input))
            default: break
            }
        }
        let writer = ChatCompletionWriter(
            id: root["id"]?.string ?? "chatcmpl", created: created, model: root["model"]?.string ?? "")
        return writer.completion(
            message: Self.message(text: text, thoughts: thoughts, calls: calls),
            finishReason: FinishReason.openAI(root["stop_reason"]?.string) ?? "stop",
            usage: AnthropicUsage(root["usage"])?.field.counts, gboost: gboost)
    }

    private static func message(text: String?, thoughts: [JSONValue], calls: [[UInt8]]) -> [UInt8] {
        var out = JSONWriter(reserving: 512)
        out.beginObject()
        out.member("role", "assistant")
        out.member("content", text)
        out.member("refusal", nil as String?)
        if !thoughts.isEmpty {
            out.member("reasoning_content", thoughts.compactMap { $0["thinking"]?.string }.joined())
            out.key("thinking_blocks")
            out.beginArray()
            for thought in thoughts { out.raw(thought.rawBytes) }
            out.endArray()
        }
        if !calls.isEmpty {
            out.key("tool_calls")
            out.beginArray()
            for call in calls { out.raw(call) }
            out.endArray()
        }
        out.endObject()
        return out.bytes
    }
}
