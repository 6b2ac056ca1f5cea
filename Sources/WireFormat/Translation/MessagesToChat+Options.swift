extension MessagesToChat {
    /// Thinking budgets up to these are low and medium effort; there is no budget in tokens in OpenAI's format.
    private static let lowBudget: Int64 = 2_048
    private static let mediumBudget: Int64 = 8_192

    mutating func writeSampling() throws(WireFormatError) {
        for name in ["temperature", "top_p", "top_k"] {
            guard let value = RequestField.given(root[name]) else { continue }
            guard value.kind == .number else { throw RequestField.bad(name, "expected a number") }
            out.key(name)
            out.raw(value.rawBytes)
        }
        let stops = try RequestField.array(root["stop_sequences"], "stop_sequences")
        guard hasOwnLimits || stops.count <= ChatCompletionRequest.maxStopStrings else {
            throw RequestField.untranslatable(
                "stop_sequences", "there may be \(ChatCompletionRequest.maxStopStrings) there")
        }
        if !stops.isEmpty {
            out.key("stop")
            out.beginArray()
            for (index, stop) in stops.enumerated() {
                let name = "stop_sequences[\(index)]"
                let text = try RequestField.required(stop, name)
                // Else it would be refused by the other format's name.
                guard !text.isEmpty else { throw RequestField.bad(name, "expected a string that is not empty") }
                out.string(text)
            }
            out.endArray()
        }
        if let metadata = try RequestField.object(root["metadata"], "metadata") {
            try RequestField.refuseOthers(of: metadata, than: ["user_id"], in: "metadata")
            if let user = try RequestField.string(metadata["user_id"], "metadata.user_id") { out.member("user", user) }
        }
        if try RequestField.string(root["service_tier"], "service_tier") == "standard_only" {
            out.member("service_tier", "default")
        }
    }

    mutating func writeTools() throws(WireFormatError) {
        let tools = try RequestField.array(root["tools"], "tools")
        if !tools.isEmpty {
            out.key("tools")
            out.beginArray()
            for (index, tool) in tools.enumerated() { try write(tool: tool, "tools[\(index)]") }
            out.endArray()
        }
        guard let choice = try RequestField.object(root["tool_choice"], "tool_choice") else { return }
        out.key("tool_choice")
        switch choice["type"]?.string {
        case "auto": out.string("auto")
        case "any": out.string("required")
        case "none": out.string("none")
        case "tool":
            out.beginObject()
            out.member("type", "function")
            out.key("function")
            out.beginObject()
            out.member("name", try RequestField.required(choice["name"], "tool_choice.name"))
            out.endObject()
            out.endObject()
        default: throw RequestField.bad("tool_choice.type", "expected one of any, auto, none, tool")
        }
        let name = "tool_choice.disable_parallel_tool_use"
        if try RequestField.bool(choice["disable_parallel_tool_use"], name) == true {
            out.member("parallel_tool_calls", false)
        }
    }

    private mutating func write(tool: JSONValue, _ param: String) throws(WireFormatError) {
        guard ["custom", nil].contains(tool["type"]?.string) else {
            throw RequestField.untranslatable("\(param).type", "the vendor's own tools have no equal there")
        }
        // Arguments are streamed as they come in that format, eager or not.
        try RequestField.refuseOthers(
            of: tool,
            than: [
                "type", "name", "description", "input_schema", "strict", "cache_control", "eager_input_streaming",
            ], in: param)
        out.beginObject()
        out.member("type", "function")
        out.key("function")
        out.beginObject()
        out.member("name", try RequestField.required(tool["name"], "\(param).name"))
        if let text = try RequestField.string(tool["description"], "\(param).description") {
            out.member("description", text)
        }
        guard let schema = try RequestField.object(tool["input_schema"], "\(param).input_schema") else {
            throw RequestField.missing("\(param).input_schema")
        }
        out.key("parameters")
        out.raw(schema.rawBytes)
        if let strict = try RequestField.bool(tool["strict"], "\(param).strict") { out.member("strict", strict) }
        out.endObject()
        write(cache: tool["cache_control"])
        out.endObject()
    }

    mutating func writeOutput() throws(WireFormatError) {
        let config = try RequestField.object(root["output_config"], "output_config")
        if let config {
            try RequestField.refuseOthers(of: config, than: ["effort", "format"], in: "output_config")
        }
        if let effort = try effort(config) { out.member("reasoning_effort", effort) }
        if keepsThinking, let thinking = try RequestField.object(root["thinking"], "thinking") {
            out.key("thinking")
            out.raw(thinking.rawBytes)
        }
        guard let format = try RequestField.object(config?["format"], "output_config.format") else { return }
        guard format["type"]?.string == "json_schema", let schema = format["schema"], schema.kind == .object else {
            throw RequestField.untranslatable("output_config.format", "only a JSON schema has an equal there")
        }
        out.key("response_format")
        out.beginObject()
        out.member("type", "json_schema")
        out.key("json_schema")
        out.beginObject()
        out.member("name", "answer")
        out.key("schema")
        out.raw(schema.rawBytes)
        out.member("strict", true)
        out.endObject()
        out.endObject()
    }

    /// What is said outright, else what a budget for thinking comes to.
    private func effort(_ config: JSONValue?) throws(WireFormatError) -> String? {
        let thinking = try RequestField.object(root["thinking"], "thinking")
        if let effort = try RequestField.string(config?["effort"], "output_config.effort") {
            guard hasOwnLimits || ["low", "medium", "high", "xhigh"].contains(effort) else {
                throw RequestField.untranslatable("output_config.effort", "it is at most 'xhigh' there")
            }
            return effort
        }
        if keepsThinking { return nil }
        switch thinking?["type"]?.string {
        case nil, "disabled", "adaptive", "between_tools": return nil
        case "enabled":
            let budget = try RequestField.count(
                thinking?["budget_tokens"], "thinking.budget_tokens", in: 1...Int64(Int32.max))
            guard let budget else { throw RequestField.missing("thinking.budget_tokens") }
            return budget <= Self.lowBudget ? "low" : budget <= Self.mediumBudget ? "medium" : "high"
        default: throw RequestField.bad("thinking.type", "expected one of adaptive, disabled, enabled")
        }
    }
}
