/// Whether the grammar that llama.cpp makes of a JSON schema allows only what the schema allows.
///
/// Its converter leaves out what it does not know, and an answer would be handed over as one by the schema that is
/// none. This goes its way through the schema, keyword by keyword: what is not known to be held is not. Every part is
/// looked at once, and those that references name after the others, so that it goes no deeper than the JSON does.
package struct HeldSchema {
    static let maxParts = 2_000
    static let maxAlternatives = 100
    static let maxBytes = 256 << 10
    static let maxReferenceBytes = 256

    private let root: JSONValue
    private var parts = 0
    /// References by the name of the rule that the converter makes of them.
    private var references: [String: String] = [:]
    private var pending: [JSONValue] = []
    /// Names of rules that are not those of references and begin as they do.
    private var likeReferences: Set<String> = []

    /// What a grammar cannot hold of a schema: a keyword, or a few words; nil: it holds all of it.
    package static func obstacle(in schema: JSONValue) -> String? {
        guard schema.range.count <= maxBytes else { return "more than \(maxBytes >> 10) KiB" }
        var walk = HeldSchema(root: schema)
        do throws(UnheldKeyword) {
            try walk.visit(schema, path: "")
            while let next = walk.pending.popLast() { try walk.visit(next, path: nil) }
            try walk.checkNames()
            return nil
        } catch {
            return error.name
        }
    }

    private init(root: JSONValue) { self.root = root }

    /// - Parameter path: the name that the converter gives the rule; nil: it begins with another than "ref".
    private mutating func visit(_ schema: JSONValue, path: String?) throws(UnheldKeyword) {
        parts += 1
        guard parts <= Self.maxParts else { throw UnheldKeyword("more than \(Self.maxParts) parts") }
        let fields = try SchemaFields(schema)
        if let reference = fields["$ref"] {
            try fields.allow(["$ref"])
            return try follow(reference)
        }
        if let key = ["oneOf", "anyOf"].first(where: { fields[$0] != nil }), let list = fields[key] {
            try fields.allow([key])
            let children = list.elements
            guard !children.isEmpty, children.count <= Self.maxAlternatives else { throw UnheldKeyword(key) }
            // The grammar allows what several alternatives allow, and oneOf does not.
            if key == "oneOf", !SchemaMark.tells(apart: children, resolve: { resolve($0) }) { throw UnheldKeyword(key) }
            for child in children { try visit(child, path: Self.name(path, "0")) }
            return
        }
        let types = try Self.types(of: fields)
        if let key = ["const", "enum"].first(where: { fields[$0] != nil }), let value = fields[key] {
            try fields.allow([key, "type"])
            let values = key == "const" ? [value] : value.elements
            guard !values.isEmpty, values.allSatisfy({ Self.isOne($0, of: types) }) else { throw UnheldKeyword(key) }
            return
        }
        if fields["allOf"] != nil, !Self.hasProperties(fields), types == [] || types == ["object"] {
            return try merge(fields, path: path)
        }
        guard !types.isEmpty else { return try visit(fields, type: Self.impliedType(fields), path: path) }
        for type in types { try visit(fields, type: type, path: path) }
    }

    private mutating func visit(_ fields: SchemaFields, type: String, path: String?) throws(UnheldKeyword) {
        try fields.allow(for: type)
        switch type {
        case "object": try visitObject(fields, path: path)
        case "array": try visitArray(fields, path: path)
        case "string": try HeldValue.checkString(fields)
        case "integer": try HeldValue.checkInteger(fields)
        case "any":
            guard fields["uniqueItems"]?.bool != true else { throw UnheldKeyword("uniqueItems") }
            _ = try HeldValue.format(fields)
        default: break
        }
    }

    // MARK: Types

    /// Empty: none is given.
    private static func types(of fields: SchemaFields) throws(UnheldKeyword) -> [String] {
        guard let value = fields["type"] else { return [] }
        let values = value.kind == .array ? value.elements : [value]
        let types = values.compactMap(\.string)
        let known: Set = ["object", "array", "string", "integer", "number", "boolean", "null"]
        // Each once: the converter makes a copy of the schema for every one.
        guard !types.isEmpty, Set(types).count == values.count, known.isSuperset(of: types) else {
            throw UnheldKeyword("type")
        }
        return types
    }

    /// What the converter takes a schema without a type for, by its keywords.
    static func impliedType(_ fields: SchemaFields) -> String {
        if hasProperties(fields) { return "object" }
        if fields["items"] != nil || fields["prefixItems"] != nil { return "array" }
        let isText = ["pattern", "minLength", "maxLength"].contains { fields[$0] != nil }
        return isText || fields["format"]?.string.map(HeldValue.isKnownFormat) == true ? "string" : "any"
    }

    private static func hasProperties(_ fields: SchemaFields) -> Bool {
        fields["properties"] != nil || fields["additionalProperties"].map { $0.bool != true } ?? false
    }

    private static func isOne(_ value: JSONValue, of types: [String]) -> Bool {
        types.isEmpty || types.contains { $0 == SchemaMark.typeName(value) || $0 == "integer" && value.integer != nil }
    }

    // MARK: Objects and arrays

    private mutating func visitObject(_ fields: SchemaFields, path: String?) throws(UnheldKeyword) {
        let names = try visitProperties(fields, path: path)
        // A name that has no schema of its own is never written.
        try Self.checkRequired(fields, names)
        guard let additional = fields["additionalProperties"], additional.bool != false else { return }
        // Beside properties, the converter's rule for other names takes a lone backslash and a line's end, which are no
        // JSON, and the name of a property in escapes, with another value than that may have.
        guard names.isEmpty else { throw UnheldKeyword("additionalProperties") }
        if additional.bool == nil { try visit(additional, path: Self.name(path, "additional-value")) }
    }

    /// Their names.
    private mutating func visitProperties(
        _ fields: SchemaFields, path: String?
    ) throws(UnheldKeyword) -> Set<[UInt8]> {
        var names: Set<[UInt8]> = []
        guard let properties = fields["properties"] else { return names }
        guard properties.kind == .object else { throw UnheldKeyword("properties") }
        for (key, value) in properties.members {
            let name = key.utf8 ?? []
            // The converter's own mark of all others is "*".
            guard names.insert(name).inserted, name != [UInt8(ascii: "*")] else { throw UnheldKeyword("properties") }
            let own = Self.name(path, Self.ruleName(name))
            guard !(path == "" && Self.isTaken(own ?? "", name)) else { throw UnheldKeyword("properties") }
            if let own, own.hasPrefix("ref") { likeReferences.insert(own) }
            try visit(value, path: own?.hasPrefix("ref") == true ? own : nil)
        }
        return names
    }

    private static func checkRequired(_ fields: SchemaFields, _ names: Set<[UInt8]>) throws(UnheldKeyword) {
        guard let required = fields["required"] else { return }
        guard required.kind == .array, required.elements.allSatisfy({ names.contains($0.utf8 ?? []) }) else {
            throw UnheldKeyword("required")
        }
    }

    private mutating func visitArray(_ fields: SchemaFields, path: String?) throws(UnheldKeyword) {
        guard fields["uniqueItems"]?.bool != true else { throw UnheldKeyword("uniqueItems") }
        let bounds = try Self.counts(fields, "minItems", "maxItems")
        guard let items = fields["items"] ?? fields["prefixItems"] else { return }
        guard fields["items"] == nil || fields["prefixItems"] == nil else { throw UnheldKeyword("prefixItems") }
        guard items.kind == .array else {
            guard fields["prefixItems"] == nil else { throw UnheldKeyword("prefixItems") }
            return try visit(items, path: Self.name(path, "item"))
        }
        let children = items.elements
        guard bounds.contains(children.count) else {
            throw UnheldKeyword(children.count < bounds.lowerBound ? "minItems" : "maxItems")
        }
        for child in children { try visit(child, path: Self.name(path, "tuple-0")) }
    }

    static func counts(
        _ fields: SchemaFields, _ least: String, _ most: String
    ) throws(UnheldKeyword) -> ClosedRange<Int> {
        var bounds = [0, Int(Int32.max)]
        for (index, key) in [least, most].enumerated() {
            guard let value = fields[key] else { continue }
            guard let count = value.integer, (0...Int64(Int32.max)).contains(count) else { throw UnheldKeyword(key) }
            bounds[index] = Int(count)
        }
        guard bounds[0] <= bounds[1] else { throw UnheldKeyword(most) }
        return bounds[0]...bounds[1]
    }

    /// allOf: the converter writes the properties of all parts, all of them as required ones, and leaves out every
    /// part that is no object.
    private mutating func merge(_ fields: SchemaFields, path: String?) throws(UnheldKeyword) {
        try fields.allow(["allOf", "type", "required", "additionalProperties"])
        let children = fields["allOf"]?.elements ?? []
        guard !children.isEmpty, children.count <= Self.maxAlternatives else { throw UnheldKeyword("allOf") }
        var names: Set<[UInt8]> = []
        for child in children {
            try visit(child, path: path)
            guard let part = resolved(child) else { throw UnheldKeyword("allOf") }
            let own = try SchemaFields(part)
            if children.count == 1, own["enum"] != nil, own["type"]?.kind != .array { break }
            let isObject = own["type"].map { $0.string == "object" } ?? Self.hasProperties(own)
            let isChoice = ["anyOf", "oneOf", "const", "enum"].contains { own[$0] != nil }
            // A part that is closed by itself forbids the properties of the others.
            let isOpen = children.count == 1 || own["additionalProperties"].map { $0.bool == true } ?? true
            guard isObject, !isChoice, own["allOf"] == nil, isOpen else { throw UnheldKeyword("allOf") }
            for (key, _) in own["properties"]?.members ?? [] {
                guard names.insert(key.utf8 ?? []).inserted else { throw UnheldKeyword("allOf") }
            }
        }
        try Self.checkRequired(fields, names)
    }

    // MARK: References

    private mutating func follow(_ reference: JSONValue) throws(UnheldKeyword) {
        guard let text = reference.string, let target = resolve(text) else { throw UnheldKeyword("$ref") }
        let name = "ref" + Self.ruleName(Array(text.utf8.dropFirst()))
        guard let known = references.updateValue(text, forKey: name) else {
            pending.append(target)
            return
        }
        // Two references whose rules have one name are one to the converter.
        guard known == text else { throw UnheldKeyword("$ref") }
    }

    /// What a reference names, as the converter finds it: it knows no escapes and nothing outside of the schema.
    private func resolve(_ text: String) -> JSONValue? {
        guard text.utf8.starts(with: "#/".utf8), text.utf8.count <= Self.maxReferenceBytes,
            !text.contains("~"), !text.contains("%")
        else { return nil }
        var target = root
        for bytes in text.utf8.dropFirst(2).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let step = String(decoding: bytes, as: UTF8.self)
            if let member = target[step] {
                target = member
            } else {
                let list = target.elements
                guard let index = Int(step), list.indices.contains(index), String(index) == step else { return nil }
                target = list[index]
            }
        }
        return target
    }

    /// Past references, which may be a few in a chain.
    private func resolved(_ schema: JSONValue) -> JSONValue? {
        var schema = schema
        for _ in 0..<8 {
            guard let reference = schema["$ref"] else { return schema }
            guard let text = reference.string, let target = resolve(text) else { return nil }
            schema = target
        }
        return nil
    }

    /// Rules of parts get their names from those around them, and may take the name of a reference's rule.
    private func checkNames() throws(UnheldKeyword) {
        let names = references.keys.sorted()
        for name in names {
            let prefixes = name.indices.dropFirst().filter { name[$0] == "-" }.map { String(name[..<$0]) }
            guard !likeReferences.contains(name),
                !prefixes.contains(where: { references[$0] != nil || $0 != "ref" && likeReferences.contains($0) })
            else { throw UnheldKeyword("$ref") }
        }
    }

    /// nil: not a name that could be taken for a reference's.
    private static func name(_ path: String?, _ part: String) -> String? {
        guard let path else { return nil }
        return path.isEmpty ? part : path + "-" + part
    }

    /// What a name becomes in a grammar: a hyphen for all that may not stand there.
    private static func ruleName(_ name: [UInt8]) -> String {
        var out = ""
        var isGap = false
        for byte in name {
            let character = Character(Unicode.Scalar(byte))
            let isKept = byte < 0x80 && (character == "-" || character.isLetter || character.isNumber)
            if isKept || !isGap { out.append(isKept ? character : "-") }
            isGap = !isKept
        }
        return out
    }

    /// The converter looks for rules of its own under such a name before it becomes one in a grammar.
    private static func isTaken(_ rule: String, _ name: [UInt8]) -> Bool {
        let own: Set = [
            "decimal-part", "integral-part", "date-time", "date-string", "time-string", "date-time-string",
        ]
        return own.contains(rule) && !name.elementsEqual(rule.utf8)
    }
}
