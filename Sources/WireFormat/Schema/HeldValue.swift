/// What grammars hold of the keywords of strings and integers.
enum HeldValue {
    // MARK: Strings

    /// Formats that the converter writes.
    static func isKnownFormat(_ name: String) -> Bool {
        ["date", "time", "date-time", "uuid", "uuid1", "uuid2", "uuid3", "uuid4", "uuid5"].contains(name)
    }

    /// Formats that OpenAI's strict schemas keep to and grammars do not. Others are notes by JSON Schema.
    private static let asserted: Set = ["duration", "email", "hostname", "ipv4", "ipv6"]

    /// Whether the grammar writes the format; throws where an answer would be expected to have it and has not.
    static func format(_ fields: SchemaFields) throws(UnheldKeyword) -> Bool {
        guard let value = fields["format"] else { return false }
        guard let name = value.string, !asserted.contains(name) else { throw UnheldKeyword("format") }
        return isKnownFormat(name)
    }

    /// Of a pattern, a format and the lengths the converter takes the first that is there.
    static func checkString(_ fields: SchemaFields) throws(UnheldKeyword) {
        let hasFormat = try format(fields)
        _ = try HeldSchema.counts(fields, "minLength", "maxLength")
        var hasPattern = false
        if let value = fields["pattern"] {
            guard let pattern = value.string, pattern.isEmpty || HeldPattern.holds(pattern) else {
                throw UnheldKeyword("pattern")
            }
            hasPattern = !pattern.isEmpty
        }
        if hasPattern, hasFormat { throw UnheldKeyword("format") }
        guard hasPattern || hasFormat else { return }
        for key in ["minLength", "maxLength"] where fields[key] != nil { throw UnheldKeyword(key) }
    }

    // MARK: Integers

    /// Rules of larger numbers have more digits than the converter counts with.
    private static let maxMagnitude: Int64 = 1_000_000_000_000_000

    static func checkInteger(_ fields: SchemaFields) throws(UnheldKeyword) {
        let least = try bound(fields, "minimum", "exclusiveMinimum", step: 1)
        let most = try bound(fields, "maximum", "exclusiveMaximum", step: -1)
        if let least, let most {
            guard least <= most else { throw UnheldKeyword("maximum") }
        } else if let least {
            guard holds(leastAlone: least) else { throw UnheldKeyword("minimum") }
        } else if let most, most < 0 {
            // Its rule begins with zeros.
            throw UnheldKeyword("maximum")
        }
    }

    /// Of two that limit one side the converter sees one.
    private static func bound(
        _ fields: SchemaFields, _ inclusive: String, _ exclusive: String, step: Int64
    ) throws(UnheldKeyword) -> Int64? {
        guard fields[inclusive] == nil || fields[exclusive] == nil else { throw UnheldKeyword(exclusive) }
        let key = fields[inclusive] == nil ? exclusive : inclusive
        guard let value = fields[key] else { return nil }
        guard let number = value.integer, (-maxMagnitude...maxMagnitude).contains(number) else {
            throw UnheldKeyword(key)
        }
        return key == exclusive ? number + step : number
    }

    /// The converter goes on with the number behind a digit and forgets the zeros before it: its rule for "at least
    /// 100" allows 10.
    private static func holds(leastAlone number: Int64) -> Bool {
        number < 10 || !String(number).dropFirst().dropLast().contains("0")
    }
}

/// By what a value shows which alternative it is of: its type, its own constant or one of a required property.
struct SchemaMark {
    private var types: Set<String> = []
    private var constants: Set<String>?
    private var properties: [String: Set<String>] = [:]

    /// Whether no value can be of two of the alternatives.
    static func tells(apart schemas: [JSONValue], resolve: (String) -> JSONValue?) -> Bool {
        var marks: [SchemaMark] = []
        for schema in schemas {
            guard let mark = SchemaMark(schema, resolve: resolve) else { return false }
            guard marks.allSatisfy({ $0.isApart(mark) }) else { return false }
            marks.append(mark)
        }
        return true
    }

    /// nil: it may be of any type.
    private init?(_ schema: JSONValue, resolve: (String) -> JSONValue?) {
        var schema = schema
        for _ in 0..<8 {
            guard let reference = schema["$ref"]?.string else { break }
            guard let target = resolve(reference) else { return nil }
            schema = target
        }
        constants = Self.constants(of: schema)
        if let value = schema["const"] {
            types = [Self.typeName(value)]
        } else if let values = schema["enum"]?.elements {
            types = Set(values.map(Self.typeName))
        } else if let type = schema["type"] {
            let names = type.kind == .array ? type.elements : [type]
            types = Set(names.compactMap(\.string).map { $0 == "integer" ? "number" : $0 })
        } else {
            guard schema["$ref"] == nil, schema["properties"] != nil, schema["anyOf"] == nil, schema["oneOf"] == nil
            else { return nil }
            types = ["object"]
        }
        guard !types.isEmpty else { return nil }
        let required = Set((schema["required"]?.elements ?? []).compactMap(\.string))
        for (key, value) in schema["properties"]?.members ?? [] {
            guard let name = key.string, required.contains(name) else { continue }
            properties[name] = Self.constants(of: value)
        }
    }

    private func isApart(_ other: SchemaMark) -> Bool {
        if types.isDisjoint(with: other.types) { return true }
        if let own = constants, let others = other.constants { return own.isDisjoint(with: others) }
        guard types == ["object"], other.types == ["object"] else { return false }
        return properties.contains { name, own in other.properties[name].map { own.isDisjoint(with: $0) } ?? false }
    }

    /// nil: not by constants, or by such that are not simply equal or different.
    private static func constants(of schema: JSONValue) -> Set<String>? {
        guard let values = schema["const"].map({ [$0] }) ?? schema["enum"]?.elements else { return nil }
        var texts: Set<String> = []
        for value in values {
            switch value.kind {
            case .string: texts.insert("s" + (value.string ?? ""))
            case .number:
                guard let number = value.double else { return nil }
                texts.insert("n\(number)")
            case .object, .array: return nil
            default: texts.insert(typeName(value) + String(value.bool ?? false))
            }
        }
        return texts
    }

    /// JSON Schema's name, "number" for integers too.
    static func typeName(_ value: JSONValue) -> String {
        switch value.kind {
        case .object: "object"
        case .array: "array"
        case .string: "string"
        case .number: "number"
        case .null: "null"
        case .yes, .no: "boolean"
        }
    }
}
