/// The keywords of one schema, sorted by what the grammar makes of them.
struct SchemaFields {
    /// What says nothing of the value, and what only widens it.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "$schema", "$id", "id", "$comment", "$anchor",
        "$defs", "definitions", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType",
        "contentSchema", "discriminator", "externalDocs", "xml", "nullable", "propertyOrdering",
        // Tuples are written with exactly their items.
        "additionalItems",
    ]

    /// What is said of values of one type; others it leaves alone.
    static let byType: [String: Set<String>] = [
        "object": [
            "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
            "maxProperties", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties",
        ],
        "array": [
            "items", "prefixItems", "minItems", "maxItems", "contains", "minContains", "maxContains", "uniqueItems",
            "unevaluatedItems",
        ],
        "string": ["pattern", "format", "minLength", "maxLength"],
        "number": ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
    ]

    /// What the grammar takes up, where it looks at it; `HeldSchema` looks at the values.
    static let held: [String: Set<String>] = [
        "object": ["properties", "required", "additionalProperties"],
        "array": ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"],
        "string": ["pattern", "format", "minLength", "maxLength"],
        "integer": ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
        "number": [], "boolean": [], "null": [], "any": ["additionalProperties", "uniqueItems", "format"],
    ]

    /// What is said of values of all types.
    static let general: Set<String> = [
        "type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "$ref", "$dynamicRef",
        "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary",
    ]
    private static let typed = byType.values.reduce(into: Set<String>()) { $0.formUnion($1) }

    /// In the order of the text.
    private var keys: [String] = []
    private var values: [String: JSONValue] = [:]

    init(_ schema: JSONValue) throws(UnheldKeyword) {
        guard schema.kind == .object else { throw UnheldKeyword("a schema that is no object") }
        for (key, value) in schema.members {
            let name = key.string ?? ""
            // Readers do not agree which of two counts.
            guard values.updateValue(value, forKey: name) == nil else { throw Self.unheld(name) }
            keys.append(name)
        }
    }

    subscript(key: String) -> JSONValue? { values[key] }

    /// Names are the client's own text, which stays out of records: only those of JSON Schema are said.
    private static func unheld(_ key: String) -> UnheldKeyword {
        let isKnown = general.contains(key) || typed.contains(key) || annotations.contains(key)
        return UnheldKeyword(isKnown ? key : "an unknown keyword")
    }

    private static func isAnnotation(_ key: String) -> Bool { annotations.contains(key) || key.hasPrefix("x-") }

    /// The converter looks at these keywords and leaves out the others.
    func allow(_ allowed: Set<String>) throws(UnheldKeyword) {
        for key in keys where !allowed.contains(key) && !Self.isAnnotation(key) { throw Self.unheld(key) }
    }

    /// The same for a value of one type, of which what concerns other types says nothing.
    /// - Parameter type: "any" for a value of all types.
    func allow(for type: String) throws(UnheldKeyword) {
        let own = type == "any" ? Self.typed : Self.byType[type == "integer" ? "number" : type] ?? []
        let held = Self.held[type] ?? []
        for key in keys where key != "type" && !Self.isAnnotation(key) && !held.contains(key) {
            guard Self.typed.contains(key), !own.contains(key) else { throw Self.unheld(key) }
        }
    }
}

/// A keyword of a schema, or what else in it a grammar cannot hold.
struct UnheldKeyword: Error, Equatable {
    let name: String

    init(_ name: String) { self.name = name }
}
