/// A request of one of OpenAI's further endpoints, which goes to a provider of the same format as it is.
///
/// Fields that are not read here are neither checked nor lost: `document` keeps every byte for passing on.
package struct PlainRequest: Sendable {
    /// Which endpoint it is for.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case completions, embeddings, responses
    }

    package let kind: Kind
    /// The body as it came, validated.
    package let document: JSONDocument
    package var model: String
    package var isStream: Bool
    /// `stream_options.include_usage`, of completions.
    package var includesUsage: Bool
    /// The client's bound on each answer.
    package var outputLimit: Int?
    /// Answers that are generated and charged, whether or not they are given.
    package var choices: Int
    package var images: Int
    package var imageBytes: Int
    /// Schemas may be printed anew.
    package var isRenderedAnew: Bool
    /// A field whose highest cost cannot be bounded, so that no hold can be taken for it.
    package var unbounded: String?

    /// The bytes of the body as it came.
    package var body: [UInt8] { document.bytes }

    /// The body for a paid call: `model` and the bound of each answer set, usage asked for in streams.
    package func paidBody(model: String, maxTokens: Int) throws(WireFormatError) -> [UInt8] {
        var editor = try JSONObjectEditor(document)
        editor.set("model", string: model)
        switch kind {
        case .embeddings: break
        case .responses: editor.set("max_output_tokens", integer: Int64(maxTokens))
        case .completions:
            editor.set("max_tokens", integer: Int64(maxTokens))
            if isStream { try editor.setIncludeUsage(true) }
        }
        return editor.bytes
    }
}

extension PlainRequest {
    private static let maxChoices = Int64(ChatCompletionRequest.maxChoices)
    /// Tools of the Responses API that the client runs; the others start further calls within the same one.
    private static let clientTools: Set<String> = ["function", "custom", "local_shell", "apply_patch", "namespace"]
    /// Items and parts that cost no more than the bytes they are written in, or than an image may.
    private static let boundedItems: Set<String> = [
        "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
        "local_shell_call", "local_shell_call_output", "apply_patch_call", "apply_patch_call_output", "input_text",
        "output_text", "refusal", "input_image", "summary_text", "reasoning_text",
    ]

    /// Reads and checks a body. The error of a bad field names it in `param`.
    package init(
        _ body: [UInt8], kind: Kind, limits: JSONLimits = JSONLimits()
    ) throws(WireFormatError) {
        self.kind = kind
        document = try JSONDocument(body, limits: limits)
        let root = document.root
        guard root.kind == .object else { throw WireFormatError(.invalidField, "The body must be a JSON object.") }
        model = try RequestField.required(root["model"], "model")
        isStream = kind == .embeddings ? false : try RequestField.bool(root["stream"], "stream") ?? false
        let options = try RequestField.object(root["stream_options"], "stream_options")
        includesUsage = try RequestField.bool(options?["include_usage"], "stream_options.include_usage") ?? false
        let limitName = kind == .responses ? "max_output_tokens" : "max_tokens"
        outputLimit =
            kind == .embeddings ? nil : try RequestField.count(root[limitName], limitName, in: 1...Int64(Int32.max))
        (choices, images, imageBytes, isRenderedAnew) = (1, 0, 0, false)
        if let tier = try RequestField.string(root["service_tier"], "service_tier"),
            !["auto", "default", "flex"].contains(tier)
        {
            note(unbounded: "service_tier")
        }
        if let name = ChatCompletionRequest.vendorWork(in: root) { note(unbounded: name) }
        switch kind {
        case .completions: try readCompletions(root)
        case .embeddings: try readEmbeddings(root)
        case .responses: try readResponses(root)
        }
    }

    private mutating func note(unbounded param: String) { unbounded = unbounded ?? param }

    private mutating func readEmbeddings(_ root: JSONValue) throws(WireFormatError) {
        guard let input = RequestField.given(root["input"]) else { throw RequestField.missing("input") }
        try check(texts: input, "input")
        // What some servers embed instead: a chat, with its images.
        if RequestField.given(root["messages"]) != nil { note(unbounded: "messages") }
    }

    /// A text, tokens, or several of either are bounded by their bytes. What else some vendors take there, images above
    /// all, is priced by other rules.
    private mutating func check(texts value: JSONValue, _ param: String) throws(WireFormatError) {
        guard value.kind != .string else { return }
        guard value.kind == .array else {
            throw RequestField.bad(param, "expected a string or an array of strings or tokens")
        }
        for (index, element) in value.elements.enumerated() {
            switch element.kind {
            case .string, .number: continue
            case .array where element.elements.allSatisfy({ $0.kind == .number }): continue
            case .array, .object: note(unbounded: "\(param)[\(index)]")
            case .yes, .no, .null:
                throw RequestField.bad("\(param)[\(index)]", "expected a string, a token or an array of tokens")
            }
        }
    }

    private mutating func readCompletions(_ root: JSONValue) throws(WireFormatError) {
        guard let prompt = RequestField.given(root["prompt"]) else { throw RequestField.missing("prompt") }
        try check(texts: prompt, "prompt")
        // A list of numbers is one prompt in tokens; a list of anything else is as many prompts.
        let isList = prompt.kind == .array && prompt.elements.first?.kind != .number
        let prompts = isList ? max(1, prompt.elements.count) : 1
        let n = try RequestField.count(root["n"], "n", in: 1...Self.maxChoices) ?? 1
        let best = try RequestField.count(root["best_of"], "best_of", in: 1...Self.maxChoices) ?? 1
        choices = prompts * max(n, best)
    }

    private mutating func readResponses(_ root: JSONValue) throws(WireFormatError) {
        guard let input = RequestField.given(root["input"]) else { throw RequestField.missing("input") }
        // What they stand for is not in the body.
        for name in ["previous_response_id", "conversation", "prompt"] where RequestField.given(root[name]) != nil {
            note(unbounded: name)
        }
        // Compaction is a call of its own within the call.
        if let management = RequestField.given(root["context_management"]),
            management.kind != .array || !management.elements.isEmpty
        {
            note(unbounded: "context_management")
        }
        if try RequestField.bool(root["background"], "background") == true { note(unbounded: "background") }
        let tools = try RequestField.array(root["tools"], "tools")
        for (index, tool) in tools.enumerated() where !Self.clientTools.contains(tool["type"]?.string ?? "") {
            note(unbounded: "tools[\(index)]")
        }
        isRenderedAnew = !tools.isEmpty || RequestField.given(root["text"]) != nil
        guard input.kind != .string else { return }
        guard input.kind == .array else { throw RequestField.bad("input", "expected a string or an array of items") }
        for (index, item) in input.elements.enumerated() {
            try read(item: item, "input[\(index)]")
            if Self.isReference(item) { note(unbounded: "input[\(index)]") }
        }
    }

    /// An item without a type is a message only where it looks like one; else it stands for what the vendor keeps.
    private static func isReference(_ item: JSONValue) -> Bool {
        guard RequestField.given(item["type"]) == nil else { return false }
        return RequestField.given(item["role"]) == nil || RequestField.given(item["content"]) == nil
    }

    private mutating func read(item: JSONValue, _ param: String) throws(WireFormatError) {
        guard item.kind == .object else { throw RequestField.bad(param, "expected an object") }
        let type = try RequestField.string(item["type"], "\(param).type") ?? "message"
        guard Self.boundedItems.contains(type) else { return note(unbounded: param) }
        if type == "input_image" {
            guard !RequestField.isOtherData(item["image_url"]) else { return note(unbounded: param) }
            images += 1
            let url = item["image_url"]
            if url?.string?.hasPrefix("data:") == true { imageBytes += url?.rawBytes.count ?? 0 }
        }
        for name in ["content", "output"] {
            guard let inner = item[name], inner.kind == .array else { continue }
            for (index, part) in inner.elements.enumerated() { try read(item: part, "\(param).\(name)[\(index)]") }
        }
    }
}
