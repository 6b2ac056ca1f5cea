/// A reply that comes back as an assistant's message of OpenAI's format, as frameworks send back what they got.
package enum EchoedReply {
    /// What a reply has beside its words and calls, and no part of any request. Reasoning is among it: Anthropic takes
    /// it back by its signature alone, which stands in `thinking_blocks`.
    package static let fields: Set<String> = [
        "reasoning_content", "reasoning", "reasoning_details", "annotations", "parsed", "provider_specific_fields",
    ]

    /// Anthropic's thinking in a message, with its signatures: where this gateway's own replies have it, else where
    /// LiteLLM's client keeps fields that it does not know.
    package static func thoughts(_ message: JSONValue, _ param: String) throws(WireFormatError) -> [JSONValue] {
        let name = "thinking_blocks"
        let thoughts = try RequestField.array(message[name], "\(param).\(name)")
        guard thoughts.isEmpty, let kept = message["provider_specific_fields"]?[name] else { return thoughts }
        return try RequestField.array(kept, "\(param).provider_specific_fields.\(name)")
    }
}
