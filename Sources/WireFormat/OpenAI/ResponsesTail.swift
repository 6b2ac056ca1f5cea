/// Passes the stream of an OpenAI response on as it is, and keeps back the event that ends it: what the call cost is
/// known only after it, and goes in there.
package struct ResponsesTail: Sendable {
    /// A last event holds the whole response once more; a longer one is passed on without the cost.
    package static let maxKeptBytes = 4 * 1024 * 1024
    private static let marks = ["response.completed", "response.incomplete", "response.failed"].map {
        Array("event: \($0)\n".utf8)
    }
    private var kept: [UInt8] = []

    package init() {}

    /// The part of `events` (whole events) that may go on now.
    package mutating func pass(_ events: [UInt8]) -> [UInt8] {
        if !kept.isEmpty {
            kept += events
            return []
        }
        var parser = SSEParser(maxEventBytes: Self.maxKeptBytes)
        guard Self.marks.contains(where: { events.contains($0) }), let list = try? parser.push(events),
            let start = list.firstIndex(where: Self.isEnd)
        else { return events }
        kept = list[start...].flatMap(\.raw)
        return list[..<start].flatMap(\.raw)
    }

    private static func isEnd(_ event: SSEEvent) -> Bool {
        marks.contains { event.raw.starts(with: $0) }
    }

    /// The end, with `gboost` put beside its `response`.
    package mutating func finish(gboost: [UInt8]) -> [UInt8] {
        var parser = SSEParser(maxEventBytes: Self.maxKeptBytes)
        let events = (try? parser.push(kept)) ?? []
        kept = []
        var out: [UInt8] = []
        for event in events {
            guard Self.isEnd(event), let document = try? JSONDocument(event.data, limits: .provider),
                var editor = try? JSONObjectEditor(document)
            else {
                out += event.raw
                continue
            }
            editor.set("gboost", json: gboost)
            out += Array("event: \(event.name ?? "")\ndata: ".utf8) + editor.bytes + Array("\n\n".utf8)
        }
        return out
    }
}
