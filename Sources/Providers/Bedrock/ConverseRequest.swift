internal import GatewayCore
internal import WireFormat

/// A chat request as Bedrock's `Converse` takes it. Names of fields as in Amazon's reference of the runtime API.
struct ConverseRequest: Sendable {
    private static let imageFormats = [
        "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp",
    ]

    /// Amazon's bound.
    private static let maxStopStrings = 2500

    private var out: JSONWriter
    private let chat: CanonicalChat
    private let points: [CanonicalChat.Place: CanonicalChat.CacheMark]

    private init(_ chat: CanonicalChat, bytes: Int, cacheWrites: CacheWrites) {
        self.chat = chat
        points = CachePoints.chosen(chat, of: cacheWrites)
        out = JSONWriter(reserving: bytes + 256)
    }

    /// The translated body. Throws with the field that has no equal there.
    /// - Parameter cacheWrites: which the price knows: other marks are left out.
    static func body(
        _ chat: [UInt8], model: String, cacheWrites: CacheWrites = .hour
    ) throws(WireFormatError) -> [UInt8] {
        var request = ConverseRequest(
            try CanonicalChat(chat, model: model), bytes: chat.count, cacheWrites: cacheWrites)
        try request.write()
        return request.out.bytes
    }

    private mutating func write() throws(WireFormatError) {
        try refuseOthers()
        out.beginObject()
        if !chat.system.isEmpty {
            out.key("system")
            out.beginArray()
            for (index, text) in chat.system.enumerated() {
                Self.write(text, &out)
                writePoint(.system(index))
            }
            out.endArray()
        }
        out.key("messages")
        out.beginArray()
        try writeTurns()
        out.endArray()
        try writeInference()
        try writeTools()
        writeForm()
        writeThinking()
        out.endObject()
    }

    /// In the words of the model's maker: Converse has none of its own.
    private mutating func writeThinking() {
        let effort = chat.effort.flatMap { $0 == "none" ? nil : $0 }
        guard chat.thinking != nil || effort != nil || chat.effort != nil && isAdaptive else { return }
        let isBudgeted = chat.thinking.map { $0["type"]?.string == "enabled" } ?? !isAdaptive
        let isRefused = isAnthropic && isBudgeted && chat.lacksThought
        // The effort of a thinking that is the client's own is all that would be left.
        guard !isRefused || chat.thinking != nil && effort != nil else { return }
        out.key("additionalModelRequestFields")
        out.beginObject()
        if let thinking = chat.thinking {
            if !isRefused {
                out.key("thinking")
                out.raw(thinking.rawBytes)
            }
            // The client's own thinking stands, so the effort goes where Anthropic has it apart.
            if isAnthropic { writeEffort(effort) }
        } else if isAdaptive {
            writeThinking(effort == nil ? "disabled" : "adaptive")
            writeEffort(effort)
        } else if let effort, let budget = Self.budgets[effort], isAnthropic {
            writeThinking("enabled", budget: min(budget, Int64(chat.maxTokens ?? .max) - 1))
        } else if let effort {
            out.member("reasoning_effort", effort)
        }
        out.endObject()
    }

    private mutating func writeThinking(_ type: String, budget: Int64? = nil) {
        out.key("thinking")
        out.beginObject()
        out.member("type", type)
        if let budget { out.member("budget_tokens", budget) }
        out.endObject()
    }

    private mutating func writeEffort(_ effort: String?) {
        guard let effort else { return }
        out.key("output_config")
        out.beginObject()
        out.member("effort", effort)
        out.endObject()
    }

    /// What efforts come to in tokens of thought, and the fewest that may be asked for.
    private static let budgets: [String: Int64] = ["low": 2048, "medium": 8192, "high": 16_384]
    private static let leastBudget: Int64 = 1024
    /// Claudes that think within a budget; later ones refuse one, and are told the effort itself.
    private static let budgeted = [
        "claude-v", "claude-instant", "claude-3", "claude-opus-4-2025", "claude-sonnet-4-2025", "claude-opus-4-1",
        "claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5",
    ]
    private static let efforts: Set<String> = ["low", "medium", "high", "xhigh", "max"]
    private var isAnthropic: Bool { chat.model.contains("anthropic.") }
    private var isAdaptive: Bool { isAnthropic && !Self.budgeted.contains { chat.model.contains($0) } }
    private var knowsEffort: Bool {
        let effort = chat.effort ?? "none"
        // Anthropic's word alone.
        guard isAnthropic else { return chat.model.contains("openai.") && effort != "max" }
        return isAdaptive ? Self.efforts.contains(effort) : Self.budgets[effort] != nil
    }

    /// What other formats have and this one has not.
    private func refuseOthers() throws(WireFormatError) {
        func refuse(_ name: String, if isAsked: Bool) throws(WireFormatError) {
            if isAsked { throw RequestField.untranslatable(name, "it has no equal there") }
        }
        try refuse("top_k", if: chat.topK != nil)
        try refuse("frequency_penalty", if: (chat.frequencyPenalty ?? 0) != 0)
        try refuse("presence_penalty", if: (chat.presencePenalty ?? 0) != 0)
        try refuse("seed", if: chat.seed != nil)
        let isEffortAsked = ![nil, "none"].contains(chat.effort)
        try refuse("reasoning_effort", if: isEffortAsked && !knowsEffort)
        let needsBudget = isEffortAsked && chat.thinking == nil && isAnthropic && !isAdaptive
        if needsBudget, let limit = chat.maxTokens, limit <= Self.leastBudget {
            throw RequestField.untranslatable(
                "reasoning_effort", "thought takes \(Self.leastBudget) tokens at least there, and less than max_tokens")
        }
        try refuse("parallel_tool_calls", if: chat.isSerial && !chat.tools.isEmpty)
        if case .json? = chat.form {
            throw RequestField.untranslatable("response_format", "only a JSON schema has an equal there")
        }
    }

    /// Up to it the prompt is kept, if the client wants it there.
    private mutating func writePoint(_ place: CanonicalChat.Place) {
        guard let mark = points[place] else { return }
        out.beginObject()
        out.key("cachePoint")
        out.beginObject()
        out.member("type", "default")
        if mark == .hour { out.member("ttl", "1h") }
        out.endObject()
        out.endObject()
    }

    // MARK: Turns

    private static func write(_ text: String, _ out: inout JSONWriter) {
        out.beginObject()
        out.member("text", text)
        out.endObject()
    }

    /// Turns alternate there: what follows each other in one role becomes one message.
    private mutating func writeTurns() throws(WireFormatError) {
        var open: String?
        for (index, turn) in chat.turns.enumerated() {
            let role = if case .assistant = turn { "assistant" } else { "user" }
            if open != role {
                if open != nil { closeTurn() }
                out.beginObject()
                out.member("role", role)
                out.key("content")
                out.beginArray()
                open = role
            }
            switch turn {
            case .user(let parts): try write(parts, turn: index)
            case .assistant(let parts, let thoughts, let calls):
                for thought in thoughts { write(thought) }
                try write(parts, turn: index)
                for (place, call) in calls.enumerated() {
                    write(call)
                    writePoint(.item(turn: index, index: parts.count + place))
                }
            case .result(let id, _, let text):
                writeResult(id, text)
                writePoint(.item(turn: index, index: 0))
            }
        }
        if open != nil { closeTurn() }
    }

    private mutating func closeTurn() {
        out.endArray()
        out.endObject()
    }

    private mutating func write(_ parts: [CanonicalChat.Part], turn: Int) throws(WireFormatError) {
        for (index, part) in parts.enumerated() {
            try write(part)
            writePoint(.item(turn: turn, index: index))
        }
    }

    private mutating func write(_ part: CanonicalChat.Part) throws(WireFormatError) {
        switch part {
        case .text(let text): Self.write(text, &out)
        case .image(let mediaType, let data, let param):
            guard let format = Self.imageFormats[mediaType.lowercased()] else {
                throw RequestField.untranslatable(param, "images are png, jpeg, gif or webp there")
            }
            out.beginObject()
            out.key("image")
            out.beginObject()
            out.member("format", format)
            out.key("source")
            out.beginObject()
            out.member("bytes", data)
            out.endObject()
            out.endObject()
            out.endObject()
        }
    }

    private mutating func write(_ thought: CanonicalChat.Thought) {
        out.beginObject()
        out.key("reasoningContent")
        out.beginObject()
        switch thought {
        case .redacted(let data): out.member("redactedContent", data)
        case .text(let text, let signature):
            out.key("reasoningText")
            out.beginObject()
            out.member("text", text)
            if !signature.isEmpty { out.member("signature", signature) }
            out.endObject()
        }
        out.endObject()
        out.endObject()
    }

    private mutating func write(_ call: CanonicalChat.Call) {
        out.beginObject()
        out.key("toolUse")
        out.beginObject()
        out.member("toolUseId", call.id)
        out.member("name", call.name)
        out.key("input")
        out.raw(call.arguments)
        out.endObject()
        out.endObject()
    }

    private mutating func writeResult(_ id: String, _ text: String) {
        out.beginObject()
        out.key("toolResult")
        out.beginObject()
        out.member("toolUseId", id)
        out.key("content")
        out.beginArray()
        Self.write(text, &out)
        out.endArray()
        out.endObject()
        out.endObject()
    }

    // MARK: Options

    private mutating func writeInference() throws(WireFormatError) {
        out.key("inferenceConfig")
        out.beginObject()
        if let limit = chat.maxTokens { out.member("maxTokens", Int64(limit)) }
        for (name, value) in [("temperature", chat.temperature), ("topP", chat.topP)] {
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
            for text in chat.stop {
                guard !isAnthropic || !text.allSatisfy(\.isWhitespace) else {
                    throw RequestField.untranslatable("stop", "white space alone ends no answer there")
                }
                out.string(text)
            }
            out.endArray()
        }
        out.endObject()
    }

    private mutating func writeTools() throws(WireFormatError) {
        // There is no word for "none": tools that may not be called are left out, unless earlier turns called some.
        guard !chat.tools.isEmpty else { return }
        if chat.choice == CanonicalChat.Choice.none {
            guard chat.callNames.isEmpty else {
                throw RequestField.untranslatable("tool_choice", "'none' has no equal there after calls of tools")
            }
            return
        }
        out.key("toolConfig")
        out.beginObject()
        out.key("tools")
        out.beginArray()
        for (index, tool) in chat.tools.enumerated() {
            write(tool)
            writePoint(.tool(index))
        }
        out.endArray()
        if let choice = chat.choice {
            out.key("toolChoice")
            out.beginObject()
            switch choice {
            case .auto, .none: out.key("auto")
            case .any: out.key("any")
            case .tool: out.key("tool")
            }
            out.beginObject()
            if case .tool(let name) = choice { out.member("name", name) }
            out.endObject()
            out.endObject()
        }
        out.endObject()
    }

    private mutating func write(_ tool: CanonicalChat.Tool) {
        out.beginObject()
        out.key("toolSpec")
        out.beginObject()
        out.member("name", tool.name)
        if let text = tool.description { out.member("description", text) }
        out.key("inputSchema")
        out.beginObject()
        out.key("json")
        out.raw(tool.schema ?? Array(#"{"type":"object","properties":{}}"#.utf8))
        out.endObject()
        if tool.isStrict { out.member("strict", true) }
        out.endObject()
        out.endObject()
    }

    private mutating func writeForm() {
        guard case .schema(let name, let json)? = chat.form else { return }
        out.key("outputConfig")
        out.beginObject()
        out.key("textFormat")
        out.beginObject()
        out.member("type", "json_schema")
        out.key("structure")
        out.beginObject()
        out.key("jsonSchema")
        out.beginObject()
        // As text, not as an object.
        out.member("schema", String(decoding: json, as: UTF8.self))
        if let name { out.member("name", name) }
        out.endObject()
        out.endObject()
        out.endObject()
        out.endObject()
    }
}
