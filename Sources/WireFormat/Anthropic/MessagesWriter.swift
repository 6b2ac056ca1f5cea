/// Writes the gateway's own answers in Anthropic's form: one body, or the events of a stream.
package struct MessagesWriter: Sendable {
    /// A block of an answer, at its beginning.
    package enum Block: Hashable, Sendable {
        case text
        case thinking
        case tool(id: String, name: String)
    }

    package let id: String
    package let model: String

    /// - Parameters:
    ///   - id: The message's id, e.g. `msg_…`.
    ///   - model: What the client asked for.
    package init(id: String, model: String) {
        self.id = id
        self.model = model
    }

    private static func event(_ name: String, _ data: [UInt8], to out: inout [UInt8]) {
        out.append(contentsOf: "event: \(name)\ndata: ".utf8)
        out.append(contentsOf: data)
        out.append(contentsOf: "\n\n".utf8)
    }

    private func writeHead(_ writer: inout JSONWriter) {
        writer.member("id", id)
        writer.member("type", "message")
        writer.member("role", "assistant")
        writer.member("model", model)
    }

    /// Appends the first event of a stream. What the input counts is known at its end only, and stated there.
    package func appendStart(to out: inout [UInt8]) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "message_start")
        writer.key("message")
        writer.beginObject()
        writeHead(&writer)
        writer.key("content")
        writer.beginArray()
        writer.endArray()
        writer.member("stop_reason", nil as String?)
        writer.member("stop_sequence", nil as String?)
        writer.key("usage")
        writer.raw(TokenCounts(prompt: 0, completion: 0).anthropicJSON)
        writer.endObject()
        writer.endObject()
        Self.event("message_start", writer.bytes, to: &out)
    }

    /// Appends the event that opens a block.
    package static func appendBlockStart(_ block: Block, index: Int, to out: inout [UInt8]) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "content_block_start")
        writer.member("index", Int64(index))
        writer.key("content_block")
        writer.beginObject()
        switch block {
        case .text:
            writer.member("type", "text")
            writer.member("text", "")
        case .thinking:
            writer.member("type", "thinking")
            writer.member("thinking", "")
            writer.member("signature", "")
        case .tool(let id, let name):
            writer.member("type", "tool_use")
            writer.member("id", id)
            writer.member("name", name)
            writer.key("input")
            writer.beginObject()
            writer.endObject()
        }
        writer.endObject()
        writer.endObject()
        event("content_block_start", writer.bytes, to: &out)
    }

    /// Appends the events of a block that comes as a whole, a JSON object.
    package static func appendWhole(block: [UInt8], index: Int, to out: inout [UInt8]) {
        var writer = JSONWriter(reserving: block.count + 80)
        writer.beginObject()
        writer.member("type", "content_block_start")
        writer.member("index", Int64(index))
        writer.key("content_block")
        writer.raw(block)
        writer.endObject()
        event("content_block_start", writer.bytes, to: &out)
        appendBlockStop(index: index, to: &out)
    }

    /// Appends an event with a piece of the open block.
    package static func appendDelta(_ piece: String, of block: Block, index: Int, to out: inout [UInt8]) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "content_block_delta")
        writer.member("index", Int64(index))
        writer.key("delta")
        writer.beginObject()
        switch block {
        case .text:
            writer.member("type", "text_delta")
            writer.member("text", piece)
        case .thinking:
            writer.member("type", "thinking_delta")
            writer.member("thinking", piece)
        case .tool:
            writer.member("type", "input_json_delta")
            writer.member("partial_json", piece)
        }
        writer.endObject()
        writer.endObject()
        event("content_block_delta", writer.bytes, to: &out)
    }

    /// Appends the event with the signature of the open thought.
    package static func appendSignature(_ signature: String, index: Int, to out: inout [UInt8]) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "content_block_delta")
        writer.member("index", Int64(index))
        writer.key("delta")
        writer.beginObject()
        writer.member("type", "signature_delta")
        writer.member("signature", signature)
        writer.endObject()
        writer.endObject()
        event("content_block_delta", writer.bytes, to: &out)
    }

    /// Appends the event that closes a block.
    package static func appendBlockStop(index: Int, to out: inout [UInt8]) {
        event("content_block_stop", Array(#"{"type":"content_block_stop","index":\#(index)}"#.utf8), to: &out)
    }

    /// Appends the end: why the answer ended, all counts, and beside them the gateway's own facts (a JSON object).
    package static func appendEnd(
        _ stopReason: String, stopSequence: String? = nil, usage: TokenCounts?, gboost: [UInt8]?, to out: inout [UInt8]
    ) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "message_delta")
        writer.key("delta")
        writer.beginObject()
        writer.member("stop_reason", stopReason)
        writer.member("stop_sequence", stopSequence)
        writer.endObject()
        writer.key("usage")
        writer.raw((usage ?? TokenCounts(prompt: 0, completion: 0)).anthropicJSON)
        if let gboost {
            writer.key("gboost")
            writer.raw(gboost)
        }
        writer.endObject()
        event("message_delta", writer.bytes, to: &out)
        event("message_stop", Array(#"{"type":"message_stop"}"#.utf8), to: &out)
    }

    /// Appends an error within a stream that has begun: an event that Anthropic's clients raise as an error.
    package static func appendError(_ error: ErrorEnvelope, to out: inout [UInt8]) {
        event("error", error.anthropicBody(requestID: nil), to: &out)
    }

    /// A whole answer whose content is laid out already.
    /// - Parameter content: the blocks, as JSON.
    package func message(
        content: [[UInt8]], stopReason: String, stopSequence: String? = nil, usage: TokenCounts?, gboost: [UInt8]? = nil
    ) -> [UInt8] {
        var writer = JSONWriter(reserving: content.reduce(512) { $0 + $1.count })
        writer.beginObject()
        writeHead(&writer)
        writer.key("content")
        writer.beginArray()
        for block in content { writer.raw(block) }
        writer.endArray()
        writer.member("stop_reason", stopReason)
        writer.member("stop_sequence", stopSequence)
        writer.key("usage")
        writer.raw((usage ?? TokenCounts(prompt: 0, completion: 0)).anthropicJSON)
        if let gboost {
            writer.key("gboost")
            writer.raw(gboost)
        }
        writer.endObject()
        return writer.bytes
    }

    /// A text block.
    package static func textBlock(_ text: String) -> [UInt8] {
        var writer = JSONWriter(reserving: text.utf8.count + 32)
        writer.beginObject()
        writer.member("type", "text")
        writer.member("text", text)
        writer.endObject()
        return writer.bytes
    }
}
