internal import GatewayServer
internal import WireFormat

/// What an administrative action changed, for people: only the fields that differ, in one short line. The whole of
/// both sides is in the JSON.
struct EventChange: Sendable {
    /// Characters that a table's row can spare.
    static let width = 80
    private static let nothing = "none"

    private let before: [String: String]?
    private let after: [String: String]?

    /// - Parameters:
    ///   - before: a JSON object as text; nil: there was nothing.
    ///   - after: the same; nil: nothing is left.
    init(before: String?, after: String?) {
        self.before = before.map(Self.fields)
        self.after = after.map(Self.fields)
    }

    /// "limit: 5 → 7, top_up: none → 1"; of something new or gone, its fields alone.
    var text: String {
        let (old, new) = (before ?? [:], after ?? [:])
        let names = Set(old.keys).union(new.keys).filter { old[$0] != new[$0] }.sorted()
        let parts = names.map { name in
            let (was, now) = (old[name] ?? Self.nothing, new[name] ?? Self.nothing)
            let value = before == nil ? now : after == nil ? was : "\(was) → \(now)"
            return name.isEmpty ? value : "\(name): \(value)"
        }
        let text = parts.joined(separator: ", ")
        return text.count > Self.width ? "\(text.prefix(Self.width - 1))…" : text
    }

    /// Each field by its path, "state.limit"; what says nothing is left out. What is no object has no name.
    private static func fields(_ json: String) -> [String: String] {
        guard let document = try? JSONDocument(Array(json.utf8)) else { return ["": json] }
        var fields: [String: String] = [:]
        collect(FieldValue(document.root), at: "", into: &fields)
        return fields
    }

    private static func collect(_ value: FieldValue, at path: String, into fields: inout [String: String]) {
        guard let members = value.fields else {
            fields[path] = text(value)
            return
        }
        for (name, member) in members {
            collect(member, at: path.isEmpty ? name : "\(path).\(name)", into: &fields)
        }
    }

    /// Nil for what says nothing.
    private static func text(_ value: FieldValue) -> String? {
        switch value {
        case .null: nil
        case .flag(let flag): flag ? "true" : "false"
        case .number(let text), .text(let text): text
        case .list(let values): "[" + values.map { text($0) ?? nothing }.joined(separator: ", ") + "]"
        case .object(let members):
            "{"
                + members.sorted { $0.key < $1.key }.map { "\($0.key): \(text($0.value) ?? nothing)" }
                .joined(separator: ", ") + "}"
        }
    }
}
