/// The JSON of OpenAI's completions.
struct CompletionsJSON: WireJSON {
    var id: String
    var created: Int
    var model: String

    private func body(_ text: String, finish: String?, usage: SimulatedUsage?) -> String {
        #"{"id":"\#(id)","object":"text_completion","created":\#(created),"model":\#(ChatJSON.string(model)),"#
            + #""choices":[{"index":0,"text":\#(ChatJSON.string(text)),"logprobs":null,"finish_reason":"#
            + (finish.map(ChatJSON.string) ?? "null") + "}]" + (usage.map { #","usage":\#(ChatJSON.json($0))"# } ?? "")
            + "}"
    }

    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String { "" }
    func events(_ pieces: [SimulatedReply.Piece]) -> [String] {
        pieces.map { ChatJSON.event(body(String(decoding: $0.bytes, as: UTF8.self), finish: nil, usage: nil)) }
    }
    func midway(_ usage: SimulatedUsage) -> String { ChatJSON.event(body("", finish: nil, usage: usage)) }
    var garbage: String { ChatJSON.event("{") }
    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String {
        ChatJSON.event(body("", finish: reply.finishReason, usage: usage)) + ChatJSON.event("[DONE]")
    }
    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        body(reply.text, finish: reply.finishReason, usage: usage)
    }
}

/// The JSON of OpenAI's embeddings: always the same three numbers.
struct EmbeddingsJSON: WireJSON {
    var model: String

    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String { "" }
    func events(_ pieces: [SimulatedReply.Piece]) -> [String] { [] }
    func midway(_ usage: SimulatedUsage) -> String { "" }
    var garbage: String { "{" }
    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String { "" }
    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        let counts = usage.map { #","usage":{"prompt_tokens":\#($0.input),"total_tokens":\#($0.input)}"# } ?? ""
        return #"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25,-0.5,1e-3]}],"#
            + #""model":\#(ChatJSON.string(model))\#(counts)}"#
    }
}

/// The JSON of OpenAI's responses.
struct ResponsesJSON: WireJSON {
    var id: String
    var created: Int
    var model: String

    private static func event(_ type: String, _ members: String) -> String {
        "event: \(type)\ndata: {\"type\":\"\(type)\",\"sequence_number\":0,\(members)}\n\n"
    }

    private static func json(_ usage: SimulatedUsage) -> String {
        #"{"input_tokens":\#(usage.input),"input_tokens_details":{"cached_tokens":\#(usage.cached)},"#
            + #""output_tokens":\#(usage.output),"output_tokens_details":{"reasoning_tokens":\#(usage.thinking)},"#
            + #""total_tokens":\#(usage.input + usage.output)}"#
    }

    private func response(_ status: String, output: String, usage: SimulatedUsage?) -> String {
        #"{"id":"\#(id)","object":"response","created_at":\#(created),"status":"\#(status)","error":null,"#
            + #""incomplete_details":null,"instructions":null,"metadata":{},"model":\#(ChatJSON.string(model)),"#
            + #""output":[\#(output)],"parallel_tool_calls":true,"temperature":1,"tool_choice":"auto","tools":[],"#
            + #""top_p":1,"usage":\#(usage.map(Self.json) ?? "null")}"#
    }

    private func output(_ reply: SimulatedReply) -> String {
        let calls = reply.tools.enumerated().map { index, call in
            #"{"type":"function_call","id":"fc_\#(index)","call_id":"call_\#(index)","status":"completed","#
                + #""name":\#(ChatJSON.string(call.name)),"arguments":\#(ChatJSON.string(call.arguments))}"#
        }
        guard calls.isEmpty else { return calls.joined(separator: ",") }
        return #"{"type":"message","id":"msg_0","status":"completed","role":"assistant","content":["#
            + #"{"type":"output_text","text":\#(ChatJSON.string(reply.text)),"annotations":[]}]}"#
    }

    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String {
        Self.event("response.created", #""response":\#(response("in_progress", output: "", usage: nil))"#)
    }
    func events(_ pieces: [SimulatedReply.Piece]) -> [String] {
        pieces.map { piece in
            let text = ChatJSON.string(String(decoding: piece.bytes, as: UTF8.self))
            let place = #""item_id":"msg_0","output_index":0,"content_index":0,"delta":\#(text)"#
            return switch piece {
            case .text, .thinking: Self.event("response.output_text.delta", place + #","logprobs":[]"#)
            case .tool: ""
            case .arguments: Self.event("response.function_call_arguments.delta", place)
            }
        }
    }
    func midway(_ usage: SimulatedUsage) -> String { "" }
    var garbage: String { "event: response.output_text.delta\ndata: {\n\n" }
    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String {
        let isCut = reply.finishReason == "length"
        return Self.event(
            isCut ? "response.incomplete" : "response.completed",
            #""response":\#(response(isCut ? "incomplete" : "completed", output: output(reply), usage: usage))"#)
    }
    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        let status = reply.finishReason == "length" ? "incomplete" : "completed"
        return response(status, output: output(reply), usage: usage)
    }
}
