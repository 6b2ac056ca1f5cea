/// Anthropic's `cache_control` in a request of either format.
package enum CacheMarks {
    /// What holds marks. A tool's schema and what it was called with are others' own words.
    private static let holders: Set<String> = ["system", "messages", "content", "tools", "tool_calls"]

    /// The first mark that asks for anything but the usual five minutes; nil: there is none.
    package static func longMark(in root: JSONValue) -> String? {
        place(in: root).map { String($0.dropFirst()) }
    }

    /// Written from its end, so that a path is made only where there is one.
    private static func place(in value: JSONValue) -> String? {
        for (index, element) in value.elements.enumerated() {
            if let found = place(in: element) { return "[\(index)]\(found)" }
        }
        for (key, member) in value.members {
            let name = key.string ?? ""
            if name == "cache_control", isLong(member) { return ".cache_control.ttl" }
            // A list in the place of a call's input is the one of messages that the responses format has.
            guard holders.contains(name) || name == "input" && member.kind == .array else { continue }
            if let found = place(in: member) { return ".\(name)\(found)" }
        }
        return nil
    }

    /// Every member of the name counts: so deep a key may stand twice, and a vendor reads which one it likes.
    private static func isLong(_ mark: JSONValue) -> Bool {
        mark.members.contains { $0.key.string == "ttl" && $0.value.string != "5m" }
    }
}
