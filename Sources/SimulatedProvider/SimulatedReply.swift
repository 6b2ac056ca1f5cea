internal import Foundation

/// A reply as it goes out: cut at `stop` and `max_tokens`, and in pieces.
struct SimulatedReply: Hashable, Sendable {
    /// One piece, as a stream sends it.
    enum Piece: Hashable, Sendable {
        case thinking(String)
        case text(String)
        /// The beginning of a call of the tool with this name.
        case tool(Int, name: String)
        case arguments(Int, String)

        var bytes: [UInt8] {
            switch self {
            case .thinking(let text), .text(let text), .arguments(_, let text): Array(text.utf8)
            case .tool(_, let name): Array(name.utf8)
            }
        }

        /// The same piece with other words.
        func with(_ bytes: ArraySlice<UInt8>) -> Piece {
            let text = String(decoding: bytes, as: UTF8.self)
            return switch self {
            case .thinking: .thinking(text)
            case .text: .text(text)
            case .tool(let index, _): .tool(index, name: text)
            case .arguments(let index, _): .arguments(index, text)
            }
        }
    }

    var pieces: [Piece]
    /// "stop", "length" or "tool_calls".
    var finishReason: String

    /// - Parameters:
    ///   - full: the whole text, before `stop` and `max_tokens`.
    ///   - request: what it answers.
    init(full: String, request: ChatRequest) {
        pieces = request.isThinking ? Self.words(Array(Self.thought.utf8)).map(Piece.thinking) : []
        finishReason = "stop"
        let isCalling = !request.isAfterTool || request.isForced
        let tools = isCalling ? request.tools.prefix(request.isParallel ? Self.maxTools : 1) : []
        if tools.isEmpty {
            var kept = Array((request.schema.map { SchemaExample.answer(full, by: $0) } ?? full).utf8)
            let cuts = request.stop.compactMap { Self.firstIndex(of: Array($0.utf8), in: kept) }
            if let cut = cuts.min() { kept.removeSubrange(cut...) }
            pieces += Self.words(kept).map(Piece.text)
        } else {
            finishReason = "tool_calls"
            for (index, tool) in tools.enumerated() {
                pieces.append(.tool(index, name: tool.name))
                pieces += Self.pieces(of: tool).map { .arguments(index, $0) }
            }
        }
        cut(maxTokens: request.maxTokens)
    }

    private static let thought = "This wants a thought or two."
    private static let maxTools = 4
    /// What a tool without a schema is called with, in pieces as a stream has them.
    static let arguments = [#"{"place""#, #":"Zürich","#, #""days":3}"#]
    /// Characters of other arguments in each piece.
    private static let pieceLength = 12

    private static func pieces(of tool: ChatRequest.Tool) -> [String] {
        guard var rest = tool.schema.flatMap({ SchemaExample.arguments(by: $0) })?[...] else { return arguments }
        var pieces: [String] = []
        while !rest.isEmpty {
            pieces.append(String(rest.prefix(pieceLength)))
            rest = rest.dropFirst(pieceLength)
        }
        return pieces
    }

    private mutating func cut(maxTokens: Int) {
        let (limit, overflow) = maxTokens.multipliedReportingOverflow(by: SimulatedModel.bytesPerToken)
        guard !overflow, bytes > limit else { return }
        finishReason = "length"
        var left = limit
        var kept: [Piece] = []
        for piece in pieces where left > 0 {
            let bytes = piece.bytes
            var end = min(left, bytes.count)
            // Not within a character.
            while end > 0, end < bytes.count, bytes[end] & 0xc0 == 0x80 { end -= 1 }
            if end > 0 { kept.append(piece.with(bytes[..<end])) }
            left = end < bytes.count ? 0 : left - end
        }
        pieces = kept
    }

    private var bytes: Int { pieces.reduce(0) { $0 + $1.bytes.count } }
    /// Tokens of the whole reply, one at least.
    var outputTokens: Int { max(1, SimulatedModel.tokens(utf8Bytes: bytes)) }
    /// Tokens of the first `count` pieces.
    func outputTokens(chunks count: Int) -> Int {
        SimulatedModel.tokens(utf8Bytes: pieces.prefix(count).reduce(0) { $0 + $1.bytes.count })
    }
    /// Tokens of the thinking.
    var thinkingTokens: Int {
        let bytes = pieces.reduce(0) { if case .thinking = $1 { $0 + $1.bytes.count } else { $0 } }
        return min(outputTokens, SimulatedModel.tokens(utf8Bytes: bytes))
    }
    var thinking: String { pieces.reduce("") { if case .thinking(let text) = $1 { $0 + text } else { $0 } } }
    var text: String { pieces.reduce("") { if case .text(let text) = $1 { $0 + text } else { $0 } } }
    /// The calls with their whole arguments.
    var tools: [(name: String, arguments: String)] {
        var tools: [(name: String, arguments: String)] = []
        for piece in pieces {
            switch piece {
            case .tool(_, let name): tools.append((name, ""))
            case .arguments(let index, let text): tools[index].arguments += text
            default: break
            }
        }
        return tools
    }

    /// A call's arguments where they are an object and not a text: a call that was cut has the members that are whole.
    static func object(_ arguments: String) -> String {
        // A member is whole where a comma ended it; within a text or a list, what is before one is no object.
        let commas = arguments.indices.filter { arguments[$0] == "," }
        let shorter = commas.reversed().map { String(arguments[..<$0]) + "}" }
        return ([arguments] + shorter).first { isObject($0) } ?? "{}"
    }

    private static func isObject(_ text: String) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data(text.utf8))) is [String: Any]
    }

    private static func firstIndex(of pattern: [UInt8], in text: [UInt8]) -> Int? {
        guard !pattern.isEmpty, text.count >= pattern.count else { return nil }
        return (0...(text.count - pattern.count)).first { text[$0..<$0 + pattern.count].elementsEqual(pattern) }
    }

    private static func words(_ text: [UInt8]) -> [String] {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a }
        var words: [String] = []
        var start = 0
        for index in text.indices.dropFirst() where isSpace(text[index]) && !isSpace(text[index - 1]) {
            words.append(String(decoding: text[start..<index], as: UTF8.self))
            start = index
        }
        if start < text.count { words.append(String(decoding: text[start...], as: UTF8.self)) }
        return words
    }
}
