/// The JSON of Anthropic's messages, written by hand.
struct MessagesJSON: WireJSON {
    var id: String
    var model: String
    private static let signature = "c2ltdWxhdGVk"

    private static func event(_ name: String, _ members: String) -> String {
        "event: \(name)\ndata: {\"type\":\"\(name)\"\(members.isEmpty ? "" : ",")\(members)}\n\n"
    }

    private static func string(_ text: String) -> String { ChatJSON.string(text) }

    /// What was neither read from the cache nor written to it counts as input.
    private static func json(_ usage: SimulatedUsage, output: Int) -> String {
        let write = usage.cacheWrite5m + usage.cacheWrite1h
        return #"{"input_tokens":\#(usage.input - usage.cached - write),"cache_creation_input_tokens":\#(write),"#
            + #""cache_read_input_tokens":\#(usage.cached),"cache_creation":{"#
            + #""ephemeral_5m_input_tokens":\#(usage.cacheWrite5m),"#
            + #""ephemeral_1h_input_tokens":\#(usage.cacheWrite1h)},"#
            + #""output_tokens":\#(output),"service_tier":"standard"}"#
    }

    private func head(content: String, stop: String, usage: String?) -> String {
        #"{"id":"\#(id)","type":"message","role":"assistant","model":\#(Self.string(model)),"content":[\#(content)],"#
            + #""stop_reason":\#(stop),"stop_sequence":null\#(usage.map { #","usage":\#($0)"# } ?? "")}"#
    }

    /// As the real one: all of the input, and an output that has hardly begun. A stale beginning counts what the end
    /// will replace with zeros.
    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String {
        let stale =
            #"{"input_tokens":7,"cache_creation_input_tokens":11,"cache_read_input_tokens":13,"output_tokens":1}"#
        let counts = isStale ? stale : usage.map { Self.json($0, output: 1) }
        return Self.event("message_start", #""message":\#(head(content: "", stop: "null", usage: counts))"#)
            + Self.event("ping", "")
    }

    func events(_ pieces: [SimulatedReply.Piece]) -> [String] {
        var block = -1
        var kind = ""
        var out: [String] = []
        for piece in pieces {
            var event = ""
            func open(_ name: String, _ json: String) {
                guard kind != name else { return }
                event += stop(block, kind)
                block += 1
                kind = name
                event += Self.event("content_block_start", #""index":\#(block),"content_block":\#(json)"#)
            }
            switch piece {
            case .thinking(let text):
                open("thinking", #"{"type":"thinking","thinking":"","signature":""}"#)
                event += delta(block, "thinking_delta", "thinking", text)
            case .text(let text):
                open("text", #"{"type":"text","text":""}"#)
                event += delta(block, "text_delta", "text", text)
            case .tool(let index, let name):
                open("tool \(index)", tool(index, name: name, input: "{}"))
                event += delta(block, "input_json_delta", "partial_json", "")
            case .arguments(_, let text): event += delta(block, "input_json_delta", "partial_json", text)
            }
            out.append(event)
        }
        return out
    }

    private func stop(_ block: Int, _ kind: String) -> String {
        guard block >= 0 else { return "" }
        let signature = kind == "thinking" ? delta(block, "signature_delta", "signature", Self.signature) : ""
        return signature + Self.event("content_block_stop", #""index":\#(block)"#)
    }

    private func delta(_ block: Int, _ type: String, _ name: String, _ text: String) -> String {
        Self.event(
            "content_block_delta",
            #""index":\#(block),"delta":{"type":"\#(type)","\#(name)":\#(Self.string(text))}"#)
    }

    private func tool(_ index: Int, name: String, input: String) -> String {
        #"{"type":"tool_use","id":"toolu_\#(id)_\#(index)","name":\#(Self.string(name)),"input":\#(input)}"#
    }

    func midway(_ usage: SimulatedUsage) -> String {
        Self.event(
            "message_delta",
            #""delta":{"stop_reason":null,"stop_sequence":null},"usage":{"output_tokens":\#(usage.output)}"#)
    }

    var garbage: String { "event: content_block_delta\ndata: {\"type\":\"content_bl\n\n" }

    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String {
        // Blocks are counted as they were opened.
        var kinds: [String] = []
        for piece in reply.pieces {
            switch piece {
            case .thinking: if kinds.last != "thinking" { kinds.append("thinking") }
            case .text: if kinds.last != "text" { kinds.append("text") }
            case .tool: kinds.append("tool")
            case .arguments: break
            }
        }
        let counts = usage.map { #","usage":\#(Self.json($0, output: $0.output))"# } ?? ""
        return stop(kinds.count - 1, kinds.last ?? "")
            + Self.event(
                "message_delta", #""delta":{"stop_reason":"\#(Self.reason(reply))","stop_sequence":null}\#(counts)"#)
            + Self.event("message_stop", "")
    }

    private static func reason(_ reply: SimulatedReply) -> String {
        switch reply.finishReason {
        case "length": "max_tokens"
        case "tool_calls": "tool_use"
        default: "end_turn"
        }
    }

    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        var blocks: [String] = []
        if !reply.thinking.isEmpty {
            blocks.append(
                #"{"type":"thinking","thinking":\#(Self.string(reply.thinking)),"signature":"\#(Self.signature)"}"#)
        }
        if !reply.text.isEmpty { blocks.append(#"{"type":"text","text":\#(Self.string(reply.text))}"#) }
        for (index, call) in reply.tools.enumerated() {
            blocks.append(tool(index, name: call.name, input: SimulatedReply.object(call.arguments)))
        }
        return head(
            content: blocks.joined(separator: ","), stop: "\"\(Self.reason(reply))\"",
            usage: usage.map { Self.json($0, output: $0.output) })
    }

    static func error(_ message: String, type: String, details: String?) -> String {
        #"{"type":"error","error":{"type":"\#(type)","message":\#(string(message))"#
            + (details.map { #","details":\#($0)"# } ?? "") + "}}"
    }
}
