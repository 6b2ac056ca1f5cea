internal import WireFormat

extension CanonicalChat {
    /// A part as it was read, with the client's mark on it.
    private struct Piece {
        var part: Part
        var mark: CacheMark?
    }

    /// - Parameter spoken: the same message, as the request has it.
    mutating func read(
        _ message: JSONValue, as spoken: ChatCompletionRequest.Message, _ param: String
    ) throws(WireFormatError) {
        switch spoken.role {
        case "system", "developer":
            try RequestField.refuseOthers(of: message, than: ["role", "content", "name", "cache_control"], in: param)
            let pieces = try Self.pieces(message, param, speaker: spoken.speaker)
            for (index, piece) in pieces.enumerated() { marks[.system(system.count + index)] = piece.mark }
            system += try Self.texts(pieces, "\(param).content")
        case "user":
            try RequestField.refuseOthers(of: message, than: ["role", "content", "name", "cache_control"], in: param)
            let pieces = try Self.pieces(message, param, speaker: spoken.speaker)
            guard !pieces.isEmpty else {
                switch turns.last {
                // The turn goes on, and this says nothing to it.
                case .user?, .result?: return
                case .assistant?, nil:
                    blank = blank ?? "\(param).content"
                    return
                }
            }
            blank = nil
            note(pieces.map { $0.mark })
            turns.append(.user(pieces.map { $0.part }))
        case "tool":
            try RequestField.refuseOthers(
                of: message, than: ["role", "content", "tool_call_id", "name", "cache_control"], in: param)
            let id = try RequestField.required(message["tool_call_id"], "\(param).tool_call_id")
            guard let name = callNames[id] else {
                throw RequestField.bad("\(param).tool_call_id", "expected the id of a call in an earlier message")
            }
            let pieces = try Self.pieces(message, param)
            blank = nil
            note([pieces.compactMap { $0.mark }.last ?? Self.mark(on: message)])
            turns.append(.result(id: id, name: name, text: try Self.texts(pieces, "\(param).content").joined()))
        case "assistant": try readAssistant(message, speaker: spoken.speaker, param)
        case let role: throw RequestField.untranslatable("\(param).role", "'\(role)' has no equal there")
        }
    }

    /// Refuses a turn of the user's that nothing was said in: vendors do, and not by its name.
    func refuseBlank() throws(WireFormatError) {
        if let blank { throw RequestField.bad(blank, "expected something in it") }
    }

    // MARK: Marks

    /// A client's mark on a part, a message, a call, a tool, or all of the request.
    private static func mark(on holder: JSONValue) -> CacheMark? {
        guard let mark = RequestField.given(holder["cache_control"]), mark.kind == .object else { return nil }
        return ["5m", nil].contains(mark["ttl"]?.string) ? .usual : .hour
    }

    /// Marks of the turn that is to be appended next.
    private mutating func note(_ found: [CacheMark?]) {
        for (index, mark) in found.enumerated() { marks[.item(turn: turns.count, index: index)] = mark }
    }

    /// The request's own mark stands behind the last that it has.
    mutating func markEnd(_ root: JSONValue) {
        guard let mark = Self.mark(on: root), let turn = turns.last else { return }
        let count =
            switch turn {
            case .user(let parts): parts.count
            case .assistant(let parts, _, let calls): parts.count + calls.count
            case .result: 1
            }
        let place = Place.item(turn: turns.count - 1, index: count - 1)
        if count > 0, marks[place] == nil { marks[place] = mark }
    }

    // MARK: Turns

    private static let assistantFields = EchoedReply.fields.union([
        "role", "content", "refusal", "tool_calls", "thinking_blocks", "name", "cache_control",
    ])

    private mutating func readAssistant(
        _ message: JSONValue, speaker: String?, _ param: String
    ) throws(WireFormatError) {
        try RequestField.refuseOthers(of: message, than: Self.assistantFields, in: param)
        var pieces = try Self.pieces(message, param, speaker: speaker)
        if pieces.isEmpty, let refusal = try RequestField.string(message["refusal"], "\(param).refusal"),
            !refusal.isEmpty
        {
            pieces = [Piece(part: .text(refusal), mark: Self.mark(on: message))]
        }
        var thoughts: [Thought] = []
        for block in try EchoedReply.thoughts(message, param) {
            if block["type"]?.string == "redacted_thinking" {
                thoughts.append(.redacted(block["data"]?.string ?? ""))
            } else if let text = block["thinking"]?.string {
                thoughts.append(.text(text, signature: block["signature"]?.string ?? ""))
            }
        }
        var found = pieces.map { $0.mark }
        var calls: [Call] = []
        for (index, call) in try RequestField.array(message["tool_calls"], "\(param).tool_calls").enumerated() {
            calls.append(try Self.call(call, "\(param).tool_calls[\(index)]"))
            found.append(Self.mark(on: call))
        }
        // A turn that says nothing is left out, as in every translation.
        guard !pieces.isEmpty || !thoughts.isEmpty || !calls.isEmpty else { return }
        try refuseBlank()
        // A turn of calls alone ends with one.
        if pieces.isEmpty, let last = found.indices.last { found[last] = found[last] ?? Self.mark(on: message) }
        note(found)
        for call in calls { callNames[call.id] = call.name }
        turns.append(.assistant(pieces.map { $0.part }, thoughts: thoughts, calls: calls))
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
            guard let parsed = try? JSONDocument(Array(text.utf8), limits: .argument), parsed.root.kind == .object
            else { throw RequestField.untranslatable(name, "they are no JSON object") }
            arguments = Array(parsed.root.rawBytes)
        }
        return Call(
            id: try RequestField.required(call["id"], "\(param).id"),
            name: try RequestField.required(function?["name"], "\(param).function.name"), arguments: arguments,
            signature: call["extra_content"]?["google"]?["thought_signature"]?.string)
    }

    /// Text and images, without texts that are empty; the message's own mark stands for one on the last of them.
    /// - Parameter speaker: whose name stands before them.
    private static func pieces(
        _ message: JSONValue, _ param: String, speaker: String? = nil
    ) throws(WireFormatError) -> [Piece] {
        guard let content = RequestField.given(message["content"]) else { return [] }
        if let text = content.string {
            let said = speaker.map { "\($0): \(text)" } ?? text
            return text.isEmpty ? [] : [Piece(part: .text(said), mark: mark(on: message))]
        }
        var pieces: [Piece] = []
        for (index, part) in content.elements.enumerated()
        where part["type"]?.string != "text" || part["text"]?.string != "" {
            pieces.append(Piece(part: try self.part(part, "\(param).content[\(index)]"), mark: mark(on: part)))
        }
        if let last = pieces.indices.last { pieces[last].mark = pieces[last].mark ?? mark(on: message) }
        if let speaker, !pieces.isEmpty { pieces.insert(Piece(part: .text("\(speaker):")), at: 0) }
        return pieces
    }

    private static func part(_ part: JSONValue, _ param: String) throws(WireFormatError) -> Part {
        switch part["type"]?.string {
        case "text": .text(try RequestField.required(part["text"], "\(param).text"))
        case "refusal": .text(try RequestField.required(part["refusal"], "\(param).refusal"))
        case "image_url": try image(part["image_url"], "\(param).image_url")
        case let type:
            throw RequestField.untranslatable("\(param).type", "'\((type ?? "").prefix(40))' has no equal there")
        }
    }

    private static func texts(_ pieces: [Piece], _ param: String) throws(WireFormatError) -> [String] {
        var texts: [String] = []
        for piece in pieces {
            guard case .text(let text) = piece.part else {
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
        let mediaType = String(halves[0].dropLast(";base64".count))
        guard RequestField.isImage(mediaType: mediaType) else {
            throw RequestField.bad("\(param).url", "expected 'data:image/…;base64,…'")
        }
        return .image(mediaType: mediaType, data: String(halves[1]), param: "\(param).url")
    }

    mutating func readTools(_ root: JSONValue) throws(WireFormatError) {
        for (index, tool) in try RequestField.array(root["tools"], "tools").enumerated() {
            tools.append(try Self.tool(tool, "tools[\(index)]"))
            marks[.tool(index)] = Self.mark(on: tool)
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
