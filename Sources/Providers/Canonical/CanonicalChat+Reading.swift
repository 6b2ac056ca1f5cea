internal import WireFormat

extension CanonicalChat {
    mutating func read(_ message: JSONValue, role: String, _ param: String) throws(WireFormatError) {
        switch role {
        case "system", "developer":
            try RequestField.refuseOthers(of: message, than: ["role", "content", "name"], in: param)
            system += try Self.texts(message["content"], "\(param).content")
        case "user":
            try RequestField.refuseOthers(of: message, than: ["role", "content", "name"], in: param)
            turns.append(.user(try Self.parts(message["content"], "\(param).content")))
        case "tool":
            try RequestField.refuseOthers(of: message, than: ["role", "content", "tool_call_id", "name"], in: param)
            let id = try RequestField.required(message["tool_call_id"], "\(param).tool_call_id")
            guard let name = callNames[id] else {
                throw RequestField.bad("\(param).tool_call_id", "expected the id of a call in an earlier message")
            }
            let text = try Self.texts(message["content"], "\(param).content").joined()
            turns.append(.result(id: id, name: name, text: text))
        case "assistant": try readAssistant(message, param)
        default: throw RequestField.untranslatable("\(param).role", "'\(role)' has no equal there")
        }
    }

    private mutating func readAssistant(_ message: JSONValue, _ param: String) throws(WireFormatError) {
        try RequestField.refuseOthers(
            of: message,
            than: [
                "role", "content", "refusal", "tool_calls", "thinking_blocks", "reasoning_content", "annotations",
                "name",
            ], in: param)
        guard try RequestField.array(message["annotations"], "\(param).annotations").isEmpty else {
            throw RequestField.untranslatable("\(param).annotations", "it has no equal there")
        }
        var parts = try Self.parts(message["content"], "\(param).content")
        if parts.isEmpty, let refusal = try RequestField.string(message["refusal"], "\(param).refusal"),
            !refusal.isEmpty
        {
            parts = [.text(refusal)]
        }
        var thoughts: [Thought] = []
        for block in try RequestField.array(message["thinking_blocks"], "\(param).thinking_blocks") {
            if block["type"]?.string == "redacted_thinking" {
                thoughts.append(.redacted(block["data"]?.string ?? ""))
            } else if let text = block["thinking"]?.string {
                thoughts.append(.text(text, signature: block["signature"]?.string ?? ""))
            }
        }
        var calls: [Call] = []
        for (index, call) in try RequestField.array(message["tool_calls"], "\(param).tool_calls").enumerated() {
            calls.append(try Self.call(call, "\(param).tool_calls[\(index)]"))
        }
        for call in calls { callNames[call.id] = call.name }
        turns.append(.assistant(parts, thoughts: thoughts, calls: calls))
    }

    private static func call(_ call: JSONValue, _ param: String) throws(WireFormatError) -> Call {
        guard call["type"]?.string ?? "function" == "function" else {
            throw RequestField.untranslatable("\(param).type", "only functions have an equal there")
        }
        let function = try RequestField.object(call["function"], "\(param).function")
        let name = "\(param).function.arguments"
        let text = try RequestField.string(function?["arguments"], name) ?? ""
        var arguments = Array("{}".utf8)
        if !text.allSatisfy(\.isWhitespace) {
            guard let parsed = try? JSONDocument(Array(text.utf8), limits: .provider), parsed.root.kind == .object
            else { throw RequestField.untranslatable(name, "they are no JSON object") }
            arguments = Array(parsed.root.rawBytes)
        }
        return Call(
            id: try RequestField.required(call["id"], "\(param).id"),
            name: try RequestField.required(function?["name"], "\(param).function.name"), arguments: arguments,
            signature: call["extra_content"]?["google"]?["thought_signature"]?.string)
    }

    /// Text and images.
    private static func parts(_ content: JSONValue?, _ param: String) throws(WireFormatError) -> [Part] {
        guard let content = RequestField.given(content) else { return [] }
        if let text = content.string { return text.isEmpty ? [] : [.text(text)] }
        var parts: [Part] = []
        for (index, part) in content.elements.enumerated() {
            let name = "\(param)[\(index)]"
            switch part["type"]?.string {
            case "text": parts.append(.text(try RequestField.required(part["text"], "\(name).text")))
            case "refusal": parts.append(.text(try RequestField.required(part["refusal"], "\(name).refusal")))
            case "image_url": parts.append(try image(part["image_url"], "\(name).image_url"))
            case let type:
                throw RequestField.untranslatable("\(name).type", "'\((type ?? "").prefix(40))' has no equal there")
            }
        }
        return parts
    }

    private static func texts(_ content: JSONValue?, _ param: String) throws(WireFormatError) -> [String] {
        var texts: [String] = []
        for part in try parts(content, param) {
            guard case .text(let text) = part else {
                throw RequestField.untranslatable(param, "only text has an equal there")
            }
            texts.append(text)
        }
        return texts
    }

    private static func image(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> Part {
        guard let value = try RequestField.object(value, param) else { throw RequestField.missing(param) }
        let detail = try RequestField.string(value["detail"], "\(param).detail") ?? "auto"
        guard detail == "auto" else { throw RequestField.untranslatable("\(param).detail", "it has no equal there") }
        let url = try RequestField.required(value["url"], "\(param).url")
        let halves = url.dropFirst("data:".count).split(separator: ",", maxSplits: 1)
        guard url.hasPrefix("data:") else {
            throw RequestField.untranslatable("\(param).url", "an image is sent there itself, not where it is")
        }
        guard halves.count == 2, halves[0].hasSuffix(";base64") else {
            throw RequestField.bad("\(param).url", "expected 'data:image/…;base64,…'")
        }
        return .image(mediaType: String(halves[0].dropLast(";base64".count)), data: String(halves[1]))
    }

    mutating func readTools(_ root: JSONValue) throws(WireFormatError) {
        for (index, tool) in try RequestField.array(root["tools"], "tools").enumerated() {
            tools.append(try Self.tool(tool, "tools[\(index)]"))
        }
        isSerial = try RequestField.bool(root["parallel_tool_calls"], "parallel_tool_calls") == false
        guard let choice = RequestField.given(root["tool_choice"]) else { return }
        switch choice.string {
        case "auto": self.choice = .auto
        case "required": self.choice = .any
        case "none": self.choice = Choice.none
        default:
            guard choice["type"]?.string == "function", let name = choice["function"]?["name"]?.string else {
                throw RequestField.untranslatable("tool_choice", "only functions have an equal there")
            }
            self.choice = .tool(name)
        }
    }

    private static func tool(_ tool: JSONValue, _ param: String) throws(WireFormatError) -> Tool {
        guard tool["type"]?.string == "function" else {
            throw RequestField.untranslatable("\(param).type", "only functions have an equal there")
        }
        guard let function = try RequestField.object(tool["function"], "\(param).function") else {
            throw RequestField.missing("\(param).function")
        }
        try RequestField.refuseOthers(
            of: function, than: ["name", "description", "parameters", "strict"], in: "\(param).function")
        return Tool(
            name: try RequestField.required(function["name"], "\(param).function.name"),
            description: try RequestField.string(function["description"], "\(param).function.description"),
            schema: try RequestField.object(function["parameters"], "\(param).function.parameters").map {
                Array($0.rawBytes)
            },
            isStrict: try RequestField.bool(function["strict"], "\(param).function.strict") ?? false)
    }

    mutating func readForm(_ root: JSONValue) throws(WireFormatError) {
        guard let format = try RequestField.object(root["response_format"], "response_format") else { return }
        switch format["type"]?.string {
        case "text": return
        case "json_object": form = .json
        case "json_schema":
            guard let given = format["json_schema"], let schema = given["schema"], schema.kind == .object else {
                throw RequestField.missing("response_format.json_schema.schema")
            }
            form = .schema(name: given["name"]?.string, json: Array(schema.rawBytes))
        default: throw RequestField.untranslatable("response_format", "it has no equal there")
        }
    }
}
