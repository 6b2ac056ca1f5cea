/// The JSON of OpenAI's responses.
struct ResponsesJSON: WireJSON {
    var id: String
    var created: Int
    var model: String

    private static func json(_ usage: SimulatedUsage) -> String {
        #"{"input_tokens":\#(usage.input),"input_tokens_details":{"cached_tokens":\#(usage.cached),"#
            + #""cache_write_tokens":\#(usage.cacheWrite5m + usage.cacheWrite1h)},"#
            + #""output_tokens":\#(usage.output),"output_tokens_details":{"reasoning_tokens":\#(usage.thinking)},"#
            + #""total_tokens":\#(usage.input + usage.output)}"#
    }

    private func response(_ status: String, output: String, usage: SimulatedUsage?) -> String {
        let details = status == "incomplete" ? #"{"reason":"max_output_tokens"}"# : "null"
        return #"{"id":"\#(id)","object":"response","created_at":\#(created),"status":"\#(status)","error":null,"#
            + #""incomplete_details":\#(details),"instructions":null,"metadata":{},"#
            + #""model":\#(ChatJSON.string(model)),"output":[\#(output)],"parallel_tool_calls":true,"temperature":1,"#
            + #""tool_choice":"auto","tools":[],"top_p":1,"usage":\#(usage.map(Self.json) ?? "null")}"#
    }

    private static func status(_ reply: SimulatedReply) -> String {
        reply.finishReason == "length" ? "incomplete" : "completed"
    }

    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String {
        var events = ResponsesEvents(number: 0)
        let members = #""response":\#(response("in_progress", output: "", usage: nil))"#
        return ResponsesEvents.head.reduce("") { $0 + events.event($1, members) }
    }

    func events(_ pieces: [SimulatedReply.Piece]) -> [String] {
        var events = ResponsesEvents()
        return pieces.map { events.add($0) }
    }

    func midway(_ usage: SimulatedUsage) -> String { "" }
    var garbage: String { "event: response.output_text.delta\ndata: {\n\n" }

    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String {
        let status = Self.status(reply)
        var events = ResponsesEvents(reply)
        let last = events.finish(status)
        let whole = response(status, output: events.output(status), usage: usage)
        return last + events.event("response.\(status)", #""response":\#(whole)"#)
    }

    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        let status = Self.status(reply)
        var events = ResponsesEvents(reply)
        _ = events.finish(status)
        return response(status, output: events.output(status), usage: usage)
    }
}

/// The events of one response's stream between its head and its end: each has its number, and what is said or called
/// stands within an item that was begun before it and is ended behind it.
private struct ResponsesEvents {
    /// What a stream begins with.
    static let head = ["response.created", "response.in_progress"]

    /// A message, or a call of a tool.
    private struct Item {
        var index: Int
        /// Of the tool; nil: a message.
        var name: String?
        /// Of the message, or the call's arguments.
        var words = ""

        var id: String { name == nil ? "msg_\(index)" : "fc_\(index)" }
        var place: String { #""item_id":"\#(id)","output_index":\#(index)"# }
        var part: String {
            #"{"type":"output_text","annotations":[],"logprobs":[],"text":\#(ChatJSON.string(words))}"#
        }

        /// - Parameter isBegun: nothing is in it yet, not even an empty text.
        func json(_ status: String, isBegun: Bool = false) -> String {
            guard let name else {
                return #"{"type":"message","id":"\#(id)","status":"\#(status)","role":"assistant","#
                    + #""content":[\#(isBegun ? "" : part)]}"#
            }
            return #"{"type":"function_call","id":"\#(id)","call_id":"call_\#(index)","status":"\#(status)","#
                + #""name":\#(ChatJSON.string(name)),"arguments":\#(ChatJSON.string(words))}"#
        }
    }

    private var number: Int
    /// The last of them is the open one.
    private var items: [Item] = []

    init(number: Int = Self.head.count) { self.number = number }

    /// With all that a reply says behind it.
    init(_ reply: SimulatedReply) {
        self.init()
        for piece in reply.pieces { _ = add(piece) }
    }

    mutating func event(_ type: String, _ members: String) -> String {
        defer { number += 1 }
        return "event: \(type)\ndata: {\"type\":\"\(type)\",\"sequence_number\":\(number),\(members)}\n\n"
    }

    mutating func add(_ piece: SimulatedReply.Piece) -> String {
        switch piece {
        // This format keeps thoughts to itself.
        case .thinking: return ""
        case .tool(_, let name): return begin(name: name)
        case .text(let words):
            let isOpen = items.last.map { $0.name == nil } ?? false
            let start = isOpen ? "" : begin(name: nil)
            return start + say(words, "response.output_text.delta", #","content_index":0,"logprobs":[]"#)
        case .arguments(_, let words): return say(words, "response.function_call_arguments.delta", "")
        }
    }

    private mutating func say(_ words: String, _ type: String, _ members: String) -> String {
        guard let last = items.indices.last else { return "" }
        items[last].words += words
        return event(type, #"\#(items[last].place)\#(members),"delta":\#(ChatJSON.string(words))"#)
    }

    private mutating func begin(name: String?) -> String {
        let before = end("completed")
        let item = Item(index: items.count, name: name)
        items.append(item)
        let json = item.json("in_progress", isBegun: true)
        let added = event("response.output_item.added", #""output_index":\#(item.index),"item":\#(json)"#)
        guard name == nil else { return before + added }
        return before + added
            + event("response.content_part.added", #"\#(item.place),"content_index":0,"part":\#(item.part)"#)
    }

    /// Ends the open item.
    private mutating func end(_ status: String) -> String {
        guard let item = items.last else { return "" }
        let words = ChatJSON.string(item.words)
        var text = ""
        if item.name == nil {
            let place = #"\#(item.place),"content_index":0"#
            text += event("response.output_text.done", #"\#(place),"logprobs":[],"text":\#(words)"#)
            text += event("response.content_part.done", #"\#(place),"part":\#(item.part)"#)
        } else {
            text += event("response.function_call_arguments.done", #"\#(item.place),"arguments":\#(words)"#)
        }
        return text
            + event("response.output_item.done", #""output_index":\#(item.index),"item":\#(item.json(status))"#)
    }

    /// Ends the last item; an answer that says nothing is a message all the same.
    mutating func finish(_ status: String) -> String {
        let start = items.isEmpty ? begin(name: nil) : ""
        return start + end(status)
    }

    /// All items; what cut the answer cut the last of them.
    func output(_ status: String) -> String {
        items.map { $0.json($0.index == items.count - 1 ? status : "completed") }.joined(separator: ",")
    }
}
