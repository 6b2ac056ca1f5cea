/// A proven upper bound of the input tokens that a provider can count for a body: what a hold is taken for where no
/// tokenizer is known.
///
/// Why it holds: tokenizers of chat models are byte-level, or fall back to bytes, and do not lengthen their input, so
/// a token stands for at least one byte of text; JSON text is never shorter than the text it spells (an escape takes
/// at least as many bytes as what it stands for); and the whole body is counted, which contains every string that
/// can be put into the prompt (messages, names, tools, schemas) besides keys and brackets. What a chat template adds
/// of its own is covered by two generous constants. Schemas of tools and answers may be printed anew with white space
/// between their brackets, keys and commas: with these each byte counts twice. It does not hold for tokenizers that
/// expand characters (NFKC normalization, as in T5), nor for images, audio and files, which are priced by other
/// rules: those give nil.
package enum PromptBound {
    /// Tokens that a template may add to a message: turn marks, role, separators.
    package static let tokensPerMessage: Int64 = 16
    /// Tokens that a template may add once: begin mark, default system text, preamble of tools.
    package static let tokensPerRequest: Int64 = 512

    /// The bound for a client's request; nil where it has more than text in it.
    package static func inputTokens(_ request: ChatCompletionRequest) -> Int64? {
        guard request.features.isDisjoint(with: .beyondText), !request.features.contains(.webSearch) else { return nil }
        let isRenderedAnew = !request.features.isDisjoint(with: [.tools, .responseFormat])
        return inputTokens(
            bodyBytes: request.body.count * (isRenderedAnew ? 2 : 1), messages: request.messages.count)
    }

    /// The bound for a body of text of this size.
    package static func inputTokens(bodyBytes: Int, messages: Int) -> Int64 {
        Int64(bodyBytes) + Int64(messages) * tokensPerMessage + tokensPerRequest
    }
}
