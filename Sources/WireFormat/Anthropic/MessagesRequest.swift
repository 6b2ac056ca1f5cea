/// An Anthropic messages request: what the gateway reads of it, and the body it came from.
///
/// Fields that are not read here are neither checked nor lost: `document` keeps every byte for passing on.
package struct MessagesRequest: Sendable {
    /// The body as it came, validated.
    package let document: JSONDocument
    package var model: String
    /// nil only where the request is one to count tokens, or was translated from one without a bound.
    package var maxTokens: Int?
    package var isStream: Bool
    /// Messages, and blocks of the system prompt.
    package var messages: Int
    /// Image blocks anywhere, tool results included.
    package var images: Int
    /// Bytes of images within the body, which are not tokenized as text.
    package var imageBytes: Int
    package var hasTools: Bool
    /// A schema for the answer is given.
    package var hasSchema: Bool
    /// Tools whose description is the vendor's own, such as `bash_…`: their text is not in the body.
    package var vendorTools: Int
    /// A field whose highest cost cannot be bounded, so that no hold can be taken for it.
    package var unbounded: String?

    /// The bytes of the body as it came.
    package var body: [UInt8] { document.bytes }

    /// Place of the last message where that is an assistant's: the answer goes on from it; nil: it is not.
    package var opening: String? {
        guard let list = document.root["messages"]?.elements, list.last?["role"]?.string == "assistant" else {
            return nil
        }
        return "messages[\(list.count - 1)]"
    }

    /// The body for a paid call: `model` and `max_tokens` set, everything else byte for byte as it came.
    /// - Parameter maxTokens: nil for a request to count tokens, which has no bound.
    package func paidBody(model: String, maxTokens: Int?) throws(WireFormatError) -> [UInt8] {
        var editor = try JSONObjectEditor(document)
        editor.set("model", string: model)
        if let maxTokens { editor.set("max_tokens", integer: Int64(maxTokens)) }
        return editor.bytes
    }
}

extension MessagesRequest {
    private static let roles: Set<String> = ["user", "assistant", "system"]
    /// Blocks that cost no more than the bytes they are written in, or than an image may.
    private static let boundedBlocks: Set<String> = [
        "text", "image", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result",
    ]
    /// Vendor tools that the client runs: a call ends where one is wanted. Those that the vendor runs start further
    /// calls within the same one, whose number nobody bounds.
    private static let clientTools = ["bash_", "text_editor_", "computer_", "memory_", "browser_"]

    /// Reads and checks a body. The error of a bad field names it in `param`.
    /// - Parameter needsMaxTokens: as a request for an answer does, other than one to count tokens.
    package init(
        _ body: [UInt8], needsMaxTokens: Bool = true, limits: JSONLimits = JSONLimits()
    ) throws(WireFormatError) {
        document = try JSONDocument(body, limits: limits)
        let root = document.root
        guard root.kind == .object else {
            throw WireFormatError(.invalidField, "The body must be a JSON object.")
        }
        model = try RequestField.required(root["model"], "model")
        guard !model.isEmpty else { throw RequestField.bad("model", "it must not be empty") }
        maxTokens = try RequestField.count(root["max_tokens"], "max_tokens", in: 1...Int64(Int32.max))
        if needsMaxTokens, maxTokens == nil { throw RequestField.missing("max_tokens") }
        isStream = try RequestField.bool(root["stream"], "stream") ?? false
        (messages, images, imageBytes, vendorTools) = (0, 0, 0, 0)
        hasSchema = RequestField.given(root["output_config"]?["format"]) != nil
        hasTools = !(try RequestField.array(root["tools"], "tools").isEmpty)
        try readMessages(root["messages"])
        try readSystem(root["system"])
        try readTools(root["tools"])
        try Self.refuseThread(root["thread"])
        try readCosts(root)
    }

    /// Refuses a conversation that the vendor keeps: what it holds is not in the body, and may be another tenant's. The
    /// first turn of one is refused too, since its client sends the next without what was said.
    private static func refuseThread(_ value: JSONValue?) throws(WireFormatError) {
        guard RequestField.given(value) == nil else {
            throw WireFormatError(
                .threadUnsupported,
                "'thread' is not supported: no conversation is kept. Send all of it in 'messages', without 'thread'.",
                param: "thread")
        }
    }

    private mutating func readMessages(_ value: JSONValue?) throws(WireFormatError) {
        guard RequestField.given(value) != nil else { throw RequestField.missing("messages") }
        let list = try RequestField.array(value, "messages")
        guard !list.isEmpty else { throw RequestField.bad("messages", "expected at least one message") }
        for (index, message) in list.enumerated() {
            let param = "messages[\(index)]"
            guard message.kind == .object else { throw RequestField.bad(param, "expected an object") }
            let role = try RequestField.required(message["role"], "\(param).role")
            guard Self.roles.contains(role) else {
                throw RequestField.bad(
                    "\(param).role", "expected one of \(Self.roles.sorted().joined(separator: ", "))")
            }
            guard let content = RequestField.given(message["content"]) else {
                throw RequestField.missing("\(param).content")
            }
            try readContent(content, "\(param).content")
        }
        messages += list.count
    }

    private mutating func readSystem(_ value: JSONValue?) throws(WireFormatError) {
        guard let value = RequestField.given(value) else { return }
        messages += 1
        try readContent(value, "system")
    }

    private mutating func readContent(_ content: JSONValue, _ param: String) throws(WireFormatError) {
        guard content.kind != .string else { return }
        guard content.kind == .array else { throw RequestField.bad(param, "expected a string or an array of blocks") }
        for (index, block) in content.elements.enumerated() {
            let name = "\(param)[\(index)]"
            guard block.kind == .object else { throw RequestField.bad(name, "expected an object") }
            let type = try RequestField.required(block["type"], "\(name).type")
            guard Self.boundedBlocks.contains(type) else {
                note(unbounded: name)
                continue
            }
            if type == "image" {
                let source = block["source"]
                let isOther = source?["media_type"]?.string.map { !RequestField.isImage(mediaType: $0) } ?? false
                guard !isOther, !RequestField.isOtherData(source) else {
                    note(unbounded: name)
                    continue
                }
                images += 1
                imageBytes += source?["data"]?.rawBytes.count ?? 0
            }
            if type == "tool_result", let inner = RequestField.given(block["content"]) {
                try readContent(inner, "\(name).content")
            }
        }
    }

    private mutating func readTools(_ value: JSONValue?) throws(WireFormatError) {
        for (index, tool) in try RequestField.array(value, "tools").enumerated() {
            guard tool.kind == .object else { throw RequestField.bad("tools[\(index)]", "expected an object") }
            let type = try RequestField.string(tool["type"], "tools[\(index)].type") ?? "custom"
            guard type != "custom" else { continue }
            vendorTools += 1
            if !Self.clientTools.contains(where: type.hasPrefix) { note(unbounded: "tools[\(index)]") }
        }
    }

    /// What makes a call dearer than the price book knows, or longer than one call.
    private mutating func readCosts(_ root: JSONValue) throws(WireFormatError) {
        if try !RequestField.array(root["mcp_servers"], "mcp_servers").isEmpty { note(unbounded: "mcp_servers") }
        if RequestField.given(root["container"]) != nil { note(unbounded: "container") }
        // Other models, at their own prices, with bounds of their own.
        if let others = RequestField.given(root["fallbacks"]), others.kind != .array || !others.elements.isEmpty {
            note(unbounded: "fallbacks")
        }
        if let speed = try RequestField.string(root["speed"], "speed"), speed != "standard" {
            note(unbounded: "speed")
        }
        if let place = try RequestField.string(root["inference_geo"], "inference_geo"), place != "global" {
            note(unbounded: "inference_geo")
        }
        if let tier = try RequestField.string(root["service_tier"], "service_tier"),
            !["auto", "standard_only"].contains(tier)
        {
            note(unbounded: "service_tier")
        }
        let management = try RequestField.object(root["context_management"], "context_management")
        for edit in try RequestField.array(management?["edits"], "context_management.edits")
        where edit["type"]?.string?.hasPrefix("clear_") != true {
            // Compaction is a call of its own within the call.
            note(unbounded: "context_management")
        }
    }

    private mutating func note(unbounded param: String) { unbounded = unbounded ?? param }
}
