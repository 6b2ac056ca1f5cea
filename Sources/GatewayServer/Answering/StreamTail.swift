internal import WireFormat

/// Passes a provider's stream on as it is, and keeps back its end: the finish chunk, the usage chunk and `[DONE]`.
///
/// What the call cost is known only after the usage, and goes into the last chunk that the client gets; a usage chunk
/// that the client did not ask for stays out (old clients index into its empty `choices`). Everything before the end
/// is forwarded byte for byte, after one scan for two marks that cannot occur inside a JSON string, where their
/// quotes would be escaped.
struct StreamTail: AnswerRelay {
    /// Choices that must have finished before the end begins.
    let choices: Int
    let wantsUsage: Bool
    private var finished = 0
    private var kept: [UInt8] = []
    /// How much of `kept` is the finish, once the rest had to be let go.
    private var finishBytes = 0
    /// The end is short; where a provider sends more than this after its finish, only the finish is kept back.
    static let maxKeptBytes = 1024 * 1024

    init(choices: Int, wantsUsage: Bool) {
        self.choices = choices
        self.wantsUsage = wantsUsage
    }

    /// The part of `events` (whole SSE events) that may go on now.
    mutating func pass(_ events: [UInt8]) -> [UInt8] {
        if !kept.isEmpty {
            kept += events
            return kept.count - finishBytes > Self.maxKeptBytes ? release() : []
        }
        let finishes = Self.count(Self.finishMark, before: UInt8(ascii: "\""), in: events)
        let hasUsage = Self.count(Self.usageMark, before: UInt8(ascii: "{"), in: events) > 0
        finished += finishes
        guard finished >= choices || (hasUsage && finishes > 0) || Self.endsStream(events) else { return events }
        return keepBack(events)
    }

    /// Splits off the events before the one that finishes, so that text in the same read is not delayed.
    private mutating func keepBack(_ events: [UInt8]) -> [UInt8] {
        guard let list = Self.events(in: events) else { return events }
        let start = list.firstIndex { $0.isDone || Self.finishes($0) } ?? list.count
        kept = list[start...].flatMap(\.raw)
        return list[..<start].flatMap(\.raw)
    }

    /// Lets a long end go on, but for the event that finishes, which will carry the gateway's facts.
    private mutating func release() -> [UInt8] {
        guard var list = Self.events(in: kept) else {
            defer { kept = [] }
            return kept
        }
        list.removeAll(where: isLeftOut)
        kept = list.lastIndex(where: Self.finishes).map { list.remove(at: $0).raw } ?? []
        finishBytes = kept.count
        return list.flatMap(\.raw)
    }

    /// The end, with `gboost` put into its last chunk.
    mutating func finish(gboost: [UInt8]) -> [UInt8] {
        var events = Self.events(in: kept) ?? []
        kept = []
        events.removeAll(where: isLeftOut)
        for index in events.indices.reversed() {
            guard let raw = Self.adding(gboost, to: events[index]) else { continue }
            events[index].raw = raw
            break
        }
        var out = events.flatMap(\.raw)
        ChatCompletionWriter.appendDone(to: &out)
        return out
    }

    /// The end mark, which is written anew, and a usage chunk that nobody asked for.
    private func isLeftOut(_ event: SSEEvent) -> Bool {
        guard !event.isDone else { return true }
        guard !wantsUsage, let root = try? JSONDocument(event.data, limits: .provider).root else { return false }
        return root["choices"]?.elements.isEmpty ?? false
    }

    /// nil: it is no JSON object.
    private static func adding(_ gboost: [UInt8], to event: SSEEvent) -> [UInt8]? {
        guard let document = try? JSONDocument(event.data, limits: .provider),
            var editor = try? JSONObjectEditor(document)
        else { return nil }
        editor.set("gboost", json: gboost)
        // Data of several lines: a line's end is white space here, and would end the field.
        let line = editor.bytes.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
        return Array("data: ".utf8) + line + Array("\n\n".utf8)
    }

    /// nil: one is longer than any may be. The last may lack its blank line, where a provider closed early.
    private static func events(in bytes: [UInt8]) -> [SSEEvent]? {
        var parser = SSEParser()
        guard var events = try? parser.push(bytes) else { return nil }
        if var last = parser.finish() {
            last.raw += Array("\n\n".utf8)
            events.append(last)
        }
        return events
    }

    private static func finishes(_ event: SSEEvent) -> Bool {
        count(finishMark, before: UInt8(ascii: "\""), in: event.data) > 0
    }

    private static let finishMark = Array(#""finish_reason":"#.utf8)
    private static let usageMark = Array(#""usage":"#.utf8)
    private static let doneMark = Array("[DONE]".utf8)

    private static func endsStream(_ events: [UInt8]) -> Bool {
        count(doneMark, before: nil, in: Array(events.suffix(64))) > 0
    }

    /// How often `mark`, after optional blanks, is followed by `next`.
    private static func count(_ mark: [UInt8], before next: UInt8?, in bytes: [UInt8]) -> Int {
        var hits = 0
        var index = 0
        while let found = bytes.position(of: mark, from: index) {
            index = found + mark.count
            while index < bytes.count, bytes[index] == 0x20 { index += 1 }
            if next == nil || (index < bytes.count && bytes[index] == next) { hits += 1 }
        }
        return hits
    }
}
