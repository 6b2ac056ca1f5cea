/// An OpenAI stream as an Anthropic stream, chunk by chunk. The end (`message_delta`, `message_stop`) is kept for
/// `finish`.
///
/// Blocks of an Anthropic stream follow each other; deltas of parallel tool calls may come interleaved. The first call
/// is passed on as it comes, what belongs behind it waits until nothing more can be said of it: at the end.
package struct ChunksToEvents: Sendable {
    /// Bound of what waits behind the open block.
    package static let maxWaitingBytes = 4 * 1024 * 1024

    private struct Item: Sendable {
        var block: MessagesWriter.Block
        /// Of a tool call: its place among the calls.
        var call: Int?
        var text = ""
        /// Of a thought that waits: with it the thought is at its end.
        var signature = ""

        func takes(_ block: MessagesWriter.Block, call: Int?) -> Bool {
            call != nil ? self.call == call : self.call == nil && self.block == block && signature.isEmpty
        }
    }

    /// What is known of a call that began: the provider's own words for it.
    private struct Call: Sendable {
        var number: Int?
        var id: String
    }

    private var parser = SSEParser()
    private var hasBegun = false
    private var open: Item?
    private var index = 0
    private var waiting: [Item] = []
    private var waitingBytes = 0
    private var finishReason: String?
    private var stopSequence: String?
    private var usage: TokenCounts?
    private var calls: [Call] = []

    package init() {}

    /// What whole events come to.
    package mutating func pass(_ events: [UInt8]) throws(WireFormatError) -> [UInt8] {
        var out: [UInt8] = []
        for event in try parser.push(events) where !event.isDone {
            guard !event.data.isEmpty else { continue }
            try take(try JSONDocument(event.data, limits: .provider).root, to: &out)
        }
        return out
    }

    private mutating func take(_ chunk: JSONValue, to out: inout [UInt8]) throws(WireFormatError) {
        begin(id: chunk["id"]?.string, model: chunk["model"]?.string, to: &out)
        usage = UsageField(chunk["usage"]).counts ?? usage
        guard let choice = chunk["choices"]?.firstChoice else { return }
        finishReason = choice["finish_reason"]?.string ?? finishReason
        stopSequence = choice["stop_reason"]?.string ?? stopSequence
        guard let delta = choice["delta"] else { return }
        let said = SpokenContent(delta["content"])
        let thoughts = ["reasoning_content", "reasoning"].lazy.compactMap { delta[$0]?.string }
        try add(thoughts.first ?? said.thought, to: .thinking, call: nil, &out)
        for block in delta["thinking_blocks"]?.elements ?? [] {
            if block["type"]?.string == "redacted_thinking" {
                // Has no deltas and no signature; it goes back as it came.
                close(to: &out)
                MessagesWriter.appendWhole(block: ThinkingBlock.unnumbered(block), index: index, to: &out)
                index += 1
                continue
            }
            guard let mark = block["signature"]?.string, !mark.isEmpty else { continue }
            try sign(mark, isSilent: (block["thinking"]?.string ?? "").isEmpty, to: &out)
        }
        for text in [said.text, delta["refusal"]?.string ?? ""] { try add(text, to: .text, call: nil, &out) }
        let pieces = delta["tool_calls"]?.elements ?? []
        for (index, piece) in pieces.enumerated() {
            let place = self.place(of: piece, at: pieces.count > 1 ? index : nil)
            let block = MessagesWriter.Block.tool(
                id: calls[place].id, name: piece["function"]?["name"]?.string ?? "")
            try add(piece["function"]?["arguments"]?.string ?? "", to: block, call: place, &out)
        }
    }

    /// Which call a piece belongs to, one that begins with it included: the one that it names by id or number, else the
    /// last. Some providers leave the numbers out, and some give every call the same one: where a piece with a name has
    /// another id, it is another call.
    /// - Parameter index: its place where it comes with others, which stands for a number that it has not.
    private mutating func place(of piece: JSONValue, at index: Int?) -> Int {
        let id = piece["id"]?.string ?? ""
        let stated = piece["index"]?.integer.map { Int(clamping: $0) }
        let number = stated ?? index
        let isNamed = piece["function"]?["name"]?.string?.isEmpty == false
        if !id.isEmpty, let known = calls.lastIndex(where: { $0.id == id && (stated == nil || $0.number == stated) }) {
            return known
        }
        let known = number == nil ? calls.indices.last : calls.lastIndex { $0.number == number }
        // Without an id, only the number says that a piece with a name goes on with what is known.
        let isOther = isNamed && (stated == nil || !id.isEmpty)
        if let known, !isOther { return known }
        calls.append(Call(number: number, id: id.isEmpty ? "call_\(calls.count)" : id))
        return calls.count - 1
    }

    private mutating func begin(id: String?, model: String?, to out: inout [UInt8]) {
        if !hasBegun { MessagesWriter(id: id ?? "msg", model: model ?? "").appendStart(to: &out) }
        hasBegun = true
    }

    /// Signs the open thought. Where none is open, a thought without text is a block of its own.
    private mutating func sign(_ mark: String, isSilent: Bool, to out: inout [UInt8]) throws(WireFormatError) {
        if open?.block != .thinking {
            guard isSilent else { return }
            guard open?.call == nil, waiting.isEmpty else {
                try countWaiting(mark)
                return waiting.append(Item(block: .thinking, call: nil, signature: mark))
            }
            close(to: &out)
            start(Item(block: .thinking, call: nil), text: "", to: &out)
        }
        MessagesWriter.appendSignature(mark, index: index, to: &out)
        // What follows is another thought.
        close(to: &out)
    }

    private mutating func countWaiting(_ piece: String) throws(WireFormatError) {
        waitingBytes += piece.utf8.count + 1
        guard waitingBytes <= Self.maxWaitingBytes else {
            throw WireFormatError(
                .limitExceeded, "More than \(Self.maxWaitingBytes) bytes of an answer wait behind a tool call.")
        }
    }

    private mutating func add(
        _ text: String, to block: MessagesWriter.Block, call: Int?, _ out: inout [UInt8]
    ) throws(WireFormatError) {
        // An empty piece opens a tool call, but no text.
        guard !text.isEmpty || call != nil else { return }
        if let open, open.takes(block, call: call), waiting.isEmpty || call != nil {
            return Self.append(text, of: open, index: index, to: &out)
        }
        guard open?.call != nil || !waiting.isEmpty else {
            close(to: &out)
            return start(Item(block: block, call: call), text: text, to: &out)
        }
        try countWaiting(text)
        let known =
            call == nil
            ? waiting.indices.last.flatMap { waiting[$0].takes(block, call: nil) ? $0 : nil }
            : waiting.firstIndex { $0.takes(block, call: call) }
        if let known {
            waiting[known].text += text
        } else {
            waiting.append(Item(block: block, call: call, text: text))
        }
    }

    private mutating func start(_ item: Item, text: String, to out: inout [UInt8]) {
        open = item
        MessagesWriter.appendBlockStart(item.block, index: index, to: &out)
        Self.append(text, of: item, index: index, to: &out)
    }

    private static func append(_ text: String, of item: Item, index: Int, to out: inout [UInt8]) {
        guard !text.isEmpty else { return }
        MessagesWriter.appendDelta(text, of: item.block, index: index, to: &out)
    }

    private mutating func close(to out: inout [UInt8]) {
        guard open != nil else { return }
        MessagesWriter.appendBlockStop(index: index, to: &out)
        open = nil
        index += 1
    }

    /// What waited, and the end with `gboost` in its `message_delta`.
    package mutating func finish(gboost: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        begin(id: nil, model: nil, to: &out)
        close(to: &out)
        for item in waiting {
            start(item, text: item.text, to: &out)
            if !item.signature.isEmpty { MessagesWriter.appendSignature(item.signature, index: index, to: &out) }
            close(to: &out)
        }
        waiting = []
        let said = FinishReason.anthropic(finishReason, isCall: !calls.isEmpty)
        let reason = stopSequence == nil ? said : "stop_sequence"
        MessagesWriter.appendEnd(reason, stopSequence: stopSequence, usage: usage, gboost: gboost, to: &out)
        return out
    }
}
