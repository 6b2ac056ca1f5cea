extension ChatRequest {
    /// A tool that the reply may call.
    struct Tool: Hashable, Sendable {
        var name: String
        var description: String?
        /// Of its arguments; nil: none was given.
        var schema: JSONTree?
    }

    /// Which of the tools are to be called.
    enum Choice: Hashable, Sendable {
        case auto, never, any
        case named(String)
    }

    /// Takes the tools of a request, of whatever format it is.
    /// - Parameter field: what the choice is called there.
    mutating func offer(_ offered: [Tool], _ choice: Choice, field: String = "tool_choice") throws {
        otherBytes = offered.reduce(0) { $0 + $1.name.utf8.count + ($1.description ?? "").utf8.count }
        switch choice {
        case .auto: tools = offered
        case .never: tools = []
        case .any: (tools, isForced) = (offered, true)
        case .named(let name):
            (tools, isForced) = (offered.filter { $0.name == name }, true)
            guard !tools.isEmpty else {
                throw Invalid(message: "\(field): there is no tool \"\(name)\" among those offered")
            }
        }
    }
}

/// A tool as OpenAI's chat requests offer it.
struct OfferedFunction: Decodable, Sendable {
    private struct Function: Decodable, Sendable {
        var name: String
        var description: String?
        var parameters: JSONTree?
    }
    private var type: String?
    private var function: Function?

    /// - Parameter index: its place among the tools.
    func tool(at index: Int) throws -> ChatRequest.Tool {
        if let type { try Self.check(type, at: index) }
        guard let function else { throw ChatRequest.Invalid(message: "tools[\(index)].function: Field required") }
        return .init(name: function.name, description: function.description, schema: function.parameters)
    }

    /// Throws unless the type is one that is simulated.
    static func check(_ type: String, at index: Int) throws {
        guard type == "function" else {
            throw ChatRequest.Invalid(
                message: "tools[\(index)].type: \"\(type)\" is not simulated; only \"function\" is")
        }
    }
}

/// `tool_choice` of OpenAI's requests: a word, or an object that names a function. In chat's the name stands within
/// `function`.
struct WantedCall: Decodable, Sendable {
    private struct Named: Decodable, Sendable { var name: String? }
    private enum Key: String, CodingKey { case type, function, name }
    private var word: String?
    private var type = ""
    private var function: Named?
    private var name: String?

    init(from decoder: any Decoder) throws {
        word = try? decoder.singleValueContainer().decode(String.self)
        guard word == nil else { return }
        let fields = try decoder.container(keyedBy: Key.self)
        type = try fields.decode(String.self, forKey: .type)
        // What else stands there is another type's.
        guard type == "function" else { return }
        function = try fields.decodeIfPresent(Named.self, forKey: .function)
        name = try fields.decodeIfPresent(String.self, forKey: .name)
    }

    private static let words: [String: ChatRequest.Choice] = ["auto": .auto, "none": .never, "required": .any]

    /// - Parameter isNested: as chat has it.
    func choice(isNested: Bool) throws -> ChatRequest.Choice {
        if let word {
            guard let choice = Self.words[word] else {
                throw ChatRequest.Invalid(message: "tool_choice: \"\(word)\" is none of auto, none, required")
            }
            return choice
        }
        guard type == "function" else {
            throw ChatRequest.Invalid(
                message: "tool_choice.type: \"\(type)\" is not simulated; only \"function\" is, or a word: auto, none, "
                    + "required")
        }
        guard let wanted = isNested ? function?.name : name else {
            throw ChatRequest.Invalid(message: "tool_choice.\(isNested ? "function.name" : "name"): Field required")
        }
        return .named(wanted)
    }
}

/// How an answer is to be written, as OpenAI's requests and Anthropic's say it. In chat's the schema stands within
/// `json_schema`.
struct AnswerFormat: Decodable, Sendable {
    private struct Named: Decodable, Sendable { var schema: JSONTree? }
    private var type: String
    private var named: Named?
    private var own: JSONTree?
    private enum CodingKeys: String, CodingKey {
        case type
        case named = "json_schema"
        case own = "schema"
    }

    /// What the answer is to fit; nil: prose.
    /// - Parameters:
    ///   - isNested: as chat has it.
    ///   - field: what the format is called in the request.
    func schema(isNested: Bool, field: String) throws -> JSONTree? {
        switch type {
        case "text": return nil
        case "json_object": return .object([:])
        case "json_schema":
            if isNested, let named { return named.schema ?? .object([:]) }
            if !isNested, let own { return own }
            throw ChatRequest.Invalid(message: "\(field).\(isNested ? "json_schema" : "schema"): Field required")
        default:
            throw ChatRequest.Invalid(
                message: "\(field).type: \"\(type)\" is none of text, json_object, json_schema")
        }
    }
}
