/// JSON that fits a schema, as far as the schema speaks of types, members, items, choices, bounds and formats; also in
/// Google's spelling. Patterns, conditions, and that items be unique are not heeded.
///
/// Members come in the order of `propertyOrdering`, then of `required`, then of the alphabet. Optional ones are there
/// too, but for those of a schema within itself, which would have no end.
struct SchemaExample {
    /// Where the schema was followed to.
    private struct Place {
        var depth = 0
        /// References on the way; the whole schema is one.
        var open: Set<String> = ["#"]
        /// One of them was followed again.
        var isWithinItself = false
    }

    /// What references are looked up in.
    private let root: JSONTree
    /// What each text says that may say anything.
    private let words: String
    /// How many more schemas are read, or so many times `bytesPerSchema` written: one may refer to itself twice, and
    /// so on. What is left out then is missing.
    private var left = 10_000
    private static let bytesPerSchema = 64
    private static let maxDepth = 64
    /// Of items, and of characters that are added to a text.
    private static let maxCount = 1_000

    private init(_ root: JSONTree, words: String) {
        self.root = root
        self.words = words
    }

    /// The answer as JSON: every text of it that may say anything is `words`.
    static func answer(_ words: String, by schema: JSONTree) -> String {
        var example = SchemaExample(schema, words: words)
        var place = Place()
        let wanted = example.flat(schema, &place)
        let isOpen = wanted["additionalProperties"] != .bool(false) && wanted["const"] == nil && wanted["enum"] == nil
        let isPlain = names(wanted["required"]).isEmpty && (wanted["properties"]?.members ?? [:]).isEmpty
        guard isOpen, isPlain, [nil, "object"].contains(kind(wanted, place)) else {
            return example.value(wanted, place)
        }
        let member = example.value(of: wanted["additionalProperties"] ?? .bool(true), in: place)
        return #"{"answer":\#(member)}"#
    }

    /// What a tool is called with; nil: its schema is not one of an object.
    static func arguments(by schema: JSONTree) -> String? {
        var example = SchemaExample(schema, words: "Zürich")
        var place = Place()
        let wanted = example.flat(schema, &place)
        return kind(wanted, place) == "object" ? example.value(wanted, place) : nil
    }

    // MARK: Schemas

    /// All that a schema says in one object: references are followed, `allOf` is put together, and of `anyOf` and
    /// `oneOf` there is the first that is not null.
    private mutating func flat(_ schema: JSONTree, _ place: inout Place) -> [String: JSONTree] {
        place.depth += 1
        left -= 1
        // What is no object says nothing, and what has no end is cut.
        guard var wanted = schema.members, place.depth <= Self.maxDepth, left > 0 else { return [:] }
        if let name = wanted.removeValue(forKey: "$ref")?.text {
            if !place.open.insert(name).inserted { place.isWithinItself = true }
            let found = flat(target(of: name), &place)
            wanted = Self.merged(found, wanted)
        }
        for part in wanted.removeValue(forKey: "allOf")?.elements ?? [] {
            let found = flat(part, &place)
            wanted = Self.merged(wanted, found)
        }
        for name in ["anyOf", "oneOf"] {
            guard let choices = wanted.removeValue(forKey: name)?.elements, let first = choices.first else { continue }
            let some = choices.first { !Self.isNull($0) }
            let last = place.isWithinItself ? end(of: choices) : nil
            let found = flat(last ?? some ?? first, &place)
            wanted = Self.merged(wanted, found)
        }
        return wanted
    }

    /// The choice by which a schema within itself comes to an end: null, or the first that refers to no other.
    private mutating func end(of choices: [JSONTree]) -> JSONTree? {
        if let none = choices.first(where: Self.isNull) { return none }
        for choice in choices where !refers(choice) { return choice }
        return nil
    }

    /// Whether a reference is anywhere within it, or it is too large to tell.
    private mutating func refers(_ schema: JSONTree) -> Bool {
        left -= 1
        guard left > 0 else { return true }
        switch schema {
        case .null, .bool, .integer, .number, .string: return false
        case .array(let elements): return refers(elements)
        case .object(let members): return members["$ref"] != nil || refers(Array(members.values))
        }
    }

    /// All are read, in whatever order they come, so that what is left does not depend on it.
    private mutating func refers(_ schemas: [JSONTree]) -> Bool {
        var isFound = false
        for schema in schemas where refers(schema) { isFound = true }
        return isFound
    }

    private static func isNull(_ schema: JSONTree) -> Bool {
        schema.members?["type"]?.text?.lowercased() == "null"
    }

    /// What a reference within the schema stands for: `#`, or a path as `#/$defs/Name`.
    private func target(of reference: String) -> JSONTree {
        var found: JSONTree? = reference.hasPrefix("#") ? root : nil
        for part in reference.split(separator: "/").dropFirst() {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            found = found?.members?[name]
        }
        return found ?? .bool(true)
    }

    /// What both say; where only one can have its say, it is the second.
    private static func merged(_ first: [String: JSONTree], _ second: [String: JSONTree]) -> [String: JSONTree] {
        var merged = first.merging(second) { $1 }
        if let one = first["properties"]?.members, let other = second["properties"]?.members {
            merged["properties"] = .object(one.merging(other) { .object(["allOf": .array([$0, $1])]) })
        }
        if let one = first["required"]?.elements, let other = second["required"]?.elements {
            merged["required"] = .array(one + other)
        }
        return merged
    }

    private static func names(_ list: JSONTree?) -> [String] { (list?.elements ?? []).compactMap(\.text) }

    private static func count(_ value: JSONTree?) -> Int? {
        value?.double.map { Int(min(max($0, 0), Double(maxCount))) }
    }

    // MARK: Values

    /// The type; nil: any.
    private static func kind(_ wanted: [String: JSONTree], _ place: Place) -> String? {
        let type = wanted["type"]
        let types = (type?.elements ?? [type ?? .null]).compactMap { $0.text?.lowercased() }
        if place.isWithinItself, types.contains("null") { return "null" }
        if let some = types.first(where: { $0 != "null" }) ?? types.first { return some }
        return signs.first { sign in sign.words.contains { wanted[$0] != nil } }?.kind
    }

    /// What a schema without a type is told by.
    private static let signs: [(kind: String, words: [String])] = [
        ("object", ["properties", "required", "additionalProperties"]),
        ("array", ["items", "prefixItems", "minItems"]),
        ("string", ["format", "minLength", "maxLength"]),
        ("number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    ]

    private mutating func value(of schema: JSONTree, in outer: Place) -> String {
        var place = outer
        let wanted = flat(schema, &place)
        return value(wanted, place)
    }

    private mutating func value(_ wanted: [String: JSONTree], _ place: Place) -> String {
        switch Self.kind(wanted, place) {
        case "object" where !Self.isFixed(wanted): return object(wanted, place)
        case "array" where !Self.isFixed(wanted): return array(wanted, place)
        case let kind:
            let value = plain(wanted, kind)
            left -= value.utf8.count / Self.bytesPerSchema
            return value
        }
    }

    /// The schema itself says what the value is.
    private static func isFixed(_ wanted: [String: JSONTree]) -> Bool {
        wanted["const"] != nil || wanted["enum"]?.elements?.isEmpty == false
    }

    /// - Parameter kind: of a value that is neither an object nor an array, unless the schema fixes it.
    private func plain(_ wanted: [String: JSONTree], _ kind: String?) -> String {
        if let only = wanted["const"] { return only.json }
        let choices = wanted["enum"]?.elements ?? []
        if let choice = choices.first(where: { $0 != .null }) ?? choices.first { return choice.json }
        switch kind {
        case "integer": return Self.number(wanted, isWhole: true)
        case "number": return Self.number(wanted, isWhole: false)
        case "boolean": return "true"
        case "null": return "null"
        default: return ChatJSON.string(text(wanted))
        }
    }

    private mutating func object(_ wanted: [String: JSONTree], _ place: Place) -> String {
        let properties = wanted["properties"]?.members ?? [:]
        let required = Self.names(wanted["required"])
        let optional = place.isWithinItself ? [] : properties.keys.sorted()
        // Names in the order that are in neither list are left out.
        var wished = Set(required + optional)
        let names = (Self.names(wanted["propertyOrdering"]) + required + optional).filter { wished.remove($0) != nil }
        var members: [String] = []
        for name in names where left > 0 {
            let schema = properties[name] ?? wanted["additionalProperties"] ?? .bool(true)
            left -= name.utf8.count / Self.bytesPerSchema
            members.append("\(ChatJSON.string(name)):\(value(of: schema, in: place))")
        }
        return "{\(members.joined(separator: ","))}"
    }

    private mutating func array(_ wanted: [String: JSONTree], _ place: Place) -> String {
        let further = wanted["items"]
        // Older schemas have the list in `items` itself.
        var items: [String] = []
        for item in wanted["prefixItems"]?.elements ?? further?.elements ?? [] where left > 0 {
            items.append(value(of: item, in: place))
        }
        let usual = place.isWithinItself || further?.members == nil ? 0 : 1
        let least = max(usual, Self.count(wanted["minItems"]) ?? 0)
        let most = Self.count(wanted["maxItems"]) ?? Self.maxCount
        while items.count < min(least, most), left > 0 {
            items.append(value(of: further ?? .bool(true), in: place))
        }
        return "[\(items.joined(separator: ","))]"
    }

    private static let formats = [
        "date": "2026-01-31", "time": "12:00:00Z", "date-time": "2026-01-31T12:00:00Z", "duration": "P3D",
        "email": "someone@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
        "uri": "https://example.com/", "url": "https://example.com/", "uuid": "01234567-89ab-4def-8123-456789abcdef",
        "byte": "c2ltdWxhdGVk", "binary": "c2ltdWxhdGVk",
    ]

    private func text(_ wanted: [String: JSONTree]) -> String {
        if let text = wanted["format"]?.text.flatMap({ Self.formats[$0] }) { return text }
        var text = words
        let missing = (Self.count(wanted["minLength"]) ?? 0) - text.count
        if missing > 0 { text += String(repeating: ".", count: missing) }
        guard let most = Self.count(wanted["maxLength"]), text.count > most else { return text }
        return String(text.prefix(most))
    }

    private static func number(_ wanted: [String: JSONTree], isWhole: Bool) -> String {
        let usual = 3.0
        let step = wanted["multipleOf"]?.double ?? (isWhole ? 1 : 0)
        let (low, above) = (wanted["minimum"]?.double, wanted["exclusiveMinimum"]?.double)
        let (high, below) = (wanted["maximum"]?.double, wanted["exclusiveMaximum"]?.double)
        func fits(_ number: Double) -> Bool {
            guard number.isFinite else { return false }
            if let low, number < low { return false }
            if let above, number <= above { return false }
            if let high, number > high { return false }
            if let below, number >= below { return false }
            return !isWhole || number == number.rounded()
        }
        var tries = [usual]
        for end in [low, above, high, below] {
            guard let end else { continue }
            tries += [end, end + max(step, 1), end - max(step, 1)]
        }
        tries.append(((low ?? above ?? 0) + (high ?? below ?? 0)) / 2)
        if step > 0 { tries = tries.flatMap { [($0 / step).rounded(.up) * step, ($0 / step).rounded(.down) * step] } }
        let number = tries.first(where: fits) ?? usual
        return Int64(exactly: number).map { String($0) } ?? "\(number)"
    }
}
