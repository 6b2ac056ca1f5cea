internal import GatewayCore
internal import WireFormat

/// Reads calls of tools out of what an SLM wrote.
struct ToolCallReader: Sendable {
    private static let opening = "<tool_call>"
    private static let closing = "</tool_call>"

    let format: ToolCallFormat
    /// Names of the tools that may be called.
    let tools: Set<String>
    /// Begins the ids of the calls.
    let prefix: String

    /// The turn in an answer; nil: something in it begins like a call and is none, or calls what there is not.
    func turn(_ answer: String) -> AssistantTurn? {
        let text = Self.trimmed(answer[...])
        if format == .tagged, text.contains(Self.opening) { return tagged(text) }
        guard text.hasPrefix("{") else { return AssistantTurn(text: answer) }
        var calls: [AssistantTurn.Call] = []
        for object in Self.objects(text) {
            guard let call = call(object, index: calls.count) else {
                // JSON of other members is an answer like any other.
                return Self.isLikeCall(text) ? nil : AssistantTurn(text: answer)
            }
            calls.append(call)
        }
        return calls.isEmpty ? nil : AssistantTurn(text: "", calls: calls)
    }

    private func tagged(_ text: Substring) -> AssistantTurn? {
        var turn = AssistantTurn(text: "")
        var rest = text
        var texts: [Substring] = []
        while let start = rest.firstRange(of: Self.opening) {
            texts.append(Self.trimmed(rest[..<start.lowerBound]))
            rest = rest[start.upperBound...]
            // The end of the turn closes the last one as well.
            let end = rest.firstRange(of: Self.closing)
            guard let call = call(Self.trimmed(rest[..<(end?.lowerBound ?? rest.endIndex)]), index: turn.calls.count)
            else { return nil }
            turn.calls.append(call)
            rest = rest[(end?.upperBound ?? rest.endIndex)...]
        }
        texts.append(Self.trimmed(rest))
        turn.text = texts.filter { !$0.isEmpty }.joined(separator: "\n")
        return turn
    }

    private func call(_ text: Substring, index: Int) -> AssistantTurn.Call? {
        guard let root = (try? JSONDocument(Array(text.utf8)))?.root, let name = root["name"]?.string,
            tools.contains(name)
        else { return nil }
        // Either word: models mix them up.
        let value = root["arguments"] ?? root["parameters"]
        let arguments: String
        switch value?.kind {
        case nil, .null?: arguments = "{}"
        case .object?: arguments = value.map { String(decoding: $0.rawBytes, as: UTF8.self) } ?? "{}"
        case .string?:
            // As OpenAI's format has it: JSON within a text.
            guard let inner = value?.utf8, (try? JSONDocument(inner))?.root.kind == .object else { return nil }
            arguments = String(decoding: inner, as: UTF8.self)
        default: return nil
        }
        return AssistantTurn.Call(id: "\(prefix)\(index)", name: name, arguments: arguments)
    }

    private static func isLikeCall(_ text: Substring) -> Bool {
        text.contains("\"name\"") && (text.contains("\"parameters\"") || text.contains("\"arguments\""))
    }

    /// The objects that a text consists of, one behind the other; what is not one is the last.
    private static func objects(_ text: Substring) -> [Substring] {
        var objects: [Substring] = []
        var rest = text
        while !rest.isEmpty {
            let end = Self.endOfObject(rest) ?? rest.endIndex
            objects.append(rest[..<end])
            rest = rest[end...].drop { $0.isWhitespace || $0 == ";" || $0 == "," }
        }
        return objects
    }

    private static func endOfObject(_ text: Substring) -> Substring.Index? {
        var depth = 0
        var isInString = false
        var isEscaped = false
        for index in text.utf8.indices {
            let byte = text.utf8[index]
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte
                    == UInt8(ascii: "\"")
                {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "}"):
                depth -= 1
                if depth == 0 { return text.utf8.index(after: index) }
            default: break
            }
        }
        return nil
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return start[start.endIndex...] }
        return start[...last]
    }
}
