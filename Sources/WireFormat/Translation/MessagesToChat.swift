/// An Anthropic messages request as an OpenAI chat-completions request.
///
/// Thinking goes back as `reasoning_content`, which servers that give it take. `cache_control` translates to nothing:
/// providers of that format keep what prompts begin with by themselves. Where whoever reads it knows Anthropic's own
/// words, thinking goes back with its signatures, and `cache_control` stands on parts, messages, calls and tools, as
/// clients of that format write it for Anthropic's models. What has no equal is an error that names it.
package struct MessagesToChat {
    var out: JSONWriter
    let root: JSONValue
    /// Thinking is passed on as it is, with its signatures, in members of the same names, and so is `cache_control`.
    let keepsThinking: Bool
    /// Whoever reads it has limits of its own, and OpenAI's do not hold.
    private(set) var hasOwnLimits = false
    private var signsCalls = false
    private let limitField: ChatCompletionRequest.OutputLimitField

    private init(_ root: JSONValue, keepsThinking: Bool, limitField: ChatCompletionRequest.OutputLimitField) {
        self.root = root
        self.keepsThinking = keepsThinking
        self.limitField = limitField
        out = JSONWriter(reserving: root.rawBytes.count + 256)
    }

    /// The translated body.
    /// - Parameters:
    ///   - keepsThinking: whoever reads it knows `thinking`, `thinking_blocks` and `cache_control`, as this gateway's
    ///     chats may have them.
    ///   - limitField: in which word the bound of the answer stands in it.
    ///   - hasOwnLimits: it is read by the gateway itself, and the vendor's own limits hold.
    ///   - signsCalls: calls of tools are marked as made by others than Google's models, where those ask for a mark.
    package static func body(
        _ request: MessagesRequest, keepsThinking: Bool = false,
        limitField: ChatCompletionRequest.OutputLimitField = .maxTokens, hasOwnLimits: Bool = false,
        signsCalls: Bool = false
    ) throws(WireFormatError) -> [UInt8] {
        var translation = MessagesToChat(request.document.root, keepsThinking: keepsThinking, limitField: limitField)
        translation.hasOwnLimits = hasOwnLimits
        translation.signsCalls = signsCalls
        try translation.translate(request)
        return translation.out.bytes
    }

    private static let known: Set<String> = [
        "model", "messages", "max_tokens", "system", "temperature", "top_p", "top_k", "stop_sequences", "stream",
        "tools", "tool_choice", "thinking", "output_config", "metadata", "service_tier", "cache_control", "speed",
    ]

    private mutating func translate(_ request: MessagesRequest) throws(WireFormatError) {
        try RequestField.refuseOthers(of: root, than: Self.known)
        out.beginObject()
        out.member("model", request.model)
        if let limit = request.maxTokens { out.member(limitField.rawValue, Int64(limit)) }
        out.key("messages")
        out.beginArray()
        if let system = RequestField.given(root["system"]) { try write(content: system, role: "system", "system") }
        for (index, message) in try RequestField.array(root["messages"], "messages").enumerated() {
            let param = "messages[\(index)]"
            try RequestField.refuseOthers(of: message, than: ["role", "content"], in: param)
            guard let content = message["content"] else { throw RequestField.missing("\(param).content") }
            if message["role"]?.string == "assistant" {
                try writeAssistant(content, "\(param).content")
            } else {
                // Anthropic refuses it too, and a turn that is left out would be another conversation.
                guard content.kind != .array || !content.elements.isEmpty else {
                    throw RequestField.bad(
                        "\(param).content", "expected a string or an array of at least one block")
                }
                try write(content: content, role: message["role"]?.string ?? "user", "\(param).content")
            }
        }
        out.endArray()
        try writeSampling()
        try writeTools()
        try writeOutput()
        write(cache: root["cache_control"])
        if request.isStream { out.member("stream", true) }
        out.endObject()
    }

    /// A mark up to which the prompt is to be kept, where it is known.
    mutating func write(cache: JSONValue?) {
        guard keepsThinking, let cache = RequestField.given(cache) else { return }
        out.key("cache_control")
        out.raw(cache.rawBytes)
    }

    // MARK: Messages

    private mutating func begin(_ role: String) {
        out.beginObject()
        out.member("role", role)
    }

    /// A user's or system's turn: its tool results as messages of their own, then what is left of it as one.
    private mutating func write(content: JSONValue, role: String, _ param: String) throws(WireFormatError) {
        if let text = content.string {
            begin(role)
            out.member("content", text)
            out.endObject()
            return
        }
        var parts: [[UInt8]] = []
        for (index, block) in content.elements.enumerated() {
            let name = "\(param)[\(index)]"
            guard block["type"]?.string == "tool_result" else {
                parts.append(try ContentParts.part(block, name, keepsCache: keepsThinking))
                continue
            }
            guard parts.isEmpty, role == "user" else {
                throw RequestField.untranslatable(name, "tool results stand before everything else of a turn there")
            }
            try write(toolResult: block, name)
        }
        guard !parts.isEmpty else { return }
        begin(role)
        write(array: parts, "content")
        out.endObject()
    }

    private mutating func write(array: [[UInt8]], _ name: String) {
        out.key(name)
        out.beginArray()
        for element in array { out.raw(element) }
        out.endArray()
    }

    /// OpenAI's tool messages hold text only, and have no mark of failure: the text says it.
    private mutating func write(toolResult block: JSONValue, _ param: String) throws(WireFormatError) {
        try RequestField.refuseOthers(
            of: block, than: ["type", "tool_use_id", "content", "is_error", "cache_control"], in: param)
        var text = try RequestField.bool(block["is_error"], "\(param).is_error") == true ? "Error: " : ""
        var cache = RequestField.given(block["cache_control"])
        if let content = RequestField.given(block["content"]) {
            if let whole = content.string { text += whole }
            for (index, part) in content.elements.enumerated() {
                guard part["type"]?.string == "text" else {
                    throw RequestField.untranslatable(
                        "\(param).content[\(index)].type", "a tool's result is text there")
                }
                text += try RequestField.required(part["text"], "\(param).content[\(index)].text")
                cache = cache ?? RequestField.given(part["cache_control"])
            }
        }
        begin("tool")
        out.member("tool_call_id", try RequestField.required(block["tool_use_id"], "\(param).tool_use_id"))
        out.member("content", text)
        write(cache: cache)
        out.endObject()
    }

    private mutating func writeAssistant(_ content: JSONValue, _ param: String) throws(WireFormatError) {
        begin("assistant")
        defer { out.endObject() }
        if let text = content.string {
            out.member("content", text)
            return
        }
        var texts: [String] = []
        var parts: [[UInt8]] = []
        var isMarked = false
        var thoughts = ""
        var blocks: [[UInt8]] = []
        var calls: [[UInt8]] = []
        for (index, block) in content.elements.enumerated() {
            let name = "\(param)[\(index)]"
            switch block["type"]?.string {
            case "text":
                parts.append(try ContentParts.part(block, name, keepsCache: keepsThinking))
                isMarked = isMarked || (keepsThinking && RequestField.given(block["cache_control"]) != nil)
                texts.append(try RequestField.required(block["text"], "\(name).text"))
            case "thinking" where keepsThinking, "redacted_thinking" where keepsThinking:
                blocks.append(Array(block.rawBytes))
            case "thinking": thoughts += try RequestField.required(block["thinking"], "\(name).thinking")
            case "tool_use": calls.append(try call(block, name, isFirst: calls.isEmpty))
            case let type:
                throw RequestField.untranslatable("\(name).type", "'\((type ?? "").prefix(40))' has no equal there")
            }
        }
        // Not every server takes parts from an assistant: one text is what all of them do.
        if isMarked {
            write(array: parts, "content")
        } else {
            out.member("content", texts.isEmpty ? nil : texts.joined())
        }
        if !thoughts.isEmpty { out.member("reasoning_content", thoughts) }
        if !blocks.isEmpty { write(array: blocks, "thinking_blocks") }
        if !calls.isEmpty { write(array: calls, "tool_calls") }
    }

    private func call(_ block: JSONValue, _ param: String, isFirst: Bool) throws(WireFormatError) -> [UInt8] {
        try RequestField.refuseOthers(
            of: block, than: ["type", "id", "name", "input", "cache_control", "caller"], in: param)
        guard let input = try RequestField.object(block["input"], "\(param).input") else {
            throw RequestField.missing("\(param).input")
        }
        let json = ToolCall.json(
            id: try RequestField.required(block["id"], "\(param).id"),
            name: try RequestField.required(block["name"], "\(param).name"),
            arguments: String(decoding: input.rawBytes, as: UTF8.self),
            cache: keepsThinking ? RequestField.given(block["cache_control"]) : nil)
        // Anthropic's format has no place for the signature that the call came with. The first of a turn needs one.
        guard signsCalls, isFirst else { return json }
        let signature = #","extra_content":{"google":{"thought_signature":"\#(ToolCall.foreignSignature)"}}}"#
        return Array(json.dropLast()) + Array(signature.utf8)
    }
}

/// A tool call in OpenAI's form.
package enum ToolCall {
    /// Google's words for a call that was not made by its models, where a signature is due.
    package static let foreignSignature = "skip_thought_signature_validator"

    /// The call as JSON.
    /// - Parameters:
    ///   - index: its place among the calls; in streams only.
    ///   - cache: Anthropic's mark up to which the prompt is to be kept; in requests only.
    package static func json(
        index: Int? = nil, id: String?, name: String?, arguments: String, cache: JSONValue? = nil
    ) -> [UInt8] {
        var out = JSONWriter(reserving: arguments.utf8.count + 128)
        out.beginObject()
        if let index { out.member("index", Int64(index)) }
        if let id {
            out.member("id", id)
            out.member("type", "function")
        }
        out.key("function")
        out.beginObject()
        if let name { out.member("name", name) }
        out.member("arguments", arguments)
        out.endObject()
        if let cache {
            out.key("cache_control")
            out.raw(cache.rawBytes)
        }
        out.endObject()
        return out.bytes
    }
}
