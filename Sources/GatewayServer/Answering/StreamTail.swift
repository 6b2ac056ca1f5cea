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
    /// The end is short; a provider that sends more than this after its finish is cut off from being kept back.
    static let maxKeptBytes = 1024 * 1024

    init(choices: Int, wantsUsage: Bool) {
        self.choices = choices
        self.wantsUsage = wantsUsage
    }

    /// The part of `events` (whole SSE events) that may go on now.
    mutating func pass(_ events: [UInt8]) -> [UInt8] {
        if !kept.isEmpty {
            guard kept.count + events.count <= Self.maxKeptBytes else {
                defer { kept = [] }
                return kept + events
            }
            kept += events
            return []
        }
        let finishes = Self.count(Self.finishMark, before: UInt8(ascii: "\""), in: events)
        let hasUsage = Self.count(Self.usageMark, before: UInt8(ascii: "{"), in: events) > 0
        finished += finishes
        guard finished >= choices || (hasUsage && finishes > 0) || Self.endsStream(events) else { return events }
        return keepBack(events)
    }

    /// Splits off the events before the one that finishes, so that text in the same read is not delayed.
    private mutating func keepBack(_ events: [UInt8]) -> [UInt8] {
        var parser = SSEParser()
        guard let list = try? parser.push(events) else { return events }
        let start =
            list.firstIndex { event in
                event.isDone || Self.count(Self.finishMark, before: UInt8(ascii: "\""), in: event.data) > 0
            } ?? list.count
        kept = list[start...].flatMap(\.raw)
        return list[..<start].flatMap(\.raw)
    }

    /// The end, with `gboost` put into its last chunk.
    mutating func finish(gboost: [UInt8]) -> [UInt8] {
        var parser = SSEParser()
        var events = (try? parser.push(kept)) ?? []
        kept = []
        events.removeAll { event in
            guard !wantsUsage, let root = try? JSONDocument(event.data).root else { return event.isDone }
            return root["choices"]?.elements.isEmpty ?? false
        }
        events.removeAll(where: \.isDone)
        var out: [UInt8] = []
        for (index, event) in events.enumerated() {
            out += index == events.count - 1 ? Self.adding(gboost, to: event) : event.raw
        }
        ChatCompletionWriter.appendDone(to: &out)
        return out
    }

    private static func adding(_ gboost: [UInt8], to event: SSEEvent) -> [UInt8] {
        guard let document = try? JSONDocument(event.data), var editor = try? JSONObjectEditor(document) else {
            return event.raw
        }
        editor.set("gboost", json: gboost)
        return Array("data: ".utf8) + editor.bytes + Array("\n\n".utf8)
    }

    private static let finishMark = Array(#""finish_reason":"#.utf8)
    private static let usageMark = Array(#""usage":"#.utf8)
    private static let doneMark = Array("data: [DONE]".utf8)

    private static func endsStream(_ events: [UInt8]) -> Bool {
        events.count < 256 && count(doneMark, before: nil, in: events) > 0
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
