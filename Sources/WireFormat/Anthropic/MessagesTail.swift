/// Passes an Anthropic provider's stream on as it is, and keeps back its end, from the `message_delta` on that says why
/// the answer ended: what the call cost is known only after it, and goes in there.
///
/// Everything before is forwarded byte for byte, after one scan for a mark that cannot occur inside a longer JSON
/// string, where its quotes would be escaped.
package struct MessagesTail: Sendable {
    /// The end is short; a provider that sends more than this after it is cut off from being kept back.
    package static let maxKeptBytes = 1024 * 1024
    private static let mark = Array(#""message_delta""#.utf8)
    private var kept: [UInt8] = []

    package init() {}

    /// The part of `events` (whole events) that may go on now.
    package mutating func pass(_ events: [UInt8]) -> [UInt8] {
        if !kept.isEmpty {
            guard kept.count + events.count <= Self.maxKeptBytes else {
                defer { kept = [] }
                return kept + events
            }
            kept += events
            return []
        }
        guard events.contains(Self.mark) else { return events }
        var parser = SSEParser()
        guard let list = try? parser.push(events), let start = list.firstIndex(where: Self.isEnd) else { return events }
        kept = list[start...].flatMap(\.raw)
        return list[..<start].flatMap(\.raw)
    }

    private static func isEnd(_ event: SSEEvent) -> Bool {
        guard event.data.contains(mark), let known = try? AnthropicEvent(event.data) else { return false }
        return known.type == "message_delta" && known.stopReason != nil
    }

    /// The end, with `gboost` put into its last `message_delta`.
    package mutating func finish(gboost: [UInt8]) -> [UInt8] {
        var parser = SSEParser()
        let events = (try? parser.push(kept)) ?? []
        kept = []
        let last = events.lastIndex(where: Self.isEnd)
        var out: [UInt8] = []
        for (index, event) in events.enumerated() {
            guard index == last, let document = try? JSONDocument(event.data, limits: .provider),
                var editor = try? JSONObjectEditor(document)
            else {
                out += event.raw
                continue
            }
            editor.set("gboost", json: gboost)
            out += Array("event: message_delta\ndata: ".utf8) + editor.bytes + Array("\n\n".utf8)
        }
        return out
    }
}
