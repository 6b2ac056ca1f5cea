/// The JSON of chat-completions answers, written by hand: key order stays OpenAI's, and a chunk costs little.
struct ChatJSON: WireJSON {
    var id: String
    var created: Int
    var model: String
    /// Whether chunks without usage say so (`"usage":null`), as OpenAI's do when usage was asked for.
    var namesUsage: Bool

    private func head(_ object: String) -> String {
        #"{"id":"\#(id)","object":"\#(object)","created":\#(created),"model":\#(Self.string(model)),"#
            + #""system_fingerprint":"simulated","#
    }

    static func json(_ usage: SimulatedUsage) -> String {
        #"{"prompt_tokens":\#(usage.input),"completion_tokens":\#(usage.output),"#
            + #""total_tokens":\#(usage.input + usage.output),"#
            + #""prompt_tokens_details":{"cached_tokens":\#(usage.cached),"#
            + #""cache_write_tokens":\#(usage.cacheWrite5m + usage.cacheWrite1h)},"#
            + #""completion_tokens_details":{"reasoning_tokens":\#(usage.thinking)}}"#
    }

    private func chunk(delta: String, finish: String? = nil, usage: SimulatedUsage? = nil) -> String {
        let end = usage.map { #","usage":\#(Self.json($0))"# } ?? (namesUsage ? #","usage":null"# : "")
        let reason = finish.map(Self.string) ?? "null"
        return Self.event(
            head("chat.completion.chunk")
                + #""choices":[{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":\#(reason)}]\#(end)}"#)
    }

    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String {
        chunk(delta: #"{"role":"assistant","content":""}"#)
    }

    func events(_ pieces: [SimulatedReply.Piece]) -> [String] {
        pieces.map { piece in
            switch piece {
            case .thinking(let text): chunk(delta: #"{"reasoning_content":\#(Self.string(text))}"#)
            case .text(let text): chunk(delta: #"{"content":\#(Self.string(text))}"#)
            case .tool(let index, let name):
                chunk(delta: #"{"tool_calls":[{"index":\#(index),\#(call(index, name: name, arguments: ""))}]}"#)
            case .arguments(let index, let text):
                chunk(
                    delta: #"{"tool_calls":[{"index":\#(index),"function":{"arguments":\#(Self.string(text))}}]}"#)
            }
        }
    }

    private func call(_ index: Int, name: String, arguments: String) -> String {
        #""id":"call_\#(id)_\#(index)","type":"function","function":{"name":\#(Self.string(name)),"#
            + #""arguments":\#(Self.string(arguments))}"#
    }

    func midway(_ usage: SimulatedUsage) -> String {
        Self.event(head("chat.completion.chunk") + #""choices":[],"usage":\#(Self.json(usage))}"#)
    }

    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String {
        let finish = chunk(delta: "{}", finish: reply.finishReason, usage: isInChoices ? usage : nil)
        let own = isInChoices ? nil : usage.map(midway)
        return finish + (own ?? "") + Self.event("[DONE]")
    }

    var garbage: String { Self.event(#"{"id":"chatcmpl-","choices":[{"delta":{"content":"\u00"#) }

    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        let calls = reply.tools.enumerated().map {
            "{\(call($0.offset, name: $0.element.name, arguments: $0.element.arguments))}"
        }
        let content = calls.isEmpty ? Self.string(reply.text) : "null"
        return head("chat.completion")
            + #""choices":[{"index":0,"message":{"role":"assistant","content":\#(content),"refusal":null"#
            + (reply.thinking.isEmpty ? "" : #","reasoning_content":\#(Self.string(reply.thinking))"#)
            + (calls.isEmpty ? "" : #","tool_calls":[\#(calls.joined(separator: ","))]"#)
            + #"},"logprobs":null,"finish_reason":\#(Self.string(reply.finishReason))}]"#
            + (usage.map { #","usage":\#(Self.json($0))"# } ?? "") + "}"
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

    static func event(_ data: String) -> String { "data: \(data)\n\n" }

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
