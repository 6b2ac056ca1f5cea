/// An OpenAI completion as an Anthropic message.
package enum CompletionToMessage {
    /// - Parameter gboost: the gateway's own facts, put beside `usage`.
    package static func body(_ completion: [UInt8], gboost: [UInt8]?) throws(WireFormatError) -> [UInt8] {
        let root = try JSONDocument(completion, limits: .provider).root
        let choice = root["choices"]?.firstChoice
        let message = choice?["message"]
        var content: [[UInt8]] = []
        let signed = message?["thinking_blocks"]?.elements ?? []
        content += signed.map { Array($0.rawBytes) }
        let said = SpokenContent(message?["content"])
        let thought = (message?["reasoning_content"] ?? message?["reasoning"])?.string ?? said.thought
        if signed.isEmpty, !thought.isEmpty {
            content.append(thinkingBlock(thought))
        }
        for text in [said.text, message?["refusal"]?.string ?? ""] where !text.isEmpty {
            content.append(MessagesWriter.textBlock(text))
        }
        let calls = message?["tool_calls"]?.elements ?? []
        for (index, call) in calls.enumerated() {
            content.append(toolBlock(call, index: index))
        }
        let stop = choice?["stop_reason"]?.string
        let writer = MessagesWriter(id: root["id"]?.string ?? "msg", model: root["model"]?.string ?? "")
        return writer.message(
            content: content,
            stopReason: stop == nil ? reason(choice, isCall: !calls.isEmpty) : "stop_sequence",
            stopSequence: stop, usage: UsageField(root["usage"]).counts, gboost: gboost)
    }

    private static func reason(_ choice: JSONValue?, isCall: Bool) -> String {
        FinishReason.anthropic(choice?["finish_reason"]?.string, isCall: isCall)
    }

    private static func thinkingBlock(_ text: String) -> [UInt8] {
        var out = JSONWriter(reserving: text.utf8.count + 64)
        out.beginObject()
        out.member("type", "thinking")
        out.member("thinking", text)
        // Signed by nobody: it can go back to this provider, and to none that wants a signature.
        out.member("signature", "")
        out.endObject()
        return out.bytes
    }

    private static func toolBlock(_ call: JSONValue, index: Int) -> [UInt8] {
        var out = JSONWriter(reserving: call.rawBytes.count + 64)
        out.beginObject()
        out.member("type", "tool_use")
        out.member("id", call["id"]?.string ?? "call_\(index)")
        out.member("name", call["function"]?["name"]?.string ?? "")
        out.key("input")
        out.raw(input(call["function"]?["arguments"]))
        out.endObject()
        return out.bytes
    }

    /// Arguments as an object. What a model wrote that is none is kept as it is, under a name that says so.
    private static func input(_ arguments: JSONValue?) -> [UInt8] {
        let bytes = arguments?.utf8 ?? []
        if let document = try? JSONDocument(bytes, limits: .provider), document.root.kind == .object {
            return Array(document.root.rawBytes)
        }
        guard !bytes.allSatisfy({ $0 <= 0x20 }) else { return Array("{}".utf8) }
        var out = JSONWriter(reserving: bytes.count + 32)
        out.beginObject()
        out.member("malformed_arguments", String(decoding: bytes, as: UTF8.self))
        out.endObject()
        return out.bytes
    }
}
