/// An OpenAI chat-completions request: what the gateway reads of it, and the body it came from.
///
/// Fields that are not read here are neither checked nor lost: `document` keeps every byte for passing on.
package struct ChatCompletionRequest: Sendable {
    /// One message. `text` is the content's text parts, joined without a separator, behind the speaker's name if there
    /// is one.
    package struct Message: Hashable, Sendable {
        package var role: String
        package var text: String
        package var features: Features
        package var images = 0
        /// Bytes of images within the body, which are not tokenized as text.
        package var imageBytes = 0
        /// Of an assistant's turn: the tools that it called, a JSON array as the client gave it.
        package var toolCalls: String?
        /// Of a tool's turn: the call that it answers, and the tool's name where it was given.
        package var toolCallID: String?
        package var name: String?
        /// Its `name`, where the messages of its role have several: neither an SLM nor another format has a field for
        /// it, so that it stands before what is said. One that all of them have tells nobody apart.
        package var speaker: String?
        /// A field of it whose highest cost cannot be bounded.
        package var unbounded: String?
        package init(role: String, text: String, features: Features = []) {
            self.role = role
            self.text = text
            self.features = features
        }
    }

    /// What a request asks for beyond plain text.
    package struct Features: OptionSet, Hashable, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        /// An image part in a message.
        package static let images = Features(rawValue: 1)
        /// An audio part in a message, or audio output.
        package static let audio = Features(rawValue: 2)
        /// A part of another kind: file, video, …
        package static let otherParts = Features(rawValue: 4)
        /// `tools` or `functions` are given, or a message carries tool calls or a tool's result.
        package static let tools = Features(rawValue: 8)
        /// `response_format` other than text.
        package static let responseFormat = Features(rawValue: 16)
        /// `logprobs` or `top_logprobs` are asked for.
        package static let logprobs = Features(rawValue: 32)
        /// `web_search_options` are given.
        package static let webSearch = Features(rawValue: 64)
        /// What neither a tokenizer's bound on text nor the bound of an image covers.
        package static let unbounded: Features = [.audio, .otherParts, .webSearch]
    }

    /// The body as it came, validated.
    package let document: JSONDocument
    package var model: String
    package var messages: [Message]
    package var isStream: Bool
    /// `stream_options.include_usage`.
    package var includesUsage: Bool
    package var maxTokens: Int?
    package var maxCompletionTokens: Int?
    package var temperature: Double?
    package var topP: Double?
    package var sampling = ChatSampling()
    package var seed: Int64?
    /// Number of choices; 1 where not given.
    package var n: Int
    /// Stop strings, none empty.
    package var stop: [String]
    package var user: String?
    /// Pairs of `metadata` in their order.
    package var metadata: [String: String]
    /// Of the whole request, messages included.
    package var features: Features
    /// A field whose highest cost cannot be bounded, so that no hold can be taken for it.
    package var unbounded: String?
    /// The beginning of the answer, written by the client: the answer goes on from it and does not say it again. No
    /// message of `messages`; nil in OpenAI's own format, where an assistant's last message is a turn like any other.
    package var opening: String?

    /// The bytes of the body as it came.
    package var body: [UInt8] { document.bytes }
    /// The client's bound on the answer: `max_completion_tokens`, else `max_tokens`.
    package var outputLimit: Int? { maxCompletionTokens ?? maxTokens }
}

extension ChatCompletionRequest {
    /// Why an SLM cannot take a request.
    package enum Obstacle: String, Hashable, Sendable {
        case tools, images, audio
        case otherContent = "other_content"
        case severalChoices = "several_choices"
        case responseFormat = "response_format"
        case logprobs
        case webSearch = "web_search"
        /// An answer's beginning that it cannot go on from.
        case prefill
    }

    /// nil: an SLM can take this request. Otherwise the first reason why not: then the paid model answers directly.
    package var obstacleForSLM: Obstacle? { obstacle(allowing: []) }

    /// The same for a model that can do some of it.
    func obstacle(allowing allowed: Features) -> Obstacle? {
        let checks: [(Features, Obstacle)] = [
            (.tools, .tools), (.images, .images), (.audio, .audio), (.otherParts, .otherContent),
            (.responseFormat, .responseFormat), (.logprobs, .logprobs), (.webSearch, .webSearch),
        ]
        let asked = features.subtracting(allowed)
        if let check = checks.first(where: { asked.contains($0.0) }) { return check.1 }
        return n > 1 ? .severalChoices : nil
    }

    /// Takes an assistant's last message for the beginning of the answer, as it is in Anthropic's format.
    package mutating func takeOpening() {
        guard let last = messages.last, last.role == "assistant" else { return }
        opening = last.text
        messages.removeLast()
    }

    /// Which field bounds the answer in a body that is sent on.
    package enum OutputLimitField: String, Hashable, Sendable {
        case maxTokens = "max_tokens"
        /// What OpenAI's reasoning models want.
        case maxCompletionTokens = "max_completion_tokens"
    }

    /// The body for a paid call: `model` and the bound of the answer set (the other of the two bounds taken out, so
    /// that exactly one holds), usage asked for in streams; everything else byte for byte as it came.
    ///
    /// The bound is per choice: with `n` choices the call can produce `n` times as much.
    /// - Parameter takesStreamOptions: whether the provider knows `stream_options`; else they are taken out.
    package func paidBody(
        model: String, maxTokens: Int, limitField: OutputLimitField = .maxTokens, takesStreamOptions: Bool = true
    ) throws(WireFormatError) -> [UInt8] {
        var editor = try JSONObjectEditor(document)
        editor.set("model", string: model)
        editor.remove(limitField == .maxTokens ? "max_completion_tokens" : "max_tokens")
        editor.set(limitField.rawValue, integer: Int64(maxTokens))
        if !takesStreamOptions {
            editor.remove("stream_options")
        } else if isStream {
            try editor.setIncludeUsage(true)
        }
        return editor.bytes
    }
}
