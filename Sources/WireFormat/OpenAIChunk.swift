/// What matters in one `chat.completion.chunk`: the text it adds, how the answer ended, and the money.
///
/// Of several choices the one with index 0 is read.
package struct OpenAIChunk: Hashable, Sendable {
    /// The text of `choices[0].delta.content`; empty where there is none.
    package var text = ""
    package var finishReason: String?
    /// Counts also in a chunk whose `choices` are not empty: some providers send it so.
    package var usage: UsageField = .absent
    /// The `usage` object as it stands in the text; nil where there is none.
    package var usageText: String?
    /// Whether it says something of a choice; the chunk with the usage of the whole answer does not.
    package var hasChoices = false
    /// An error that the provider sent within the stream.
    package var error: ProviderFault?
    /// The delta carries tool calls: something other than text is being answered.
    package var hasToolCalls = false
    /// Where the text lies in the data, quotes included; nil where the chunk says more than a text.
    package private(set) var textRange: Range<Int>?

    /// Reads the data of one event; not for `[DONE]` and empty data. Throws on what is not a JSON object.
    package init(_ data: [UInt8]) throws(WireFormatError) {
        let root = try JSONDocument(data, limits: .provider).root
        guard root.kind == .object else { throw WireFormatError(.malformedJSON, "A chunk is not a JSON object.") }
        let usage = root["usage"]
        self.usage = UsageField(usage)
        usageText = usage?.objectText
        error = ProviderFault(root["error"])
        guard let choice = root["choices"]?.firstChoice else { return }
        hasChoices = true
        finishReason = choice["finish_reason"]?.string
        // `/v1/completions` has the text where chats have a delta.
        text = choice["text"]?.string ?? ""
        guard let delta = choice["delta"] else { return }
        let content = delta["content"]
        text = SpokenContent(content).text
        hasToolCalls = delta["tool_calls"]?.kind == .array
        let saysMore = finishReason != nil || self.usage != .absent || error != nil || hasToolCalls
        textRange = content?.kind == .string && !saysMore ? content?.range : nil
    }
}

/// What matters in a whole `chat.completion`.
package struct OpenAICompletion: Hashable, Sendable {
    package var id: String?
    package var model: String?
    /// The text of `choices[0].message.content`; empty where there is none.
    package var text = ""
    package var finishReason: String?
    package var usage: UsageField = .absent
    /// The `usage` object as it stands in the text; nil where there is none.
    package var usageText: String?
    package var error: ProviderFault?
    package var hasToolCalls = false

    /// Reads a whole body. Throws on what is not a JSON object.
    package init(_ body: [UInt8]) throws(WireFormatError) {
        let root = try JSONDocument(body, limits: .provider).root
        guard root.kind == .object else { throw WireFormatError(.malformedJSON, "The body is not a JSON object.") }
        id = root["id"]?.string
        model = root["model"]?.string
        let usage = root["usage"]
        self.usage = UsageField(usage)
        usageText = usage?.objectText
        error = ProviderFault(root["error"])
        guard let choice = root["choices"]?.firstChoice else { return }
        finishReason = choice["finish_reason"]?.string
        text = choice["text"]?.string ?? ""
        guard let message = choice["message"] else { return }
        text = SpokenContent(message["content"]).text
        hasToolCalls = message["tool_calls"]?.kind == .array
    }

    /// What can be told of a body that is beyond the limits of a document: what it cost.
    package init(beyondLimits body: [UInt8]) {
        guard let found = JSONMemberSearch(body).object("usage") else { return }
        usage = UsageField(text: found)
        usageText = String(decoding: found, as: UTF8.self)
    }
}

/// A provider's error object, `{"error": {"message": …, "type": …, "code": …}}`, in a stream or as a body.
package struct ProviderFault: Hashable, Sendable {
    /// The provider's own words are cut to this many characters.
    package static let maxMessageLength = 500
    package var message: String
    package var type: String?
    /// A string, or a number as text.
    package var code: String?
    /// The field at fault.
    package var param: String?
    package init(message: String, type: String? = nil, code: String? = nil) {
        self.message = message
        self.type = type
        self.code = code
    }

    /// Reads the `error` member of an object; nil where it has none.
    package init?(of object: JSONValue) { self.init(object["error"]) }

    /// Reads an error body; nil where it is not one.
    package init?(body: [UInt8]) {
        guard let root = try? JSONDocument(body, limits: .provider).root else { return nil }
        // Amazon's have the message by itself.
        self.init(root["error"] ?? (root["message"]?.string != nil ? root : nil))
    }

    /// Reads an `error` member: an object, or (as some send) a plain string. nil: absent or null.
    init?(_ value: JSONValue?) {
        guard let value, !value.isNull else { return nil }
        let text = value["message"]?.string ?? value.string ?? ""
        message = String(text.prefix(Self.maxMessageLength))
        type = value["type"]?.string
        code = value["code"].flatMap { $0.string ?? $0.integer.map(String.init) }
        param = value["param"]?.string
    }
}

extension JSONValue {
    /// An object as it stands in the text; nil for other kinds.
    var objectText: String? { kind == .object ? String(decoding: rawBytes, as: UTF8.self) : nil }

    /// The choice with index 0 (or without an index) of a `choices` array.
    var firstChoice: JSONValue? {
        elements.first { $0["index"].map { $0.integer == 0 } ?? true }
    }
}
