/// A validated JSON text: its bytes as they came and where each value lies in them.
package struct JSONDocument: Sendable {
    /// The text as it was given.
    package let bytes: [UInt8]
    let nodes: [JSONNode]

    /// Validates `bytes`; throws on anything RFC 8259 refuses, invalid UTF-8, a passed limit or a duplicate key.
    package init(_ bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(WireFormatError) {
        var scanner = JSONScanner(bytes, limits: limits)
        try scanner.scan()
        self.bytes = bytes
        nodes = scanner.nodes
    }

    /// The outermost value.
    package var root: JSONValue { JSONValue(document: self, index: 0) }
}

/// A value within a document. Cheap to copy; reading it decodes on demand.
package struct JSONValue: Sendable {
    let document: JSONDocument
    let index: Int
    private var node: JSONNode { document.nodes[index] }

    package var kind: JSONKind { node.kind }
    /// Where the value lies in `JSONDocument.bytes`, quotes and brackets included.
    package var range: Range<Int> { node.start..<node.end }
    /// The value as it stands in the text.
    package var rawBytes: ArraySlice<UInt8> { document.bytes[range] }
    package var isNull: Bool { kind == .null }

    /// UTF-8 of a string; nil for other kinds.
    package var utf8: [UInt8]? {
        guard kind == .string else { return nil }
        let inside = document.bytes[(node.start + 1)..<(node.end - 1)]
        return node.hasEscapes ? JSONText.decode(inside) : Array(inside)
    }

    /// Text of a string; nil for other kinds.
    package var string: String? {
        guard kind == .string else { return nil }
        let inside = document.bytes[(node.start + 1)..<(node.end - 1)]
        return node.hasEscapes
            ? String(decoding: JSONText.decode(inside), as: UTF8.self) : String(decoding: inside, as: UTF8.self)
    }

    /// A number written without fraction and exponent that fits; nil for everything else, `2.0` included.
    package var integer: Int64? { kind == .number ? Int64(String(decoding: rawBytes, as: UTF8.self)) : nil }

    /// A number; nil for other kinds and where it is beyond a finite double (1e400).
    package var double: Double? {
        guard kind == .number, let value = Double(String(decoding: rawBytes, as: UTF8.self)), value.isFinite
        else { return nil }
        return value
    }

    package var bool: Bool? {
        switch kind {
        case .yes: true
        case .no: false
        default: nil
        }
    }

    /// Values of an array; empty for other kinds.
    package var elements: [JSONValue] {
        guard kind == .array else { return [] }
        var found: [JSONValue] = []
        var child = index + 1
        while child < node.next {
            found.append(JSONValue(document: document, index: child))
            child = document.nodes[child].next
        }
        return found
    }

    /// Keys and values of an object in the order of the text; empty for other kinds. The keys are values
    /// themselves, so that their place is known.
    package var members: [(key: JSONValue, value: JSONValue)] {
        guard kind == .object else { return [] }
        var found: [(key: JSONValue, value: JSONValue)] = []
        var child = index + 1
        while child < node.next {
            found.append(
                (JSONValue(document: document, index: child), JSONValue(document: document, index: child + 1)))
            child = document.nodes[child + 1].next
        }
        return found
    }

    /// The first member with this key; nil where there is none or the value is no object.
    package subscript(key: String) -> JSONValue? {
        guard kind == .object else { return nil }
        var child = index + 1
        while child < node.next {
            if isKey(child, equalTo: key) { return JSONValue(document: document, index: child + 1) }
            child = document.nodes[child + 1].next
        }
        return nil
    }

    private func isKey(_ child: Int, equalTo key: String) -> Bool {
        let node = document.nodes[child]
        if node.hasEscapes {
            return JSONText.decode(document.bytes[(node.start + 1)..<(node.end - 1)]).elementsEqual(key.utf8)
        }
        guard node.end - node.start - 2 == key.utf8.count else { return false }
        let span = document.bytes.span
        var place = node.start + 1
        for byte in key.utf8 {
            guard span[place] == byte else { return false }
            place += 1
        }
        return true
    }
}
