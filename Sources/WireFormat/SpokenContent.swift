/// What the `content` of an assistant's message or delta says: one text, or parts, as Mistral's reasoning models write
/// it, with their thoughts among the parts.
struct SpokenContent: Hashable, Sendable {
    private(set) var text = ""
    private(set) var thought = ""

    /// Absent and null say nothing.
    init(_ content: JSONValue?) {
        guard let content else { return }
        if let whole = content.string { text = whole }
        for part in content.elements {
            if part["type"]?.string == "thinking" {
                thought += Self.words(part["thinking"])
            } else {
                text += Self.words(part)
            }
        }
    }

    /// Whether a part of an assistant's turn is a thought in words, which costs no more than its bytes.
    static func isThought(_ part: JSONValue) -> Bool {
        guard part["type"]?.string == "thinking", let inner = part["thinking"] else { return false }
        return inner.kind == .string
            || inner.kind == .array && inner.elements.allSatisfy { $0["type"]?.string == "text" }
    }

    /// A text by itself, that of a part, or those of a list of parts.
    private static func words(_ value: JSONValue?) -> String {
        guard let value else { return "" }
        guard value.kind != .array else { return value.elements.map { words($0) }.joined() }
        return value.string ?? value["text"]?.string ?? value["refusal"]?.string ?? ""
    }
}
