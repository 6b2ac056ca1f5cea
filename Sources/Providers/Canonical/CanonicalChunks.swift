internal import GatewayCore
internal import WireFormat

/// Writes what a vendor's own format said in OpenAI's: the events of a stream, or one body.
struct CanonicalChunks: Sendable {
    /// Bound of one thought, which is kept until its signature.
    static let maxThoughtBytes = 4 * 1024 * 1024

    private let created: Int64
    private let model: String
    private var writer: ChatCompletionWriter
    private var hasBegun = false
    /// Tool calls so far.
    private(set) var calls = 0
    /// Whole thoughts so far.
    private var thoughts = 0
    /// Of a whole body.
    private var text: String?
    private var thought = ""
    private var blocks: [[UInt8]] = []
    private var wholeCalls: [[UInt8]] = []

    /// - Parameter created: Unix time in seconds.
    init(id: String = "chatcmpl", created: Int64, model: String) {
        self.created = created
        self.model = model
        writer = ChatCompletionWriter(id: id, created: created, model: model)
    }

    /// Takes the vendor's id of the answer, which must not change once something was written.
    mutating func identify(_ id: String) {
        if !hasBegun { writer = ChatCompletionWriter(id: id, created: created, model: model) }
    }

    mutating func begin(to out: inout [UInt8]) {
        if !hasBegun { writer.appendRole(to: &out) }
        hasBegun = true
    }

    // MARK: A stream

    mutating func append(text piece: String, to out: inout [UInt8]) {
        guard !piece.isEmpty else { return }
        begin(to: &out)
        writer.appendContent(piece, to: &out)
    }

    mutating func append(thought piece: String, to out: inout [UInt8]) {
        guard !piece.isEmpty else { return }
        begin(to: &out)
        var json = JSONWriter()
        json.beginObject()
        json.member("reasoning_content", piece)
        json.endObject()
        writer.appendDelta(json.bytes, to: &out)
    }

    /// A whole thought as clients send it back.
    mutating func append(block: [UInt8], to out: inout [UInt8]) {
        begin(to: &out)
        writer.appendDelta(ThinkingBlock.delta(block, number: thoughts), to: &out)
        thoughts += 1
    }

    /// The beginning of a call, or all of it.
    mutating func append(
        callID id: String, name: String, arguments: String, signature: String? = nil, to out: inout [UInt8]
    ) {
        begin(to: &out)
        var json = JSONWriter(reserving: arguments.utf8.count + 128)
        json.beginObject()
        json.member("index", Int64(calls))
        Self.write(id: id, name: name, arguments: arguments, signature: signature, &json)
        json.endObject()
        calls += 1
        append(call: json.bytes, to: &out)
    }

    /// More of the arguments of the call that began last.
    func append(arguments piece: String, to out: inout [UInt8]) {
        guard !piece.isEmpty else { return }
        append(call: ToolCall.json(index: max(calls - 1, 0), id: nil, name: nil, arguments: piece), to: &out)
    }

    private func append(call: [UInt8], to out: inout [UInt8]) {
        writer.appendDelta(Array(#"{"tool_calls":["#.utf8) + call + Array("]}".utf8), to: &out)
    }

    /// Finish, usage and end mark.
    mutating func finish(_ reason: String, usage: TokenUsage?, to out: inout [UInt8]) {
        begin(to: &out)
        writer.appendFinish(reason, to: &out)
        if let usage { writer.appendUsage(TokenCounts(usage), gboost: nil, to: &out) }
        ChatCompletionWriter.appendDone(to: &out)
    }

    // MARK: A body

    mutating func add(text piece: String) { text = (text ?? "") + piece }
    mutating func add(thought piece: String) { thought += piece }
    mutating func add(block: [UInt8]) { blocks.append(block) }

    mutating func add(callID id: String, name: String, arguments: String, signature: String? = nil) {
        var json = JSONWriter(reserving: arguments.utf8.count + 128)
        json.beginObject()
        Self.write(id: id, name: name, arguments: arguments, signature: signature, &json)
        json.endObject()
        calls += 1
        wholeCalls.append(json.bytes)
    }

    func body(_ reason: String, usage: TokenUsage?) -> [UInt8] {
        var out = JSONWriter(reserving: 512)
        out.beginObject()
        out.member("role", "assistant")
        out.member("content", text)
        out.member("refusal", nil as String?)
        if !thought.isEmpty { out.member("reasoning_content", thought) }
        for (name, values) in [("thinking_blocks", blocks), ("tool_calls", wholeCalls)] where !values.isEmpty {
            out.key(name)
            out.beginArray()
            for value in values { out.raw(value) }
            out.endArray()
        }
        out.endObject()
        return writer.completion(message: out.bytes, finishReason: reason, usage: usage.map { TokenCounts($0) })
    }

    private static func write(
        id: String, name: String, arguments: String, signature: String?, _ json: inout JSONWriter
    ) {
        json.member("id", id)
        json.member("type", "function")
        json.key("function")
        json.beginObject()
        json.member("name", name)
        json.member("arguments", arguments)
        json.endObject()
        guard let signature else { return }
        // As Google's own endpoint of this format names it.
        json.key("extra_content")
        json.beginObject()
        json.key("google")
        json.beginObject()
        json.member("thought_signature", signature)
        json.endObject()
        json.endObject()
    }
}

extension TokenCounts {
    /// The canonical counts as OpenAI's format states them.
    init(_ usage: TokenUsage) {
        self.init(
            prompt: usage.input, cached: usage.cachedInput, cacheWrite: usage.cacheWrite5m + usage.cacheWrite1h,
            cacheWrite1h: usage.cacheWrite1h, completion: usage.output, reasoning: usage.reasoning)
    }
}
