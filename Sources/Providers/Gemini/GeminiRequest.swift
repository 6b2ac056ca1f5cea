internal import WireFormat

/// A chat request as Gemini's `generateContent` takes it.
///
/// Thoughts of earlier turns stay out, since the API takes none back; the signatures of tool calls do go back. Names of
/// fields as in Google's reference of the API, version v1beta.
struct GeminiRequest: Sendable {
    /// Google's bound.
    private static let maxStopStrings = 5
    /// What efforts come to in tokens of thought, by Google's own table for OpenAI's clients.
    private static let budgets: [String: Int64] = [
        "none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576,
    ]
    /// Models from the third generation on are asked for a level instead.
    private static let levels: Set<String> = ["minimal", "low", "medium", "high"]

    private var out: JSONWriter
    private let chat: CanonicalChat
    private var isLevelled: Bool { chat.model.hasPrefix("gemini-3") }

    private init(_ chat: CanonicalChat, bytes: Int) {
        self.chat = chat
        out = JSONWriter(reserving: bytes + 256)
    }

    /// The translated body. Throws with the field that has no equal there.
    static func body(_ chat: [UInt8], model: String) throws(WireFormatError) -> [UInt8] {
        var request = GeminiRequest(try CanonicalChat(chat, model: model), bytes: chat.count)
        try request.write()
        return request.out.bytes
    }

    private mutating func write() throws(WireFormatError) {
        out.beginObject()
        if !chat.system.isEmpty {
            out.key("systemInstruction")
            out.beginObject()
            let system = chat.system
            writeParts { out in for text in system { Self.write(.text(text), &out) } }
            out.endObject()
        }
        out.key("contents")
        out.beginArray()
        writeTurns()
        out.endArray()
        try writeTools()
        out.key("generationConfig")
        out.beginObject()
        try writeSampling()
        try writeThinking()
        out.endObject()
        out.endObject()
    }

    // MARK: Turns

    private mutating func writeParts(_ parts: (inout JSONWriter) -> Void) {
        out.key("parts")
        out.beginArray()
        parts(&out)
        out.endArray()
    }

    private mutating func writeTurns() {
        var index = 0
        while index < chat.turns.count {
            // A turn of thoughts alone, which do not go back, would have no parts.
            if case .assistant(let parts, _, let calls) = chat.turns[index], parts.isEmpty, calls.isEmpty {
                index += 1
                continue
            }
            out.beginObject()
            switch chat.turns[index] {
            case .user(let parts):
                out.member("role", "user")
                writeParts { out in for part in parts { Self.write(part, &out) } }
            case .assistant(let parts, _, let calls):
                out.member("role", "model")
                let isSigned = isLevelled
                writeParts { out in
                    for part in parts { Self.write(part, &out) }
                    for (place, call) in calls.enumerated() {
                        Self.write(call, isFirst: place == 0 && isSigned, &out)
                    }
                }
            case .result:
                // Results of calls that were made together come together.
                out.member("role", "user")
                let last = chat.turns[index...].prefix { if case .result = $0 { true } else { false } }
                writeParts { out in for turn in last { Self.write(result: turn, &out) } }
                index += last.count - 1
            }
            out.endObject()
            index += 1
        }
    }

    private static func write(_ part: CanonicalChat.Part, _ out: inout JSONWriter) {
        out.beginObject()
        switch part {
        case .text(let text): out.member("text", text)
        case .image(let mediaType, let data, _):
            out.key("inlineData")
            out.beginObject()
            out.member("mimeType", mediaType)
            out.member("data", data)
            out.endObject()
        }
        out.endObject()
    }

    private static func write(_ call: CanonicalChat.Call, isFirst: Bool, _ out: inout JSONWriter) {
        out.beginObject()
        out.key("functionCall")
        out.beginObject()
        out.member("id", call.id)
        out.member("name", call.name)
        out.key("args")
        out.raw(call.arguments)
        out.endObject()
        if let signature = call.signature ?? (isFirst ? ToolCall.foreignSignature : nil) {
            out.member("thoughtSignature", signature)
        }
        out.endObject()
    }

    private static func write(result turn: CanonicalChat.Turn, _ out: inout JSONWriter) {
        guard case .result(let id, let name, let text) = turn else { return }
        out.beginObject()
        out.key("functionResponse")
        out.beginObject()
        out.member("id", id)
        out.member("name", name)
        out.key("response")
        // An object is asked for: what is none becomes the value of one.
        if let document = try? JSONDocument(Array(text.utf8), limits: .argument), document.root.kind == .object {
            out.raw(document.root.rawBytes)
        } else {
            out.beginObject()
            out.member("result", text)
            out.endObject()
        }
        out.endObject()
        out.endObject()
    }

    // MARK: Tools

    private mutating func writeTools() throws(WireFormatError) {
        guard !chat.tools.isEmpty else { return }
        if chat.isSerial {
            throw RequestField.untranslatable("parallel_tool_calls", "calls cannot be had one at a time there")
        }
        out.key("tools")
        out.beginArray()
        out.beginObject()
        out.key("functionDeclarations")
        out.beginArray()
        for tool in chat.tools {
            out.beginObject()
            out.member("name", tool.name)
            if let text = tool.description { out.member("description", text) }
            if let schema = tool.schema {
                out.key("parametersJsonSchema")
                out.raw(schema)
            }
            out.endObject()
        }
        out.endArray()
        out.endObject()
        out.endArray()
        let isStrict = chat.tools.contains(where: \.isStrict)
        guard chat.choice != nil || isStrict else { return }
        out.key("toolConfig")
        out.beginObject()
        out.key("functionCallingConfig")
        out.beginObject()
        switch chat.choice ?? .auto {
        case .auto: out.member("mode", isStrict ? "VALIDATED" : "AUTO")
        case .any: out.member("mode", "ANY")
        case .none: out.member("mode", "NONE")
        case .tool(let name):
            out.member("mode", "ANY")
            out.key("allowedFunctionNames")
            out.beginArray()
            out.string(name)
            out.endArray()
        }
        out.endObject()
        out.endObject()
    }

    // MARK: Generation

    private mutating func writeSampling() throws(WireFormatError) {
        if let limit = chat.maxTokens { out.member("maxOutputTokens", Int64(limit)) }
        if let seed = chat.seed { out.member("seed", seed) }
        if let topK = chat.topK { out.member("topK", Int64(topK)) }
        let doubles = [
            ("temperature", chat.temperature), ("topP", chat.topP), ("frequencyPenalty", chat.frequencyPenalty),
            ("presencePenalty", chat.presencePenalty),
        ]
        for (name, value) in doubles {
            guard let value else { continue }
            out.key(name)
            out.double(value)
        }
        guard chat.stop.count <= Self.maxStopStrings else {
            throw RequestField.untranslatable("stop", "there may be \(Self.maxStopStrings) there")
        }
        if !chat.stop.isEmpty {
            out.key("stopSequences")
            out.beginArray()
            for text in chat.stop { out.string(text) }
            out.endArray()
        }
        guard let form = chat.form else { return }
        out.member("responseMimeType", "application/json")
        guard case .schema(_, let json) = form else { return }
        out.key("responseJsonSchema")
        out.raw(json)
    }

    private mutating func writeThinking() throws(WireFormatError) {
        var budget: Int64?
        var level: String?
        if let effort = chat.effort {
            guard let tokens = Self.budgets[effort] else {
                throw RequestField.untranslatable("reasoning_effort", "'\(effort.prefix(20))' has no equal there")
            }
            if isLevelled, effort != "none" { level = effort } else { budget = tokens }
        } else if let thinking = chat.thinking {
            switch thinking["type"]?.string {
            case "disabled": budget = 0
            case "enabled":
                budget = Int64(
                    try RequestField.count(
                        thinking["budget_tokens"], "thinking.budget_tokens", in: 1...Int64(Int32.max)) ?? 1024)
            // As the model likes, which is what it does unasked.
            case "adaptive": budget = -1
            default: throw RequestField.bad("thinking.type", "expected one of adaptive, disabled, enabled")
            }
        }
        guard budget != nil || level != nil else { return }
        out.key("thinkingConfig")
        out.beginObject()
        if let level { out.member("thinkingLevel", level) } else { out.member("thinkingBudget", budget) }
        if budget != 0 { out.member("includeThoughts", true) }
        out.endObject()
    }
}
