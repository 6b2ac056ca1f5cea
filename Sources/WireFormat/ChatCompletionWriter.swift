/// Writes the gateway's own answers in OpenAI's form: one body, or the events of a stream.
///
/// The parts that are the same in every chunk are laid out once.
package struct ChatCompletionWriter: Sendable {
    private let id: String
    private let created: Int64
    private let model: String
    /// `data: {"id":…,"model":…,"choices":`
    private let chunkHead: [UInt8]

    /// - Parameters:
    ///   - id: The completion's id, e.g. `chatcmpl-…`.
    ///   - created: Unix time in seconds.
    ///   - model: What the client asked for.
    package init(id: String, created: Int64, model: String) {
        self.id = id
        self.created = created
        self.model = model
        var writer = JSONWriter()
        Self.writeHead(&writer, id: id, object: "chat.completion.chunk", created: created, model: model)
        chunkHead = Array("data: ".utf8) + writer.bytes
    }

    private static func writeHead(
        _ writer: inout JSONWriter, id: String, object: String, created: Int64, model: String
    ) {
        writer.beginObject()
        writer.member("id", id)
        writer.member("object", object)
        writer.member("created", created)
        writer.member("model", model)
        writer.key("choices")
    }

    private static func append(_ text: String, to out: inout [UInt8]) { out.append(contentsOf: text.utf8) }

    private static let contentHead = Array(#"[{"index":0,"delta":{"content":"#.utf8)
    private static let contentTail = Array("},\"finish_reason\":null}]}\n\n".utf8)

    /// Appends the first event of a stream, which names the role.
    package func appendRole(to out: inout [UInt8]) {
        out.append(contentsOf: chunkHead)
        Self.append(
            #"[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#, to: &out)
        Self.append("\n\n", to: &out)
    }

    /// Appends an event with a piece of the answer.
    package func appendContent(_ text: String, to out: inout [UInt8]) {
        out.append(contentsOf: chunkHead)
        out.append(contentsOf: Self.contentHead)
        JSONWriter.append(text, to: &out)
        out.append(contentsOf: Self.contentTail)
    }

    /// Appends an event with a delta that is JSON already: tool calls, reasoning.
    package func appendDelta(_ json: [UInt8], to out: inout [UInt8]) {
        out.append(contentsOf: chunkHead)
        Self.append(#"[{"index":0,"delta":"#, to: &out)
        out.append(contentsOf: json)
        Self.append(#","finish_reason":null}]}"# + "\n\n", to: &out)
    }

    /// Appends the event that says how the answer ended: "stop", "length", …, with the gateway's own facts beside it
    /// for clients that get no usage event.
    package func appendFinish(_ reason: String, gboost: [UInt8]? = nil, to out: inout [UInt8]) {
        out.append(contentsOf: chunkHead)
        Self.append(#"[{"index":0,"delta":{},"finish_reason":"#, to: &out)
        JSONWriter.append(reason, to: &out)
        Self.append("}]", to: &out)
        if let gboost {
            Self.append(#","gboost":"#, to: &out)
            out.append(contentsOf: gboost)
        }
        Self.append("}\n\n", to: &out)
    }

    /// Appends the event with the counts and, beside them, the gateway's own facts (a JSON object). Without counts
    /// only the facts are in it: for clients that did not ask for usage.
    package func appendUsage(_ usage: TokenCounts?, gboost: [UInt8]?, to out: inout [UInt8]) {
        out.append(contentsOf: chunkHead)
        Self.append("[]", to: &out)
        if let usage {
            Self.append(#","usage":"#, to: &out)
            out.append(contentsOf: Self.json(usage))
        }
        if let gboost {
            Self.append(#","gboost":"#, to: &out)
            out.append(contentsOf: gboost)
        }
        Self.append("}\n\n", to: &out)
    }

    /// Appends the end mark.
    package static func appendDone(to out: inout [UInt8]) { append("data: [DONE]\n\n", to: &out) }

    /// Appends an error within a stream that has begun: an event that OpenAI's clients raise as an error.
    package static func appendError(_ error: ErrorEnvelope, to out: inout [UInt8]) {
        append("data: ", to: &out)
        out.append(contentsOf: error.body)
        append("\n\n", to: &out)
    }

    /// The whole answer as one body.
    package func completion(
        text: String, finishReason: String, usage: TokenCounts?, gboost: [UInt8]? = nil
    ) -> [UInt8] {
        var message = JSONWriter(reserving: text.utf8.count + 128)
        message.beginObject()
        message.member("role", "assistant")
        message.member("content", text)
        message.member("refusal", nil as String?)
        message.endObject()
        return completion(message: message.bytes, finishReason: finishReason, usage: usage, gboost: gboost)
    }

    /// The whole answer around a message that is JSON already.
    package func completion(
        message: [UInt8], finishReason: String, usage: TokenCounts?, gboost: [UInt8]? = nil
    ) -> [UInt8] {
        var writer = JSONWriter(reserving: message.count + 512)
        Self.writeHead(&writer, id: id, object: "chat.completion", created: created, model: model)
        writer.beginArray()
        writer.beginObject()
        writer.member("index", 0)
        writer.key("message")
        writer.raw(message)
        writer.member("logprobs", nil as String?)
        writer.member("finish_reason", finishReason)
        writer.endObject()
        writer.endArray()
        if let usage {
            writer.key("usage")
            writer.raw(Self.json(usage))
        }
        if let gboost {
            writer.key("gboost")
            writer.raw(gboost)
        }
        writer.endObject()
        return writer.bytes
    }

    /// A `usage` object.
    package static func json(_ usage: TokenCounts) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("prompt_tokens", usage.prompt)
        writer.member("completion_tokens", usage.completion)
        writer.member("total_tokens", usage.prompt &+ usage.completion)
        writer.key("prompt_tokens_details")
        writer.beginObject()
        writer.member("cached_tokens", usage.cached)
        if usage.cacheWrite > 0 { writer.member("cache_write_tokens", usage.cacheWrite) }
        writer.endObject()
        writer.key("completion_tokens_details")
        writer.beginObject()
        writer.member("reasoning_tokens", usage.reasoning)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}
