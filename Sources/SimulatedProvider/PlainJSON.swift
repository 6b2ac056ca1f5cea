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
