extension ChatCompletionRequest {
    /// Roles that a message may have.
    private static let roles: Set<String> = ["system", "developer", "user", "assistant", "tool", "function"]
    /// OpenAI's bounds.
    package static let maxStopStrings = 4
    package static let maxChoices = 128

    /// Reads and checks a body. The error of a bad field names it in `param`.
    /// - Parameter maxStopStrings: a vendor whose own format is written from it may take more than OpenAI does.
    package init(
        _ body: [UInt8], limits: JSONLimits = JSONLimits(), maxStopStrings: Int = ChatCompletionRequest.maxStopStrings
    ) throws(WireFormatError) {
        let document = try JSONDocument(body, limits: limits)
        let root = document.root
        guard root.kind == .object else {
            throw WireFormatError(.invalidField, "The body must be a JSON object.")
        }
        try Self.checkServiceTier(root["service_tier"])
        let model = try Self.readModel(root["model"])
        let messages = try Self.readMessages(root["messages"])
        let unbounded = Self.readUnbounded(root) ?? messages.compactMap(\.unbounded).first
        self.init(
            document: document,
            model: model,
            messages: messages,
            isStream: try Self.readBool(root["stream"], "stream") ?? false,
            includesUsage: try Self.readIncludeUsage(root["stream_options"]),
            maxTokens: try Self.readCount(root["max_tokens"], "max_tokens", in: 1...Int64(Int32.max)),
            maxCompletionTokens: try Self.readCount(
                root["max_completion_tokens"], "max_completion_tokens", in: 1...Int64(Int32.max)),
            temperature: try Self.readDouble(root["temperature"], "temperature", in: 0...2),
            topP: try Self.readDouble(root["top_p"], "top_p", in: 0...1),
            sampling: try Self.readSampling(root),
            seed: try Self.readInteger(root["seed"], "seed"),
            n: try Self.readCount(root["n"], "n", in: 1...Int64(Self.maxChoices)) ?? 1,
            stop: try Self.readStop(root["stop"], most: maxStopStrings),
            user: try Self.readString(root["user"], "user"),
            metadata: try Self.readMetadata(root["metadata"]),
            features: messages.reduce(try Self.readFeatures(root)) { $0.union($1.features) },
            unbounded: unbounded)
    }

    private static func bad(_ param: String, _ expected: String) -> WireFormatError {
        WireFormatError(.invalidField, "Invalid '\(param)': \(expected).", param: param)
    }

    private static func missing(_ param: String) -> WireFormatError {
        WireFormatError(.missingField, "Missing required parameter: '\(param)'.", param: param)
    }

    /// nil for absent and null, which OpenAI takes for the same.
    private static func given(_ value: JSONValue?) -> JSONValue? {
        guard let value, !value.isNull else { return nil }
        return value
    }

    /// A dearer service than the price book knows would cost more than is held for it.
    private static func checkServiceTier(_ value: JSONValue?) throws(WireFormatError) {
        guard let tier = try readString(value, "service_tier") else { return }
        guard ["auto", "default", "flex"].contains(tier) else {
            throw bad("service_tier", "'auto', 'default' and 'flex' have a price, '\(tier.prefix(30))' has none")
        }
    }

    private static func readModel(_ value: JSONValue?) throws(WireFormatError) -> String {
        guard let model = try readString(value, "model") else { throw missing("model") }
        guard !model.isEmpty else { throw bad("model", "it must not be empty") }
        return model
    }

    private static func readString(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> String? {
        guard let value = given(value) else { return nil }
        guard let text = value.string else { throw bad(param, "expected a string") }
        return text
    }

    private static func readBool(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> Bool? {
        guard let value = given(value) else { return nil }
        guard let flag = value.bool else { throw bad(param, "expected a boolean") }
        return flag
    }

    private static func readInteger(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> Int64? {
        guard let value = given(value) else { return nil }
        guard let number = value.integer else { throw bad(param, "expected an integer") }
        return number
    }

    private static func readCount(
        _ value: JSONValue?, _ param: String, in range: ClosedRange<Int64>
    ) throws(WireFormatError) -> Int? {
        guard let number = try readInteger(value, param) else { return nil }
        guard range.contains(number) else {
            throw bad(param, "expected an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(number)
    }

    private static func readDouble(
        _ value: JSONValue?, _ param: String, in range: ClosedRange<Double>
    ) throws(WireFormatError) -> Double? {
        guard let value = given(value) else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw bad(param, "expected a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func readSampling(_ root: JSONValue) throws(WireFormatError) -> ChatSampling {
        var sampling = ChatSampling()
        sampling.frequencyPenalty = try readDouble(root["frequency_penalty"], "frequency_penalty", in: -2...2)
        sampling.presencePenalty = try readDouble(root["presence_penalty"], "presence_penalty", in: -2...2)
        sampling.topK = try readCount(root["top_k"], "top_k", in: -1...Int64(Int32.max)).map { max(0, $0) }
        sampling.minP = try readDouble(root["min_p"], "min_p", in: 0...1)
        for name in ["repetition_penalty", "repeat_penalty"] {
            sampling.repeatPenalty = try readDouble(root[name], name, in: 0.01...10) ?? sampling.repeatPenalty
        }
        guard let biases = given(root["logit_bias"]) else { return sampling }
        guard biases.kind == .object, biases.members.count <= ChatSampling.maxBiases else {
            throw bad("logit_bias", "expected an object of at most \(ChatSampling.maxBiases) tokens")
        }
        for (key, value) in biases.members {
            guard let token = key.string.flatMap({ Int32($0) }), token >= 0 else {
                throw bad("logit_bias", "expected tokens' numbers as names")
            }
            sampling.logitBias[token] = try readDouble(value, "logit_bias", in: -100...100)
        }
        return sampling
    }

    private static func readIncludeUsage(_ value: JSONValue?) throws(WireFormatError) -> Bool {
        guard let options = given(value) else { return false }
        guard options.kind == .object else { throw bad("stream_options", "expected an object") }
        return try readBool(options["include_usage"], "stream_options.include_usage") ?? false
    }

    private static func readStop(_ value: JSONValue?, most: Int) throws(WireFormatError) -> [String] {
        guard let value = given(value) else { return [] }
        if let text = value.string { return text.isEmpty ? [] : [text] }
        guard value.kind == .array else { throw bad("stop", "expected a string or an array of strings") }
        let elements = value.elements
        guard elements.count <= most else { throw bad("stop", "expected at most \(most) strings") }
        var stop: [String] = []
        for (index, element) in elements.enumerated() {
            guard let text = element.string, !text.isEmpty else {
                throw bad("stop[\(index)]", "expected a string that is not empty")
            }
            stop.append(text)
        }
        return stop
    }

    private static func readMetadata(_ value: JSONValue?) throws(WireFormatError) -> [String: String] {
        guard let value = given(value) else { return [:] }
        guard value.kind == .object else { throw bad("metadata", "expected an object") }
        var pairs: [String: String] = [:]
        for (key, value) in value.members {
            guard let name = key.string, let text = value.string else {
                throw bad("metadata", "expected an object of strings")
            }
            pairs[name] = text
        }
        return pairs
    }

    private static func readFeatures(_ root: JSONValue) throws(WireFormatError) -> Features {
        var features: Features = []
        for name in ["tools", "functions"] {
            guard let value = given(root[name]) else { continue }
            guard value.kind == .array else { throw bad(name, "expected an array") }
            if !value.elements.isEmpty { features.insert(.tools) }
        }
        for name in ["tool_choice", "function_call"] {
            if let choice = given(root[name]), choice.string != "none", choice.string != "auto" {
                features.insert(.tools)
            }
        }
        if let format = given(root["response_format"]) {
            guard format.kind == .object else { throw bad("response_format", "expected an object") }
            if format["type"]?.string != "text" { features.insert(.responseFormat) }
        }
        if try readBool(root["logprobs"], "logprobs") == true { features.insert(.logprobs) }
        if given(root["top_logprobs"]) != nil { features.insert(.logprobs) }
        if given(root["audio"]) != nil { features.insert(.audio) }
        if asksForAudio(root) { features.insert(.audio) }
        if given(root["web_search_options"]) != nil { features.insert(.webSearch) }
        return features
    }

    /// Tools that the client runs: a call ends where one is wanted. A vendor runs others itself, within the same call.
    private static let clientTools: Set<String> = ["function", "custom"]
    /// What some vendors take as orders to ask other models, or to search and read before they answer.
    private static let vendorWork = ["models", "plugins", "compound_custom", "data_sources", "dataSources"]

    /// What makes a call longer than one call, or one of another model than the price was looked up for.
    private static func readUnbounded(_ root: JSONValue) -> String? {
        for (index, tool) in (given(root["tools"])?.elements ?? []).enumerated() {
            if let type = given(tool["type"]), !clientTools.contains(type.string ?? "") { return "tools[\(index)]" }
        }
        if let name = vendorWork(in: root) { return name }
        // Rejected tokens of a prediction are charged as output, beyond the bound of the answer.
        for name in ["web_search_options", "audio", "prediction"] where given(root[name]) != nil { return name }
        return asksForAudio(root) ? "modalities" : nil
    }

    private static func asksForAudio(_ root: JSONValue) -> Bool {
        given(root["modalities"])?.elements.contains { $0.string == "audio" } == true
    }

    /// The first such order in a body.
    static func vendorWork(in root: JSONValue) -> String? {
        for name in vendorWork {
            if let value = given(root[name]), value.kind != .array || !value.elements.isEmpty { return name }
        }
        // Alibaba's: what is found or worked out is read within the call.
        for name in ["enable_search", "enable_code_interpreter"] {
            if let value = given(root[name]), value.bool != false { return name }
        }
        // OpenRouter's: settings that it keeps, which may ask for any of this.
        if given(root["preset"])?.kind == .string { return "preset" }
        if let search = given(root["search_parameters"]), search["mode"]?.string != "off" { return "search_parameters" }
        // A prompt that Google keeps: its tokens are charged, and are not in the body.
        if given(root["extra_body"]?["google"]?["cached_content"]) != nil { return "extra_body.google.cached_content" }
        return nil
    }

    private static func readMessages(_ value: JSONValue?) throws(WireFormatError) -> [Message] {
        guard let value = given(value) else { throw missing("messages") }
        guard value.kind == .array else { throw bad("messages", "expected an array") }
        var messages: [Message] = []
        for (index, element) in value.elements.enumerated() {
            messages.append(try readMessage(element, "messages[\(index)]"))
        }
        guard !messages.isEmpty else { throw bad("messages", "expected at least one message") }
        tellApart(&messages)
        return messages
    }

    /// Keeps the names of speakers in a role that has several, an unnamed one among them, and says who speaks.
    private static func tellApart(_ messages: inout [Message]) {
        guard messages.contains(where: { $0.speaker != nil }) else { return }
        var speakers: [String: Set<String?>] = [:]
        for message in messages { speakers[message.role, default: []].insert(message.speaker) }
        for index in messages.indices {
            guard let name = messages[index].speaker else { continue }
            if speakers[messages[index].role, default: []].count == 1 {
                messages[index].speaker = nil
            } else if !messages[index].text.isEmpty {
                messages[index].text = "\(name): \(messages[index].text)"
            }
        }
    }

    /// Calls of tools in an assistant's message; a list without any is none.
    static func toolCalls(of message: JSONValue) -> JSONValue? {
        guard let calls = given(message["tool_calls"]), calls.kind != .array || !calls.elements.isEmpty else {
            return nil
        }
        return calls
    }

    private static func readMessage(_ value: JSONValue, _ param: String) throws(WireFormatError) -> Message {
        guard value.kind == .object else { throw bad(param, "expected an object") }
        guard let role = try readString(value["role"], "\(param).role") else { throw missing("\(param).role") }
        guard roles.contains(role) else {
            throw bad("\(param).role", "expected one of \(roles.sorted().joined(separator: ", "))")
        }
        var message = Message(role: role, text: "")
        let calls = toolCalls(of: value)
        if calls != nil || given(value["function_call"]) != nil || role == "tool" || role == "function" {
            message.features.insert(.tools)
        }
        message.toolCalls = calls.map { String(decoding: $0.rawBytes, as: UTF8.self) }
        if role == "tool" {
            message.toolCallID = value["tool_call_id"]?.string
            message.name = value["name"]?.string
        } else if role != "function", let name = value["name"]?.string, !name.isEmpty {
            message.speaker = name
        }
        if role == "assistant", given(value["audio"]) != nil { message.flag(.audio, "\(param).audio") }
        guard let content = given(value["content"]) else {
            // An assistant's turn may consist of a refusal, of audio or of tool calls alone.
            guard role == "assistant" else { throw missing("\(param).content") }
            message.text = try readString(value["refusal"], "\(param).refusal") ?? ""
            return message
        }
        if let text = content.string {
            message.text = text
            return message
        }
        guard content.kind == .array else { throw bad("\(param).content", "expected a string or an array of parts") }
        for (index, part) in content.elements.enumerated() {
            try readPart(part, "\(param).content[\(index)]", into: &message)
        }
        return message
    }

    private static func readPart(
        _ part: JSONValue, _ param: String, into message: inout Message
    ) throws(WireFormatError) {
        guard part.kind == .object else { throw bad(param, "expected an object") }
        guard let type = try readString(part["type"], "\(param).type") else { throw missing("\(param).type") }
        switch type {
        case "text", "refusal":
            guard let text = try readString(part[type], "\(param).\(type)") else {
                throw missing("\(param).\(type)")
            }
            message.text += text
        case "image_url" where RequestField.isOtherData(part["image_url"]): message.flag(.otherParts, param)
        case "image_url":
            message.features.insert(.images)
            message.images += 1
            let url = part["image_url"]?["url"]
            if url?.string?.hasPrefix("data:") == true { message.imageBytes += url?.rawBytes.count ?? 0 }
        // Mistral's models give their thoughts among the parts, and clients send them back.
        case "thinking" where message.role == "assistant" && SpokenContent.isThought(part): break
        case "input_audio": message.flag(.audio, param)
        default: message.flag(.otherParts, param)
        }
    }
}

extension ChatCompletionRequest.Message {
    /// Notes a feature that has no bound, and the first field that asks for one.
    fileprivate mutating func flag(_ feature: ChatCompletionRequest.Features, _ param: String) {
        features.insert(feature)
        unbounded = unbounded ?? param
    }
}
