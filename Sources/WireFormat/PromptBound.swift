/// A proven upper bound of the input tokens that a provider can count for a body: what a hold is taken for where no
/// tokenizer is known.
///
/// Why it holds: tokenizers of chat models are byte-level, or fall back to bytes, and do not lengthen their input, so
/// a token stands for at least one byte of text; JSON text is never shorter than the text it spells (an escape takes
/// at least as many bytes as what it stands for); and the whole body is counted, which contains every string that
/// can be put into the prompt (messages, names, tools, schemas) besides keys and brackets. What a chat template adds
/// of its own is covered by generous constants. Schemas of tools and answers may be printed anew with white space
/// between their brackets, keys and commas: with these each byte counts twice. An image counts what the dearest model
/// that is known counts for the largest one, and its own bytes nothing, since they are not read as text. It does not
/// hold for tokenizers that expand characters (NFKC normalization, as in T5), nor for audio and files, which are priced
/// by other rules: those give nil.
package enum PromptBound {
    /// Tokens that a template may add to a message: turn marks, role, separators.
    package static let tokensPerMessage: Int64 = 16
    /// Tokens that a template may add once: begin mark, default system text, preamble of tools.
    package static let tokensPerRequest: Int64 = 512

    /// The most that a known model of OpenAI's format counts for an image: eight tiles of 5,667 and 2,833 (the small
    /// ones of 2024, which count by the tile).
    package static let tokensPerImage: Int64 = 50_000
    /// The same for Anthropic's: 4,784 for the largest that is not made smaller.
    package static let tokensPerMessagesImage: Int64 = 5_000
    /// What Anthropic puts before the descriptions of tools, and for a tool whose description is its own.
    package static let tokensPerVendorTool: Int64 = 2_048

    /// The bound for a client's request; nil where it has more than text and images in it.
    package static func inputTokens(_ request: ChatCompletionRequest) -> Int64? {
        guard request.unbounded == nil, request.features.isDisjoint(with: .unbounded) else { return nil }
        let isRenderedAnew = !request.features.isDisjoint(with: [.tools, .responseFormat])
        var (images, imageBytes) = (Int64(0), 0)
        for message in request.messages {
            images += Int64(message.images)
            imageBytes += message.imageBytes
        }
        let bytes = (request.body.count - imageBytes) * (isRenderedAnew ? 2 : 1)
        return inputTokens(bodyBytes: bytes, messages: request.messages.count) + images * tokensPerImage
    }

    /// The bound for a request in Anthropic's format; nil where a field of it cannot be bounded.
    package static func inputTokens(_ request: MessagesRequest) -> Int64? {
        guard request.unbounded == nil else { return nil }
        let isRenderedAnew = request.hasTools || request.hasSchema
        let bytes = (request.body.count - request.imageBytes) * (isRenderedAnew ? 2 : 1)
        let tools = Int64(request.vendorTools) + (request.hasTools ? 1 : 0)
        return inputTokens(bodyBytes: bytes, messages: request.messages)
            + Int64(request.images) * tokensPerMessagesImage + tools * tokensPerVendorTool
    }

    /// Tokenizers of embedding models may expand characters first (NFKC): at most U+FDFA, of three bytes, to 33.
    package static let embeddingExpansion: Int64 = 11

    /// The bound for a request of a further endpoint; nil where a field of it cannot be bounded.
    package static func inputTokens(_ request: PlainRequest) -> Int64? {
        guard request.unbounded == nil else { return nil }
        let bytes = (request.body.count - request.imageBytes) * (request.isRenderedAnew ? 2 : 1)
        switch request.kind {
        case .embeddings: return Int64(bytes) * embeddingExpansion
        case .completions: return inputTokens(bodyBytes: bytes, messages: 0)
        // An item's keys and brackets are more bytes than a turn's marks are tokens.
        case .responses:
            return inputTokens(bodyBytes: bytes, messages: 1) + Int64(request.images) * tokensPerImage
        }
    }

    /// The bound for a body of text of this size.
    package static func inputTokens(bodyBytes: Int, messages: Int) -> Int64 {
        Int64(bodyBytes) + Int64(messages) * tokensPerMessage + tokensPerRequest
    }
}
