package import GatewayCore

/// What llama.cpp's converter would have to do with a client's schema, counted before it does.
///
/// It runs in a process that others share, has no limit of its own, and calls itself for every reference that it
/// follows. This goes the converter's way, by the same keywords in the same order, and ends where a bound is reached.
package struct SchemaBounds {
    /// The fields that a schema comes in.
    static let field = "response_format or tools"
    static let maxBytes = 256 << 10
    static let maxDepth = 64
    /// Bytes of a name or a `$ref`: the converter's regular expressions call themselves for every one.
    static let maxNameBytes = 1 << 10
    /// Members of one JSON object: the converter's search all of them by turns.
    static let maxMembers = 1_000
    /// Properties of all objects; a grammar of more is beyond `GrammarText.maxBytes` anyway.
    static let maxProperties = 1_000
    /// Optional properties of one object, whose cost grows with the third power: 200 take 40 ms.
    static let maxOptional = 200
    /// Schemas in the schema, those that references and lists of types repeat included.
    static let maxParts = 2_000
    /// Schemas and references one in the other.
    static let maxChain = 256
    static let maxTypes = 16
    /// Bytes of values and of parts that the converter copies.
    static let maxCopiedBytes = 1 << 20
    /// Bytes of the names of rules that it makes; each has those of all properties around it.
    static let maxRuleNameBytes = 2_000_000

    /// Where in the schema: how deep, and the length of the name that the converter makes of it.
    private struct Place {
        var depth = 0
        var nameBytes = 0

        func inner(_ name: Int = 0) -> Place { Place(depth: depth + 1, nameBytes: nameBytes + name + 1) }
    }

    private let root: SchemaValue
    private var followed: Set<[UInt8]> = []
    private var parts = 0
    private var properties = 0
    private var copied = 0
    private var ruleNames = 0

    /// Throws what the schema has too much of; for a client to read.
    package static func check(_ schema: String) throws(LocalModelError) {
        var bounds = SchemaBounds(root: try SchemaReader.read(schema))
        try bounds.visit(bounds.root, Place())
    }

    private init(root: SchemaValue) { self.root = root }

    static func refusal(_ text: String) -> LocalModelError { .invalid("\(field): the schema \(text)") }

    private mutating func enter(_ place: Place) throws(LocalModelError) {
        parts += 1
        guard parts <= Self.maxParts else {
            throw Self.refusal("has more than \(Self.maxParts) parts, with what references repeat")
        }
        guard place.depth <= Self.maxChain else {
            throw Self.refusal("refers to itself in allOf, or has more than \(Self.maxChain) references in a chain")
        }
    }

    private mutating func charge(_ bytes: Int) throws(LocalModelError) {
        copied += bytes
        guard copied <= Self.maxCopiedBytes else { throw Self.refusal("repeats too large values") }
    }

    private mutating func name(_ bytes: Int, times: Int) throws(LocalModelError) {
        ruleNames += (bytes + 20) * times
        guard ruleNames <= Self.maxRuleNameBytes else {
            throw Self.refusal("has too many properties with long names in one another")
        }
    }

    private mutating func visit(_ node: SchemaValue, _ place: Place) throws(LocalModelError) {
        try enter(place)
        if let reference = node["$ref"] { return try follow(reference, place) }
        if let children = node["oneOf"] ?? node["anyOf"] { return try visitAll(children, place) }
        for type in try types(of: node) { try visit(node, type: type, place) }
    }

    private mutating func visitAll(_ children: SchemaValue, _ place: Place) throws(LocalModelError) {
        for child in children.elements ?? [] { try visit(child, place.inner(16)) }
    }

    /// Of a list of types, the converter makes a copy of the schema for each.
    private mutating func types(of node: SchemaValue) throws(LocalModelError) -> [String] {
        guard let list = node["type"]?.elements else { return [node["type"]?.text ?? ""] }
        guard list.count <= Self.maxTypes else { throw Self.refusal("has more than \(Self.maxTypes) types in a list") }
        try charge(list.count * node.size)
        parts += list.count
        var types: [String] = []
        for type in list {
            guard let name = type.text else { throw Self.refusal("has a type that is no string") }
            types.append(name)
        }
        return types
    }

    private mutating func visit(_ node: SchemaValue, type: String, _ place: Place) throws(LocalModelError) {
        if let value = node["const"] ?? node["enum"] { return try charge(value.size) }
        let hasProperties = Self.hasProperties(node)
        if let children = node["allOf"], !hasProperties && (type.isEmpty || type == "object") || type == "string" {
            return try merge(children, place)
        }
        let items = node["items"] ?? node["prefixItems"]
        if type == "object" || type.isEmpty && hasProperties {
            try finish(optional: try visitProperties(node, place), place)
        } else if let items, type == "array" || type.isEmpty {
            if items.elements == nil { try visit(items, place.inner(4)) } else { try visitAll(items, place) }
        } else if let pattern = node["pattern"], type == "string" || type.isEmpty {
            try charge(pattern.size)
        }
    }

    private static func hasProperties(_ node: SchemaValue) -> Bool {
        if node["properties"] != nil { return true }
        if case .bool(true)? = node["additionalProperties"] { return false }
        return node["additionalProperties"] != nil
    }

    /// The number of those that may be left out.
    private mutating func visitProperties(_ node: SchemaValue, _ place: Place) throws(LocalModelError) -> Int {
        let required = Set((node["required"]?.elements ?? []).compactMap { $0.text.map { Array($0.utf8) } })
        var optional = 0
        if case .object(let members)? = node["properties"] {
            for (key, value) in members {
                properties += 1
                guard properties <= Self.maxProperties else {
                    throw Self.refusal("has more than \(Self.maxProperties) properties")
                }
                if !required.contains(Array(key.utf8)) { optional += 1 }
                let inner = place.inner(key.utf8.count)
                try name(inner.nameBytes, times: 3)
                try visit(value, inner)
            }
        }
        if let additional = node["additionalProperties"] {
            if case .object = additional { try visit(additional, place.inner(16)) }
            if case .bool(false) = additional {} else { optional += 1 }
        }
        return optional
    }

    /// The converter makes a rule for each optional property behind each other one.
    private mutating func finish(optional: Int, _ place: Place) throws(LocalModelError) {
        guard optional <= Self.maxOptional else {
            throw Self.refusal("has an object with more than \(Self.maxOptional) properties that are not required")
        }
        try name(place.nameBytes, times: optional * optional / 2)
    }

    /// A reference is converted once and named after.
    private mutating func follow(_ reference: SchemaValue, _ place: Place) throws(LocalModelError) {
        let (path, target) = try resolve(reference)
        guard followed.insert(path).inserted else { return }
        try visit(target, Place(depth: place.depth + 1, nameBytes: path.count + 3))
    }

    private func resolve(_ reference: SchemaValue) throws(LocalModelError) -> (path: [UInt8], target: SchemaValue) {
        guard let text = reference.text, text.utf8.starts(with: "#/".utf8) else {
            throw Self.refusal("may only refer to places in itself (#/…)")
        }
        guard text.utf8.count <= Self.maxNameBytes else {
            throw Self.refusal("has a $ref of more than \(Self.maxNameBytes) bytes")
        }
        let path = Array(text.utf8)
        var target = root
        for step in path.dropFirst(2).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let name = String(decoding: step, as: UTF8.self)
            if let member = target[name] {
                target = member
            } else if let list = target.elements, let index = Int(name), list.indices.contains(index) {
                target = list[index]
            } else {
                throw Self.refusal("refers to \(text), which is not in it")
            }
        }
        return (path, target)
    }

    /// What the converter does with allOf: the properties of all its parts become one object's, and for that it
    /// follows references every time anew.
    private mutating func merge(_ children: SchemaValue, _ place: Place) throws(LocalModelError) {
        var optional = 0
        for child in children.elements ?? [] { optional += try mergePart(child, isRequired: true, place.inner()) }
        try finish(optional: optional, place)
    }

    private mutating func mergePart(
        _ node: SchemaValue, isRequired: Bool, _ place: Place
    ) throws(LocalModelError) -> Int {
        if let reference = node["$ref"] {
            try enter(place)
            return try mergePart(try resolve(reference).target, isRequired: isRequired, place.inner())
        }
        if let children = node["oneOf"] ?? node["anyOf"] {
            try enter(place)
            var optional = 0
            for child in children.elements ?? [] {
                optional += try mergePart(child, isRequired: false, place.inner())
            }
            return optional
        }
        let isList = node["type"]?.elements != nil
        guard Self.hasProperties(node), isList || ["", "object"].contains(node["type"]?.text ?? "") else {
            try visit(node, place)
            return 0
        }
        try enter(place)
        var merged = 0
        for type in try types(of: node) where type.isEmpty || type == "object" {
            _ = try visitProperties(node, place)
            merged += node["properties"]?.memberCount ?? 0
        }
        // Those of an alternative are optional, whatever it requires; a list of types is alternatives.
        return isRequired && !isList ? 0 : merged
    }
}
