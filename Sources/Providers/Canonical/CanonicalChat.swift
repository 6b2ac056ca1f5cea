internal import WireFormat

/// A chat request as vendors' own formats are written from it: what the body of OpenAI's format says, read once.
///
/// A field that asks for something and is not read here is an error that names it, as in every translation.
struct CanonicalChat: Sendable {
    /// A piece of a turn.
    enum Part: Sendable {
        case text(String)
        /// Base64, as it came.
        /// - Parameter param: the field that it came in, for a vendor that does not take it: messages that say nothing
        ///   and systems are no turns, so that a turn's number is not its message's.
        case image(mediaType: String, data: String, param: String)
    }
    /// A tool that the model called.
    struct Call: Sendable {
        var id: String
        var name: String
        /// A JSON object.
        var arguments: [UInt8]
        /// A vendor's mark of the thought behind it, which wants to come back.
        var signature: String?
    }
    /// A thought of an earlier turn.
    enum Thought: Sendable {
        case text(String, signature: String)
        case redacted(String)
    }
    /// A message.
    enum Turn: Sendable {
        case user([Part])
        case assistant([Part], thoughts: [Thought], calls: [Call])
        /// What a call came to, with the name of its tool.
        case result(id: String, name: String, text: String)
    }
    /// A tool that may be called.
    struct Tool: Sendable {
        var name: String
        var description: String?
        /// A JSON schema; nil: it takes nothing.
        var schema: [UInt8]?
        var isStrict = false
    }
    /// Whether and which tool is to be called.
    enum Choice: Hashable, Sendable {
        case auto, any, none
        case tool(String)
    }
    /// What form the answer is to have.
    enum Form: Sendable {
        case json
        case schema(name: String?, json: [UInt8])
    }

    /// How long a vendor is asked to keep the prompt up to a mark, in Anthropic's `cache_control`.
    enum CacheMark: Hashable, Sendable {
        case usual, hour
    }
    /// What a mark stands behind, in the order in which a prompt is read.
    enum Place: Hashable, Comparable, Sendable {
        case tool(Int)
        case system(Int)
        /// Among the turn's parts and the calls behind them; a result is one.
        case item(turn: Int, index: Int)
    }

    /// By its name at the vendor.
    let model: String
    var system: [String] = []
    var turns: [Turn] = []
    /// A turn of the user's without anything in it that was read last: a part of the next, if that is the user's.
    var blank: String?
    var maxTokens: Int?
    var temperature: Double?
    var topP: Double?
    var topK: Int?
    var frequencyPenalty: Double?
    var presencePenalty: Double?
    var seed: Int64?
    var stop: [String] = []
    var tools: [Tool] = []
    var choice: Choice?
    /// One call at a time was asked for.
    var isSerial = false
    var form: Form?
    /// "none", "minimal", "low", "medium", "high", …
    var effort: String?
    /// Anthropic's object of this name, which chats may carry.
    var thinking: JSONValue?

    /// Where the client marks the prompt. They stand aside, for vendors that keep prompts unasked read over them.
    var marks: [Place: CacheMark] = [:]
    /// Names of the tools by the calls' ids: results name the call alone.
    var callNames: [String: String] = [:]

    /// Fields that are read, or that say nothing that a vendor has to know.
    static let known: Set<String> = [
        "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "stream",
        "stream_options", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "user",
        "thinking", "n", "logprobs", "store", "service_tier", "frequency_penalty", "presence_penalty", "modalities",
        "logit_bias", "seed", "cache_control",
    ]

    /// - Parameter body: in the form of OpenAI's chat completions; its `model` is not looked at.
    init(_ body: [UInt8], model: String) throws(WireFormatError) {
        self.model = model
        // How many there may be is for each vendor's writer to say.
        let request = try ChatCompletionRequest(body, maxStopStrings: .max)
        let root = request.document.root
        try RequestField.refuseOthers(of: root, than: Self.known)
        try Self.checkDefaults(request, root)
        maxTokens = request.outputLimit
        temperature = request.temperature
        topP = request.topP
        topK = request.sampling.topK.flatMap { $0 > 0 ? $0 : nil }
        frequencyPenalty = request.sampling.frequencyPenalty
        presencePenalty = request.sampling.presencePenalty
        seed = request.seed
        stop = request.stop
        for (index, message) in try RequestField.array(root["messages"], "messages").enumerated() {
            try read(message, as: request.messages[index], "messages[\(index)]")
        }
        try refuseBlank()
        guard !turns.isEmpty else { throw RequestField.bad("messages", "expected more than a system prompt") }
        markEnd(root)
        try readTools(root)
        try readForm(root)
        effort = try RequestField.string(root["reasoning_effort"], "reasoning_effort")
        thinking = try RequestField.object(root["thinking"], "thinking")
    }

    /// The assistant's last turn calls tools, and it has not thought since the user spoke last: within a budget Claude
    /// goes on from calls only where their thought comes back with them, which frameworks may have lost.
    var lacksThought: Bool {
        var (hasThought, lacksThought) = (false, false)
        for turn in turns {
            switch turn {
            case .user: hasThought = false
            case .result: break
            case .assistant(_, let thoughts, let calls):
                hasThought = hasThought || !thoughts.isEmpty
                lacksThought = !calls.isEmpty && !hasThought
            }
        }
        return lacksThought
    }

    /// What may be given as long as it asks for nothing.
    private static func checkDefaults(_ request: ChatCompletionRequest, _ root: JSONValue) throws(WireFormatError) {
        func refuse(_ name: String, unless isDefault: Bool) throws(WireFormatError) {
            if !isDefault { throw RequestField.untranslatable(name, "it has no equal there") }
        }
        try refuse("n", unless: request.n == 1)
        try refuse("logprobs", unless: root["logprobs"]?.bool != true)
        try refuse("store", unless: root["store"]?.bool != true)
        try refuse("service_tier", unless: ["auto", "default", nil].contains(root["service_tier"]?.string))
        try refuse("logit_bias", unless: request.sampling.logitBias.isEmpty)
        let modalities = try RequestField.array(root["modalities"], "modalities")
        try refuse("modalities", unless: modalities.allSatisfy { $0.string == "text" })
    }
}
