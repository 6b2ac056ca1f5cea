/// An Anthropic stream as an OpenAI stream, event by event. The end (finish, usage, `[DONE]`) is kept for `finish`.
package struct EventsToChunks: Sendable {
    /// Bound of one thinking block, which is kept until its signature.
    package static let maxThinkingBytes = 4 * 1024 * 1024

    /// Unix time in seconds, which Anthropic's messages lack.
    package let created: Int64
    private let wantsUsage: Bool
    private var parser = SSEParser()
    private var writer: ChatCompletionWriter
    private var hasBegun = false
    /// Tool calls so far; the open block's index among them.
    private var calls = 0
    /// Thinking blocks so far.
    private var thoughts = 0
    private var blockType = ""
    private var thinking = ""
    private var signature = ""
    /// The open tool's input as its block began, for providers that send it whole.
    private var input: [UInt8] = []
    private var finishReason: String?
    private var usage: AnthropicUsage?

    /// - Parameters:
    ///   - created: Unix time in seconds.
    ///   - wantsUsage: the client asked for a chunk with usage.
    package init(created: Int64, wantsUsage: Bool) {
        self.created = created
        self.wantsUsage = wantsUsage
        writer = ChatCompletionWriter(id: "chatcmpl", created: created, model: "")
    }

    /// What whole events come to.
    package mutating func pass(_ events: [UInt8]) throws(WireFormatError) -> [UInt8] {
        var out: [UInt8] = []
        for event in try parser.push(events) where !event.data.isEmpty {
            try take(try JSONDocument(event.data, limits: .provider).root, to: &out)
        }
        return out
    }

    private mutating func take(_ event: JSONValue, to out: inout [UInt8]) throws(WireFormatError) {
        switch event["type"]?.string {
        case "message_start":
            usage = AnthropicUsage(event["message"]?["usage"])
            writer = ChatCompletionWriter(
                id: event["message"]?["id"]?.string ?? "chatcmpl", created: created,
                model: event["message"]?["model"]?.string ?? "")
            begin(to: &out)
        case "content_block_start": start(event["content_block"], to: &out)
        case "content_block_delta": try takeDelta(event["delta"], to: &out)
        case "content_block_stop": stop(to: &out)
        case "message_delta":
            finishReason = FinishReason.openAI(event["delta"]?["stop_reason"]?.string) ?? finishReason
            if let later = AnthropicUsage(event["usage"]) { usage = usage?.replaced(by: later) ?? later }
        // Keeps intermediaries from closing a quiet connection.
        case "ping": out.append(contentsOf: ": ping\n\n".utf8)
        default: break
        }
    }

    private mutating func begin(to out: inout [UInt8]) {
        if !hasBegun { writer.appendRole(to: &out) }
        hasBegun = true
    }

    private mutating func start(_ block: JSONValue?, to out: inout [UInt8]) {
        begin(to: &out)
        blockType = block?["type"]?.string ?? ""
        switch blockType {
        case "text":
            if let text = block?["text"]?.string, !text.isEmpty { writer.appendContent(text, to: &out) }
        case "thinking":
            thinking = block?["thinking"]?.string ?? ""
            signature = block?["signature"]?.string ?? ""
        case "redacted_thinking":
            if let block { appendThinking(block: Array(block.rawBytes), to: &out) }
        case "tool_use":
            input = block?["input"].map { Array($0.rawBytes) } ?? Array("{}".utf8)
            append(
                call: ToolCall.json(
                    index: calls, id: block?["id"]?.string, name: block?["name"]?.string, arguments: ""), to: &out)
        default: break
        }
    }

    private mutating func takeDelta(_ delta: JSONValue?, to out: inout [UInt8]) throws(WireFormatError) {
        switch delta?["type"]?.string {
        case "text_delta": writer.appendContent(delta?["text"]?.string ?? "", to: &out)
        case "thinking_delta":
            let piece = delta?["thinking"]?.string ?? ""
            thinking += piece
            guard thinking.utf8.count <= Self.maxThinkingBytes else {
                throw WireFormatError(.limitExceeded, "A thinking block is longer than \(Self.maxThinkingBytes) bytes.")
            }
            var json = JSONWriter()
            json.beginObject()
            json.member("reasoning_content", piece)
            json.endObject()
            writer.appendDelta(json.bytes, to: &out)
        case "signature_delta": signature += delta?["signature"]?.string ?? ""
        case "input_json_delta":
            let piece = delta?["partial_json"]?.string ?? ""
            // An empty one may be all that comes: then the input is what the block began with.
            if !piece.isEmpty {
                input = []
                append(call: ToolCall.json(index: calls, id: nil, name: nil, arguments: piece), to: &out)
            }
        default: break
        }
    }

    private mutating func stop(to out: inout [UInt8]) {
        switch blockType {
        case "thinking":
            var json = JSONWriter(reserving: thinking.utf8.count + signature.utf8.count + 64)
            json.beginObject()
            json.member("type", "thinking")
            json.member("thinking", thinking)
            json.member("signature", signature)
            json.endObject()
            appendThinking(block: json.bytes, to: &out)
        case "tool_use":
            if !input.isEmpty {
                let whole = String(decoding: input, as: UTF8.self)
                append(call: ToolCall.json(index: calls, id: nil, name: nil, arguments: whole), to: &out)
            }
            calls += 1
        default: break
        }
        (blockType, thinking, signature, input) = ("", "", "", [])
    }

    private func append(call: [UInt8], to out: inout [UInt8]) {
        writer.appendDelta(Array(#"{"tool_calls":["#.utf8) + call + Array("]}".utf8), to: &out)
    }

    private mutating func appendThinking(block: [UInt8], to out: inout [UInt8]) {
        writer.appendDelta(ThinkingBlock.delta(block, number: thoughts), to: &out)
        thoughts += 1
    }

    /// The end, with `gboost` in its last chunk.
    package mutating func finish(gboost: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        begin(to: &out)
        let reason = finishReason ?? "stop"
        if wantsUsage {
            writer.appendFinish(reason, to: &out)
            writer.appendUsage(usage?.field.counts, gboost: gboost, to: &out)
        } else {
            writer.appendFinish(reason, gboost: gboost, to: &out)
        }
        ChatCompletionWriter.appendDone(to: &out)
        return out
    }
}
