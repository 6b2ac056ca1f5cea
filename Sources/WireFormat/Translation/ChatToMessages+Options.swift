extension ChatToMessages {
    mutating func writeSampling(_ request: ChatCompletionRequest, root: JSONValue) throws(WireFormatError) {
        if let temperature = request.temperature {
            guard temperature <= 1 else {
                throw RequestField.untranslatable("temperature", "it is at most 1 there")
            }
            out.key("temperature")
            out.double(temperature)
        }
        if let topP = request.topP {
            out.key("top_p")
            out.double(topP)
        }
        if let topK = request.sampling.topK, topK > 0 { out.member("top_k", Int64(topK)) }
        if !request.stop.isEmpty {
            out.key("stop_sequences")
            out.beginArray()
            for text in request.stop {
                guard !text.allSatisfy(\.isWhitespace) else {
                    throw RequestField.untranslatable("stop", "white space alone ends no answer there")
                }
                out.string(text)
            }
            out.endArray()
        }
        if let user = request.user {
            out.key("metadata")
            out.beginObject()
            out.member("user_id", user)
            out.endObject()
        }
    }

    mutating func writeTools(root: JSONValue) throws(WireFormatError) {
        let tools = try RequestField.array(root["tools"], "tools")
        if !tools.isEmpty {
            out.key("tools")
            out.beginArray()
            for (index, tool) in tools.enumerated() { try write(tool: tool, "tools[\(index)]") }
            out.endArray()
        }
        let isSerial = try RequestField.bool(root["parallel_tool_calls"], "parallel_tool_calls") == false
        guard let choice = RequestField.given(root["tool_choice"]) else {
            if isSerial, !tools.isEmpty { writeChoice("auto", isSerial: true) }
            return
        }
        switch choice.string {
        case "auto": writeChoice("auto", isSerial: isSerial)
        case "required": writeChoice("any", isSerial: isSerial)
        case "none": writeChoice("none", isSerial: false)
        default:
            guard choice["type"]?.string == "function", let name = choice["function"]?["name"]?.string else {
                throw RequestField.untranslatable("tool_choice", "only functions have an equal there")
            }
            writeChoice("tool", name: name, isSerial: isSerial)
        }
    }

    private mutating func writeChoice(_ type: String, name: String? = nil, isSerial: Bool) {
        out.key("tool_choice")
        out.beginObject()
        out.member("type", type)
        if let name { out.member("name", name) }
        if isSerial { out.member("disable_parallel_tool_use", true) }
        out.endObject()
    }

    private mutating func write(tool: JSONValue, _ param: String) throws(WireFormatError) {
        guard tool["type"]?.string == "function" else {
            throw RequestField.untranslatable("\(param).type", "only functions have an equal there")
        }
        try RequestField.refuseOthers(of: tool, than: ["type", "function", "cache_control"], in: param)
        guard let function = try RequestField.object(tool["function"], "\(param).function") else {
            throw RequestField.missing("\(param).function")
        }
        try RequestField.refuseOthers(
            of: function, than: ["name", "description", "parameters", "strict"], in: "\(param).function")
        out.beginObject()
        out.member("name", try RequestField.required(function["name"], "\(param).function.name"))
        if let text = try RequestField.string(function["description"], "\(param).function.description") {
            out.member("description", text)
        }
        out.key("input_schema")
        if let schema = try RequestField.object(function["parameters"], "\(param).function.parameters") {
            out.raw(schema.rawBytes)
        } else {
            out.raw(Array(#"{"type":"object","properties":{}}"#.utf8))
        }
        if let strict = try RequestField.bool(function["strict"], "\(param).function.strict") {
            out.member("strict", strict)
        }
        if let cache = RequestField.given(tool["cache_control"]) {
            out.key("cache_control")
            out.raw(cache.rawBytes)
        }
        out.endObject()
    }

    /// A schema for the answer, and how hard the model is to think.
    mutating func writeOutput(root: JSONValue) throws(WireFormatError) {
        var schema: JSONValue?
        if let format = try RequestField.object(root["response_format"], "response_format"),
            format["type"]?.string != "text"
        {
            guard format["type"]?.string == "json_schema", let given = format["json_schema"]?["schema"],
                given.kind == .object
            else { throw RequestField.untranslatable("response_format", "only a JSON schema has an equal there") }
            schema = given
        }
        let effort = try RequestField.string(root["reasoning_effort"], "reasoning_effort")
        if effort == "none" {
            guard RequestField.given(root["thinking"]) == nil else {
                throw RequestField.bad("reasoning_effort", "'none' contradicts 'thinking'")
            }
            out.key("thinking")
            out.raw(Array(#"{"type":"disabled"}"#.utf8))
        } else if let effort, !["low", "medium", "high", "xhigh", "max"].contains(effort) {
            throw RequestField.untranslatable("reasoning_effort", "'\(effort.prefix(20))' has no equal there")
        }
        guard schema != nil || (effort != nil && effort != "none") else { return }
        out.key("output_config")
        out.beginObject()
        if let effort, effort != "none" { out.member("effort", effort) }
        if let schema {
            out.key("format")
            out.beginObject()
            out.member("type", "json_schema")
            out.key("schema")
            out.raw(schema.rawBytes)
            out.endObject()
        }
        out.endObject()
    }
}
