/// What an answer is to be beyond free text: tools that it may call, a schema that it follows.
package struct AnswerStructure: Hashable, Sendable {
    /// Whether the answer calls a tool.
    package enum Choice: Hashable, Sendable { case auto, none, required }

    /// A tool that may be called.
    package struct Tool: Hashable, Sendable {
        package var name: String
        /// JSON schema of its arguments.
        package var parameters: String
    }

    /// The tools as the client gave them: a JSON array in OpenAI's format; nil: none.
    package var tools: String?
    /// Those of them that this answer may call.
    package var callable: [Tool] = []
    package var choice = Choice.none
    /// Whether one answer may call several.
    package var isParallel = true
    /// JSON schema of the whole answer.
    package var schema: String?
    /// Tools were called before: the conversation has their calls and results in it.
    package var hasToolTurns = false

    /// Whether the model must have a form for tools.
    package var needsTools: Bool { tools != nil || hasToolTurns }
}

extension ChatCompletionRequest {
    /// How an SLM can answer a request.
    package enum ForSLM: Hashable, Sendable {
        /// With free text, step by step.
        case text
        case structured(AnswerStructure)
        /// Not at all.
        case not(Obstacle)
        /// Not with what stands in this field: a grammar would leave out a keyword of its schema, or it is too wide.
        case unheld(field: Obstacle, keyword: String)
    }

    /// Members of one object in tools and in calls of them. A chat template's own JSON looks for each of them by turns,
    /// in a process that other tenants share: thirty thousand take seconds.
    package static let maxMembers = 1_000

    /// How an SLM can answer this; the first reason where it cannot.
    package var forSLM: ForSLM {
        if let found = obstacle(allowing: [.tools, .responseFormat]) { return .not(found) }
        guard !features.isDisjoint(with: [.tools, .responseFormat]) else {
            return opening == nil || messages.contains { $0.role == "user" } ? .text : .not(.prefill)
        }
        // A call may have begun in it, and a grammar begins with the answer.
        guard opening == nil else { return .not(.prefill) }
        let root = document.root
        var structure = AnswerStructure()
        guard Self.readTools(root, into: &structure) else { return .not(.tools) }
        guard Self.mostMembers(root) <= Self.maxMembers else {
            return .unheld(field: .tools, keyword: "an object of more than \(Self.maxMembers) members")
        }
        guard Self.readFormat(root, into: &structure) else { return .not(.responseFormat) }
        // A grammar for the answer leaves no room for a call.
        if structure.schema != nil, structure.choice != .none { return .not(.tools) }
        return Self.unheld(root, structure) ?? .structured(structure)
    }

    /// nil: grammars hold the schemas that the answer is drafted by.
    private static func unheld(_ root: JSONValue, _ structure: AnswerStructure) -> ForSLM? {
        let format = root["response_format"]
        if format?["type"]?.string == "json_schema", let schema = format?["json_schema"]?["schema"],
            let keyword = HeldSchema.obstacle(in: schema)
        {
            return .unheld(field: .responseFormat, keyword: keyword)
        }
        // Calls that need not be made are written freely.
        guard structure.choice == .required else { return nil }
        let names = Set(structure.callable.map(\.name))
        for tool in root["tools"]?.elements ?? [] {
            guard let name = tool["function"]?["name"]?.string, names.contains(name),
                let schema = tool["function"]?["parameters"], schema.kind == .object,
                let keyword = HeldSchema.obstacle(in: schema)
            else { continue }
            return .unheld(field: .tools, keyword: keyword)
        }
        return nil
    }

    /// Members of the widest object in tools and calls, arguments included, which are JSON within texts.
    private static func mostMembers(_ root: JSONValue) -> Int {
        var most = root["tools"].map { members($0.rawBytes) } ?? 0
        for message in root["messages"]?.elements ?? [] {
            guard let calls = message["tool_calls"] else { continue }
            most = max(most, members(calls.rawBytes))
            for call in calls.elements { most = max(most, members(call["function"]?["arguments"]?.utf8 ?? [])) }
        }
        return most
    }

    /// Members of the widest object of a text, which may turn out to be no JSON: whoever reads it has read as many by
    /// then.
    private static func members(_ json: some Sequence<UInt8>) -> Int {
        var (most, isInString, isEscaped) = (0, false, false)
        var open: [Int] = []
        let maxDepth = JSONLimits().maxDepth
        for byte in json {
            guard !isInString else {
                isInString = isEscaped || byte != UInt8(ascii: "\"")
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                // What is nested deeper is refused unread.
                guard open.count < maxDepth else { return most }
                open.append(0)
            case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = open.popLast()
            case UInt8(ascii: ":"):
                guard let last = open.indices.last else { continue }
                open[last] += 1
                most = max(most, open[last])
            default: break
            }
        }
        return most
    }

    private static func isGiven(_ value: JSONValue?) -> Bool { value.map { !$0.isNull } ?? false }

    private static func text(_ value: JSONValue) -> String { String(decoding: value.rawBytes, as: UTF8.self) }

    /// False: something in it that only the vendor knows.
    private static func readTools(_ root: JSONValue, into structure: inout AnswerStructure) -> Bool {
        // The form before tools: no template has it.
        guard !isGiven(root["functions"]), !isGiven(root["function_call"]) else { return false }
        for message in root["messages"]?.elements ?? [] {
            guard message["role"]?.string != "function", !isGiven(message["function_call"]) else { return false }
            let isTool = message["role"]?.string == "tool"
            if isTool || toolCalls(of: message) != nil { structure.hasToolTurns = true }
        }
        let tools = root["tools"]?.elements ?? []
        for tool in tools {
            guard tool["type"]?.string == "function", let name = tool["function"]?["name"]?.string else { return false }
            let parameters = tool["function"]?["parameters"]
            let schema = parameters.flatMap { $0.kind == .object ? text($0) : nil } ?? #"{"type":"object"}"#
            structure.callable.append(AnswerStructure.Tool(name: name, parameters: schema))
        }
        if let value = root["tools"], !tools.isEmpty { structure.tools = text(value) }
        structure.isParallel = root["parallel_tool_calls"]?.bool ?? true
        return readChoice(root["tool_choice"], into: &structure)
    }

    private static func readChoice(_ value: JSONValue?, into structure: inout AnswerStructure) -> Bool {
        guard structure.tools != nil else {
            structure.choice = .none
            return !isGiven(value) || value?.string == "none" || value?.string == "auto"
        }
        switch value?.string {
        case "auto": structure.choice = .auto
        case "none": structure.choice = .none
        case "required": structure.choice = .required
        default:
            guard let value, !value.isNull else {
                structure.choice = .auto
                return true
            }
            guard value["type"]?.string == "function", let name = value["function"]?["name"]?.string,
                let tool = structure.callable.first(where: { $0.name == name })
            else { return false }
            structure.callable = [tool]
            structure.choice = .required
        }
        if structure.choice == .none { structure.callable = [] }
        return true
    }

    private static func readFormat(_ root: JSONValue, into structure: inout AnswerStructure) -> Bool {
        guard let format = root["response_format"], !format.isNull else { return true }
        switch format["type"]?.string {
        case "text": return true
        case "json_object":
            structure.schema = #"{"type":"object"}"#
            return true
        case "json_schema":
            guard let schema = format["json_schema"]?["schema"], schema.kind == .object else { return false }
            structure.schema = text(schema)
            return true
        default: return false
        }
    }
}
