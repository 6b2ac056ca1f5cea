/// A part of a list that grows with use, and what the next part is asked for with:
/// `{"escalations": […], "next_after": 100}`.
package struct RecordPage<Element: Encodable>: Encodable {
    private let name: String
    private let elements: [Element]
    private let nextAfter: Int64?

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// - Parameter nextAfter: nil: this was the last part.
    package init(_ name: String, _ elements: [Element], nextAfter: Int64?) {
        self.name = name
        self.elements = elements
        self.nextAfter = nextAfter
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(elements, forKey: Key(stringValue: name))
        // Said as null: a script that finds no member does not know whether it has asked an older gateway.
        try container.encode(nextAfter, forKey: Key(stringValue: "next_after"))
    }
}
