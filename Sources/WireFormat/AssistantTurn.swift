/// What an assistant said in one turn: a text, calls of tools, or both.
package struct AssistantTurn: Hashable, Sendable {
    /// One call of a tool.
    package struct Call: Hashable, Sendable {
        package var id: String
        package var name: String
        /// A JSON text, as the model wrote it: in OpenAI's format nothing is promised of it.
        package var arguments: String
        package init(id: String, name: String, arguments: String) {
            self.id = id
            self.name = name
            self.arguments = arguments
        }
    }

    package var text: String
    package var calls: [Call]
    package init(text: String, calls: [Call] = []) {
        self.text = text
        self.calls = calls
    }

    /// The first choice of a chat completion, with the provider's word for why it ended; nil: there is none.
    package static func read(_ completion: [UInt8]) -> (turn: AssistantTurn, finishReason: String?)? {
        guard let choice = (try? JSONDocument(completion, limits: .provider))?.root["choices"]?.firstChoice,
            let message = choice["message"]
        else { return nil }
        let said = SpokenContent(message["content"]).text
        var turn = AssistantTurn(text: said + (message["refusal"]?.string ?? ""))
        for (index, call) in (message["tool_calls"]?.elements ?? []).enumerated() {
            turn.calls.append(
                Call(
                    id: call["id"]?.string ?? "call_\(index)", name: call["function"]?["name"]?.string ?? "",
                    arguments: call["function"]?["arguments"]?.string ?? "{}"))
        }
        return (turn, choice["finish_reason"]?.string)
    }

    /// As a message of OpenAI's format.
    package var message: [UInt8] {
        var out = JSONWriter(reserving: text.utf8.count + 256)
        out.beginObject()
        out.member("role", "assistant")
        out.member("content", text.isEmpty && !calls.isEmpty ? nil : text)
        out.member("refusal", nil as String?)
        if !calls.isEmpty {
            out.key("tool_calls")
            out.beginArray()
            for call in calls { out.raw(ToolCall.json(id: call.id, name: call.name, arguments: call.arguments)) }
            out.endArray()
        }
        out.endObject()
        return out.bytes
    }

    /// Appends the turn as chunks of a stream in OpenAI's format: each call in one piece.
    package func append(to out: inout [UInt8], by writer: ChatCompletionWriter) {
        if !text.isEmpty { writer.appendContent(text, to: &out) }
        for (index, call) in calls.enumerated() {
            var delta = JSONWriter(reserving: call.arguments.utf8.count + 128)
            delta.beginObject()
            delta.key("tool_calls")
            delta.beginArray()
            delta.raw(ToolCall.json(index: index, id: call.id, name: call.name, arguments: call.arguments))
            delta.endArray()
            delta.endObject()
            writer.appendDelta(delta.bytes, to: &out)
        }
    }
}
