package import Foundation

/// The JSON of administration: what commands print with `--json`, and `/admin/v1` answers.
package enum AdminJSON {
    /// One line; keys sorted, in snake case; instants in ISO 8601.
    package static func bytes(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .iso8601
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return try encoder.encode(value)
    }
}

/// A list as a JSON document: `{"tenants": […]}`.
package struct NamedList<Element: Encodable>: Encodable {
    private let name: String
    private let elements: [Element]

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    package init(_ name: String, _ elements: [Element]) {
        self.name = name
        self.elements = elements
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(elements, forKey: Key(stringValue: name))
    }
}
