/// The JSON of Gemini's answers, written by hand: every chunk is a whole answer with what is new in it.
struct GeminiJSON: WireJSON {
    var id: String
    var model: String

    private static func string(_ text: String) -> String { ChatJSON.string(text) }

    /// Thoughts are counted beside the candidates' tokens; a count of zero is left out, but for an explicit one.
    private static func json(_ usage: SimulatedUsage) -> String {
        let parts = [
            #""promptTokenCount":\#(usage.input)"#,
            usage.output == usage.thinking && usage.output > 0
                ? nil : #""candidatesTokenCount":\#(usage.output - usage.thinking)"#,
            usage.cached > 0 ? #""cachedContentTokenCount":\#(usage.cached)"# : nil,
            usage.thinking > 0 ? #""thoughtsTokenCount":\#(usage.thinking)"# : nil,
            #""totalTokenCount":\#(usage.input + usage.output)"#,
        ]
        return "{\(parts.compactMap(\.self).joined(separator: ","))}"
    }

    private func answer(parts: [String], finish: String? = nil, usage: SimulatedUsage?) -> String {
        let reason = finish.map { #","finishReason":"\#($0)""# } ?? ""
        return #"{"candidates":[{"content":{"parts":[\#(parts.joined(separator: ","))],"role":"model"}\#(reason),"#
            + #""index":0}]\#(counts(usage)),"modelVersion":\#(Self.string(model)),"responseId":"\#(id)"}"#
    }

    private func counts(_ usage: SimulatedUsage?) -> String {
        usage.map { #","usageMetadata":\#(Self.json($0))"# } ?? ""
    }

    private func text(_ text: String, isThought: Bool = false) -> String {
        #"{"text":\#(Self.string(text))\#(isThought ? #","thought":true"# : "")}"#
    }

    private func call(_ index: Int, name: String, arguments: String) -> String {
        #"{"functionCall":{"id":"fc_\#(id)_\#(index)","name":\#(Self.string(name)),"#
            + #""args":\#(SimulatedReply.object(arguments))},"#
            + #""thoughtSignature":"c2ltdWxhdGVk"}"#
    }

    /// The counts so far, as in every chunk; a stale beginning counts what the end will replace.
    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String {
        let stale = SimulatedUsage(input: 7, cached: 3, output: 11)
        var early = usage
        early?.output = 0
        early?.thinking = 0
        return ChatJSON.event(answer(parts: [text("")], usage: isStale ? stale : early))
    }

    func events(_ pieces: [SimulatedReply.Piece]) -> [String] {
        pieces.enumerated().map { place, piece in
            switch piece {
            case .thinking(let words): return ChatJSON.event(answer(parts: [text(words, isThought: true)], usage: nil))
            case .text(let words): return ChatJSON.event(answer(parts: [text(words)], usage: nil))
            // Calls come whole, with their last piece.
            case .tool(let index, _), .arguments(let index, _):
                let isLast =
                    if place + 1 < pieces.count, case .arguments(index, _) = pieces[place + 1] { false } else { true }
                guard isLast else { return ": call\n\n" }
                let (name, arguments) = whole(index, in: pieces)
                return ChatJSON.event(
                    answer(parts: [call(index, name: name, arguments: arguments)], usage: nil))
            }
        }
    }

    private func whole(_ index: Int, in pieces: [SimulatedReply.Piece]) -> (name: String, arguments: String) {
        var (found, arguments) = ("", "")
        for piece in pieces {
            switch piece {
            case .tool(index, let name): found = name
            case .arguments(index, let text): arguments += text
            default: break
            }
        }
        return (found, arguments)
    }

    func midway(_ usage: SimulatedUsage) -> String {
        ChatJSON.event(answer(parts: [text("")], usage: usage))
    }

    var garbage: String { ChatJSON.event(#"{"candidates":[{"content":{"parts":[{"te"#) }

    /// Counts where nobody expects them: behind the end, without a candidate.
    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String {
        let finish = answer(parts: [text("")], finish: Self.reason(reply), usage: isInChoices ? nil : usage)
        guard isInChoices, let usage else { return ChatJSON.event(finish) }
        return ChatJSON.event(finish)
            + ChatJSON.event(#"{"responseId":"\#(id)"\#(counts(usage)),"modelVersion":\#(Self.string(model))}"#)
    }

    private static func reason(_ reply: SimulatedReply) -> String {
        reply.finishReason == "length" ? "MAX_TOKENS" : "STOP"
    }

    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        var parts: [String] = []
        if !reply.thinking.isEmpty { parts.append(text(reply.thinking, isThought: true)) }
        if !reply.text.isEmpty { parts.append(text(reply.text)) }
        parts += reply.tools.enumerated().map {
            call($0.offset, name: $0.element.name, arguments: $0.element.arguments)
        }
        return answer(parts: parts, finish: Self.reason(reply), usage: usage)
    }

    static func error(_ message: String, status: Int) -> String {
        let word =
            switch status {
            case 401, 403: "PERMISSION_DENIED"
            case 404: "NOT_FOUND"
            case 429: "RESOURCE_EXHAUSTED"
            case 503: "UNAVAILABLE"
            case 500...: "INTERNAL"
            default: "INVALID_ARGUMENT"
            }
        return #"{"error":{"code":\#(status),"message":\#(string(message)),"status":"\#(word)"}}"#
    }
}
