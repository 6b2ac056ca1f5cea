/// What matters in one event of an Anthropic stream: the text it adds, how the answer ended, and the money.
package struct AnthropicEvent: Hashable, Sendable {
    /// `type` of the event, e.g. `content_block_delta`.
    package var type: String
    /// Text that the event adds to the answer; empty where there is none.
    package var text = ""
    package var stopReason: String?
    package var usage: AnthropicUsage?
    /// An error that the provider sent within the stream.
    package var error: ProviderFault?

    /// Reads the data of one event. Throws on what is not a JSON object.
    package init(_ data: [UInt8]) throws(WireFormatError) {
        let root = try JSONDocument(data, limits: .provider).root
        guard root.kind == .object else { throw WireFormatError(.malformedJSON, "An event is not a JSON object.") }
        type = root["type"]?.string ?? ""
        switch type {
        case "content_block_delta": text = root["delta"]?["text"]?.string ?? ""
        case "content_block_start": text = root["content_block"]?["text"]?.string ?? ""
        case "message_start": usage = AnthropicUsage(root["message"]?["usage"])
        case "message_delta":
            stopReason = root["delta"]?["stop_reason"]?.string
            usage = AnthropicUsage(root["usage"])
        case "error": error = ProviderFault(root["error"]) ?? ProviderFault(message: "an error without a message")
        default: break
        }
    }
}

/// What matters in a whole Anthropic message.
package struct AnthropicMessage: Hashable, Sendable {
    /// The text blocks, joined without a separator.
    package var text = ""
    package var stopReason: String?
    package var usage: AnthropicUsage?
    package var error: ProviderFault?

    /// Reads a whole body. Throws on what is not a JSON object.
    package init(_ body: [UInt8]) throws(WireFormatError) {
        let root = try JSONDocument(body, limits: .provider).root
        guard root.kind == .object else { throw WireFormatError(.malformedJSON, "The body is not a JSON object.") }
        error = ProviderFault(root["error"])
        stopReason = root["stop_reason"]?.string
        usage = AnthropicUsage(root["usage"])
        for block in root["content"]?.elements ?? [] where block["type"]?.string == "text" {
            text += block["text"]?.string ?? ""
        }
    }
}

/// How the two formats say why an answer ended.
package enum FinishReason {
    /// OpenAI's word for Anthropic's `stop_reason`.
    package static func openAI(_ stopReason: String?) -> String? {
        switch stopReason {
        case nil: nil
        case "max_tokens", "model_context_window_exceeded": "length"
        case "tool_use": "tool_calls"
        case "refusal": "content_filter"
        default: "stop"
        }
    }

    /// Anthropic's word for OpenAI's `finish_reason`.
    /// - Parameter isCall: the answer calls a tool. Of a call that the client insisted on, OpenAI and others say
    ///   `stop`; Anthropic's clients run tools by the word alone.
    package static func anthropic(_ finishReason: String?, isCall: Bool = false) -> String {
        switch finishReason {
        case "length": "max_tokens"
        case "tool_calls", "function_call": "tool_use"
        case "content_filter": "refusal"
        default: isCall ? "tool_use" : "end_turn"
        }
    }
}
