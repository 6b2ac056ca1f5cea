/// Sets, replaces and removes top-level members of a JSON object and leaves every other byte as it was: unknown
/// fields, the spelling of numbers, white space and order included.
package struct JSONObjectEditor: Sendable {
    private struct Member: Sendable {
        var key: [UInt8]
        /// From the key's quote to the value's end.
        var range: Range<Int>
        var value: Range<Int>
    }
    private enum Edit: Sendable {
        case replace([UInt8])
        case remove
    }

    private let object: JSONValue
    private let root: Range<Int>
    private let members: [Member]
    private var edits: [[UInt8]: Edit] = [:]
    private var added: [(key: [UInt8], value: [UInt8])] = []

    /// Fails where the document is not an object.
    package init(_ document: JSONDocument) throws(WireFormatError) {
        try self.init(document.root)
    }

    /// Edits one object of a document; `bytes` is then that object alone.
    package init(_ object: JSONValue) throws(WireFormatError) {
        guard object.kind == .object else { throw WireFormatError(.invalidField, "An object was expected.") }
        self.object = object
        root = object.range
        members = object.members.map { key, value in
            Member(key: key.utf8 ?? [], range: key.range.lowerBound..<value.range.upperBound, value: value.range)
        }
    }

    /// Gives `key` the value `json`, which must be valid JSON; in place where the key is there, else at the end.
    package mutating func set(_ key: String, json: [UInt8]) {
        let name = Array(key.utf8)
        if members.contains(where: { $0.key == name }) {
            edits[name] = .replace(json)
        } else if let index = added.firstIndex(where: { $0.key == name }) {
            added[index].value = json
        } else {
            added.append((name, json))
        }
    }
    /// Gives `key` a string.
    package mutating func set(_ key: String, string: String) {
        var json: [UInt8] = []
        JSONWriter.append(string, to: &json)
        set(key, json: json)
    }
    /// Gives `key` an integer.
    package mutating func set(_ key: String, integer: Int64) { set(key, json: Array(String(integer).utf8)) }
    /// Gives `key` a truth value.
    package mutating func set(_ key: String, bool: Bool) { set(key, json: Array((bool ? "true" : "false").utf8)) }
    /// Takes `key` out, where it is there.
    package mutating func remove(_ key: String) {
        let name = Array(key.utf8)
        if members.contains(where: { $0.key == name }) { edits[name] = .remove }
        added.removeAll { $0.key == name }
    }

    /// Sets `stream_options.include_usage`, keeping other stream options as they are. Always from the document as it
    /// was given, also where `stream_options` was set before.
    package mutating func setIncludeUsage(_ isIncluded: Bool) throws(WireFormatError) {
        if let options = object["stream_options"], !options.isNull {
            var inner = try JSONObjectEditor(options)
            inner.set("include_usage", bool: isIncluded)
            set("stream_options", json: inner.bytes)
        } else {
            set("stream_options", json: Array(#"{"include_usage":\#(isIncluded)}"#.utf8))
        }
    }

    /// The object with all edits made.
    package var bytes: [UInt8] {
        let source = object.document.bytes
        var out: [UInt8] = []
        out.reserveCapacity(root.count + 64)
        guard let first = members.first, let last = members.last else {
            out.append(contentsOf: source[root.lowerBound..<(root.upperBound - 1)])
            var isFirst = true
            appendAdded(to: &out, isFirst: &isFirst)
            out.append(UInt8(ascii: "}"))
            return out
        }
        out.append(contentsOf: source[root.lowerBound..<first.range.lowerBound])
        var isFirst = true
        for (index, member) in members.enumerated() {
            if case .remove = edits[member.key] { continue }
            if !isFirst {
                out.append(contentsOf: source[members[index - 1].range.upperBound..<member.range.lowerBound])
            }
            isFirst = false
            if case .replace(let json) = edits[member.key] {
                out.append(contentsOf: source[member.range.lowerBound..<member.value.lowerBound])
                out.append(contentsOf: json)
            } else {
                out.append(contentsOf: source[member.range])
            }
        }
        appendAdded(to: &out, isFirst: &isFirst)
        out.append(contentsOf: source[last.range.upperBound..<root.upperBound])
        return out
    }

    private func appendAdded(to out: inout [UInt8], isFirst: inout Bool) {
        for (key, value) in added {
            if !isFirst { out.append(UInt8(ascii: ",")) }
            isFirst = false
            JSONWriter.append(String(decoding: key, as: UTF8.self), to: &out)
            out.append(UInt8(ascii: ":"))
            out.append(contentsOf: value)
        }
    }
}
