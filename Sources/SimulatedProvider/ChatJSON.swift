/// The JSON of chat-completions answers, written by hand: key order stays OpenAI's, and a chunk costs little.
struct ChatJSON: Sendable {
    struct Usage: Hashable, Sendable {
        var input: Int
        var output: Int

        var json: String {
            #"{"prompt_tokens":\#(input),"completion_tokens":\#(output),"total_tokens":\#(input + output),"#
                + #""prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}"#
        }
    }

    var id: String
    var created: Int
    var model: String
    /// Whether chunks without usage say so (`"usage":null`), as OpenAI's do when usage was asked for.
    var namesUsage: Bool

    private func head(_ object: String) -> String {
        #"{"id":"\#(id)","object":"\#(object)","created":\#(created),"model":\#(Self.string(model)),"#
            + #""system_fingerprint":"simulated","#
    }

    private func chunk(delta: String, finish: String?, usage: Usage?) -> String {
        let end = usage.map { #","usage":\#($0.json)"# } ?? (namesUsage ? #","usage":null"# : "")
        let reason = finish.map(Self.string) ?? "null"
        return Self.event(
            head("chat.completion.chunk")
                + #""choices":[{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":\#(reason)}]\#(end)}"#)
    }

    func first() -> String { chunk(delta: #"{"role":"assistant","content":""}"#, finish: nil, usage: nil) }
    func text(_ text: String) -> String {
        chunk(delta: #"{"content":\#(Self.string(text))}"#, finish: nil, usage: nil)
    }
    func finish(_ reason: String, usage: Usage?) -> String { chunk(delta: "{}", finish: reason, usage: usage) }
    func usage(_ usage: Usage) -> String {
        Self.event(head("chat.completion.chunk") + #""choices":[],"usage":\#(usage.json)}"#)
    }
    static let done = event("[DONE]")
    /// An event that is no JSON.
    static let garbage = event(#"{"id":"chatcmpl-","choices":[{"delta":{"content":"\u00"#)

    /// The answer of a call that does not stream.
    func whole(_ reply: SimulatedReply, usage: Usage?) -> String {
        head("chat.completion")
            + #""choices":[{"index":0,"message":{"role":"assistant","content":\#(Self.string(reply.text)),"#
            + #""refusal":null},"logprobs":null,"finish_reason":\#(Self.string(reply.finishReason))}]"#
            + (usage.map { #","usage":\#($0.json)"# } ?? "") + "}"
    }

    static func models(_ names: [String], created: Int) -> String {
        let rows = names.map {
            #"{"id":\#(string($0)),"object":"model","created":\#(created),"owned_by":"simulated"}"#
        }
        return #"{"object":"list","data":[\#(rows.joined(separator: ","))]}"#
    }

    static func error(_ message: String, type: String, code: String?) -> String {
        #"{"error":{"message":\#(string(message)),"type":\#(string(type)),"param":null,"#
            + #""code":\#(code.map(string) ?? "null")}}"#
    }

    private static func event(_ data: String) -> String { "data: \(data)\n\n" }

    static func string(_ text: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var json: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
            case 0x0a: json += Array(#"\n"#.utf8)
            case 0..<0x20: json += Array(#"\u00"#.utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
        return String(decoding: json, as: UTF8.self)
    }
}
