/// An OpenAI chat-completions request as an Anthropic messages request.
///
/// System and developer messages become the system prompt, in their order; `tool` messages become tool results of one
/// user's turn. What has no equal is an error that names the field; what only spells out a default is none, and what a
/// reply brings back with it is left out.
package struct ChatToMessages {
    var out: JSONWriter
    private let root: JSONValue
    /// Blocks of the system prompt, as JSON.
    private var system: [[UInt8]] = []
    /// A user's turn of tool results is open, which a user's message may go on.
    private var isTurnOpen = false
    /// The assistant has thought since the user spoke last.
    private var hasThought = false
    /// Its last message calls tools, and it has not.
    private var lacksThought = false

    private init(_ root: JSONValue) {
        self.root = root
        out = JSONWriter(reserving: root.rawBytes.count + 256)
    }

    /// The translated body; `max_tokens` is in it only where the client gave a bound.
    package static func body(_ request: ChatCompletionRequest) throws(WireFormatError) -> [UInt8] {
        var translation = ChatToMessages(request.document.root)
        try translation.translate(request)
        return translation.out.bytes
    }

    /// Fields that are read here, or that say nothing the translation has to say.
    private static let known: Set<String> = [
        "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "stream",
        "stream_options", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "user",
        "thinking", "n", "logprobs", "store", "service_tier", "frequency_penalty", "presence_penalty", "modalities",
        "logit_bias", "cache_control",
    ]

    private mutating func translate(_ request: ChatCompletionRequest) throws(WireFormatError) {
        try RequestField.refuseOthers(of: root, than: Self.known)
        try checkDefaults(request)
        out.beginObject()
        out.member("model", request.model)
        if let limit = request.outputLimit { out.member("max_tokens", Int64(limit)) }
        out.key("messages")
        out.beginArray()
        let messages = try RequestField.array(root["messages"], "messages")
        for (index, message) in messages.enumerated() {
            try write(message, as: request.messages[index], "messages[\(index)]")
        }
        closeTurn()
        out.endArray()
        if !system.isEmpty {
            out.key("system")
            out.beginArray()
            for block in system { out.raw(block) }
            out.endArray()
        }
        try writeSampling(request, root: root)
        try writeTools(root: root)
        try writeOutput(root: root)
        if request.isStream { out.member("stream", true) }
        for name in ["thinking", "cache_control"] {
            if let value = RequestField.given(root[name]), name != "thinking" || !isRefused(thinking: value) {
                out.key(name)
                out.raw(value.rawBytes)
            }
        }
        out.endObject()
    }

    /// Within a budget Claude goes on from calls only where their thought comes back with them. Frameworks that lose it
    /// could not send the tools' results at all, so these go without: the next turn thinks again.
    private func isRefused(thinking: JSONValue) -> Bool { lacksThought && thinking["type"]?.string == "enabled" }

    /// What may be given as long as it asks for nothing.
    private func checkDefaults(_ request: ChatCompletionRequest) throws(WireFormatError) {
        func refuse(_ name: String, unless isDefault: Bool) throws(WireFormatError) {
            if !isDefault { throw RequestField.untranslatable(name, "it has no equal there") }
        }
        try refuse("n", unless: request.n == 1)
        try refuse("logprobs", unless: root["logprobs"]?.bool != true)
        try refuse("store", unless: root["store"]?.bool != true)
        try refuse("service_tier", unless: ["auto", "default", nil].contains(root["service_tier"]?.string))
        try refuse("frequency_penalty", unless: (request.sampling.frequencyPenalty ?? 0) == 0)
        try refuse("presence_penalty", unless: (request.sampling.presencePenalty ?? 0) == 0)
        try refuse("logit_bias", unless: request.sampling.logitBias.isEmpty)
        let modalities = try RequestField.array(root["modalities"], "modalities")
        try refuse("modalities", unless: modalities.allSatisfy { $0.string == "text" })
        if let options = try RequestField.object(root["stream_options"], "stream_options") {
            try RequestField.refuseOthers(of: options, than: ["include_usage"], in: "stream_options")
        }
    }

    // MARK: Messages

    private mutating func closeTurn() {
        guard isTurnOpen else { return }
        isTurnOpen = false
        out.endArray()
        out.endObject()
    }

    private mutating func begin(_ role: String) {
        out.beginObject()
        out.member("role", role)
        out.key("content")
        out.beginArray()
    }

    /// - Parameter read: the same message, as the request has it.
    private mutating func write(
        _ message: JSONValue, as read: ChatCompletionRequest.Message, _ param: String
    ) throws(WireFormatError) {
        _ = try RequestField.string(message["name"], "\(param).name")
        let speaker = read.speaker
        switch read.role {
        case "system", "developer":
            try RequestField.refuseOthers(of: message, than: Self.spokenFields, in: param)
            try eachPart(of: message, param, speaker: speaker) { block throws(WireFormatError) in system.append(block) }
        case "user":
            try RequestField.refuseOthers(of: message, than: Self.spokenFields, in: param)
            hasThought = false
            if !isTurnOpen { begin("user") }
            isTurnOpen = true
            try eachPart(of: message, param, speaker: speaker) { block throws(WireFormatError) in out.raw(block) }
            closeTurn()
        case "tool":
            try writeToolResult(message, param)
        case "assistant":
            closeTurn()
            try RequestField.refuseOthers(of: message, than: Self.assistantFields, in: param)
            let thoughts = try EchoedReply.thoughts(message, param)
            guard !thoughts.isEmpty || !Self.saysNothing(message) else { return }
            begin("assistant")
            try writeAssistant(message, thoughts: thoughts, speaker: speaker, param)
            out.endArray()
            out.endObject()
        case let role: throw RequestField.untranslatable("\(param).role", "'\(role)' has no equal there")
        }
    }

    private static let spokenFields: Set<String> = ["role", "content", "name", "cache_control"]
    private static let assistantFields = EchoedReply.fields.union([
        "role", "content", "refusal", "tool_calls", "thinking_blocks", "name", "cache_control",
    ])

    /// Whether an assistant says nothing and calls nothing. Without thoughts either, Anthropic refuses such a turn.
    private static func saysNothing(_ message: JSONValue) -> Bool {
        ["content", "refusal", "tool_calls"].allSatisfy { name in
            guard let value = RequestField.given(message[name]) else { return true }
            return value.string?.isEmpty ?? (value.kind == .array && value.elements.allSatisfy(isBlank))
        }
    }

    /// A text without text, which Anthropic refuses.
    private static func isBlank(_ part: JSONValue) -> Bool {
        part["type"]?.string == "text" && part["text"]?.string?.isEmpty == true
    }

    private mutating func writeToolResult(_ message: JSONValue, _ param: String) throws(WireFormatError) {
        try RequestField.refuseOthers(
            of: message, than: ["role", "content", "tool_call_id", "name", "cache_control"], in: param)
        if !isTurnOpen { begin("user") }
        isTurnOpen = true
        var blocks: [[UInt8]] = []
        try eachPart(of: message, param, isCacheKept: false) { block throws(WireFormatError) in blocks.append(block) }
        out.beginObject()
        out.member("type", "tool_result")
        out.member("tool_use_id", try RequestField.required(message["tool_call_id"], "\(param).tool_call_id"))
        out.key("content")
        out.beginArray()
        for block in blocks { out.raw(block) }
        out.endArray()
        if let cache = RequestField.given(message["cache_control"]) {
            out.key("cache_control")
            out.raw(cache.rawBytes)
        }
        out.endObject()
    }

    private mutating func writeAssistant(
        _ message: JSONValue, thoughts: [JSONValue], speaker: String?, _ param: String
    ) throws(WireFormatError) {
        for thought in thoughts { out.raw(ThinkingBlock.unnumbered(thought)) }
        if RequestField.given(message["content"]) != nil {
            try eachPart(of: message, param, speaker: speaker) { block throws(WireFormatError) in out.raw(block) }
        } else if let refusal = try RequestField.string(message["refusal"], "\(param).refusal"), !refusal.isEmpty {
            out.raw(MessagesWriter.textBlock(Self.said(refusal, by: speaker)))
        }
        let calls = try RequestField.array(message["tool_calls"], "\(param).tool_calls")
        for (index, call) in calls.enumerated() { try write(call: call, "\(param).tool_calls[\(index)]") }
        hasThought = hasThought || !thoughts.isEmpty
        lacksThought = !calls.isEmpty && !hasThought
    }

    private mutating func write(call: JSONValue, _ param: String) throws(WireFormatError) {
        guard call["type"]?.string ?? "function" == "function" else {
            throw RequestField.untranslatable("\(param).type", "only functions have an equal there")
        }
        let function = try RequestField.object(call["function"], "\(param).function")
        out.beginObject()
        out.member("type", "tool_use")
        out.member("id", try RequestField.required(call["id"], "\(param).id"))
        out.member("name", try RequestField.required(function?["name"], "\(param).function.name"))
        out.key("input")
        let name = "\(param).function.arguments"
        let arguments = try RequestField.string(function?["arguments"], name) ?? ""
        if arguments.allSatisfy(\.isWhitespace) {
            out.raw(Array("{}".utf8))
        } else {
            guard let parsed = try? JSONDocument(Array(arguments.utf8), limits: .argument), parsed.root.kind == .object
            else { throw RequestField.bad(name, "expected a JSON object") }
            out.raw(parsed.root.rawBytes)
        }
        out.endObject()
    }

    private static func said(_ text: String, by speaker: String?) -> String {
        speaker.map { "\($0): \(text)" } ?? text
    }

    /// Gives each part of a message's content as a block.
    /// - Parameter speaker: whose name stands before them.
    private func eachPart(
        of message: JSONValue, _ param: String, isCacheKept: Bool = true, speaker: String? = nil,
        _ give: ([UInt8]) throws(WireFormatError) -> Void
    ) throws(WireFormatError) {
        let cache = isCacheKept ? RequestField.given(message["cache_control"]) : nil
        guard let content = RequestField.given(message["content"]) else { return }
        if let text = content.string {
            guard !text.isEmpty else { return }
            return try give(ContentParts.text(Self.said(text, by: speaker), cache: cache))
        }
        let parts = content.elements.enumerated().filter { !Self.isBlank($0.element) }
        if let speaker, !parts.isEmpty { try give(ContentParts.text("\(speaker):", cache: nil)) }
        for (index, part) in parts {
            let last = index == parts.last?.offset ? cache : nil
            try give(ContentParts.block(part, "\(param).content[\(index)]", cache: last))
        }
    }
}
