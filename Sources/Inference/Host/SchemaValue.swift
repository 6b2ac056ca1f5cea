internal import GatewayCore

/// A JSON schema as llama.cpp's converter reads it: members in their order, and the last of those with one name.
///
/// Foundation's dictionaries take names that Unicode holds to be equal for one; the converter does not.
enum SchemaValue {
    case object([(key: String, value: SchemaValue)])
    case array([SchemaValue])
    case string(String)
    case bool(Bool)
    /// A number or null.
    case other

    subscript(key: String) -> SchemaValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    var elements: [SchemaValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var memberCount: Int {
        guard case .object(let members) = self else { return 0 }
        return members.count
    }

    /// About what it takes when written.
    var size: Int {
        switch self {
        case .object(let members): members.reduce(2) { $0 + $1.key.utf8.count + 4 + $1.value.size }
        case .array(let elements): elements.reduce(2) { $0 + 1 + $1.size }
        case .string(let text): text.utf8.count + 2
        case .bool, .other: 8
        }
    }
}

/// Reads a schema within the converter's limits; what this takes and the converter does not, that refuses itself.
struct SchemaReader {
    private let bytes: [UInt8]
    private var index = 0

    static func read(_ text: String) throws(LocalModelError) -> SchemaValue {
        guard text.utf8.count <= SchemaBounds.maxBytes else {
            throw SchemaBounds.refusal("is larger than \(SchemaBounds.maxBytes >> 10) KiB")
        }
        var reader = SchemaReader(bytes: Array(text.utf8))
        let value = try reader.value(depth: 0)
        reader.skipBlanks()
        guard reader.index == reader.bytes.count else { throw notJSON }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private static var notJSON: LocalModelError { SchemaBounds.refusal("is not JSON") }

    private mutating func skipBlanks() {
        while index < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) { index += 1 }
    }

    private mutating func next() throws(LocalModelError) -> UInt8 {
        guard index < bytes.count else { throw Self.notJSON }
        index += 1
        return bytes[index - 1]
    }

    /// Steps over the byte if it stands here.
    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard index < bytes.count, bytes[index] == UInt8(ascii: scalar) else { return false }
        index += 1
        return true
    }

    private mutating func value(depth: Int) throws(LocalModelError) -> SchemaValue {
        guard depth <= SchemaBounds.maxDepth else { throw SchemaBounds.refusal("is nested too deeply") }
        if take("{") { return try object(depth: depth) }
        if take("[") { return try array(depth: depth) }
        if take("\"") { return .string(try string()) }
        let start = index
        while index < bytes.count, Self.isPlain(bytes[index]) { index += 1 }
        guard index > start else { throw Self.notJSON }
        switch String(decoding: bytes[start..<index], as: UTF8.self) {
        case "true": return .bool(true)
        case "false": return .bool(false)
        default: return .other
        }
    }

    /// Of a number or of a word.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "E"),
            UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private mutating func object(depth: Int) throws(LocalModelError) -> SchemaValue {
        var members: [(key: String, value: SchemaValue)] = []
        if take("}") { return .object(members) }
        while true {
            guard take("\"") else { throw Self.notJSON }
            let key = try string()
            guard key.utf8.count <= SchemaBounds.maxNameBytes else {
                throw SchemaBounds.refusal("has a name of more than \(SchemaBounds.maxNameBytes) bytes")
            }
            guard take(":") else { throw Self.notJSON }
            members.append((key: key, value: try value(depth: depth + 1)))
            guard members.count <= SchemaBounds.maxMembers else {
                throw SchemaBounds.refusal("has an object with more than \(SchemaBounds.maxMembers) members")
            }
            if take("}") { return .object(members) }
            guard take(",") else { throw Self.notJSON }
        }
    }

    private mutating func array(depth: Int) throws(LocalModelError) -> SchemaValue {
        var elements: [SchemaValue] = []
        if take("]") { return .array(elements) }
        while true {
            elements.append(try value(depth: depth + 1))
            if take("]") { return .array(elements) }
            guard take(",") else { throw Self.notJSON }
        }
    }

    /// Behind the opening quote.
    private mutating func string() throws(LocalModelError) -> String {
        var out: [UInt8] = []
        while true {
            let byte = try next()
            if byte == UInt8(ascii: "\"") { return String(decoding: out, as: UTF8.self) }
            if byte == UInt8(ascii: "\\") {
                out += try escaped()
            } else {
                out.append(byte)
            }
        }
    }

    private mutating func escaped() throws(LocalModelError) -> [UInt8] {
        switch try next() {
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): break
        case let byte: return [byte]
        }
        var code = try unit()
        if (0xD800..<0xDC00).contains(code) {
            guard try next() == UInt8(ascii: "\\"), try next() == UInt8(ascii: "u") else { throw Self.notJSON }
            let low = try unit()
            guard (0xDC00..<0xE000).contains(low) else { throw Self.notJSON }
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw Self.notJSON }
        return Array(String(Character(scalar)).utf8)
    }

    /// Four hexadecimal digits.
    private mutating func unit() throws(LocalModelError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(try next())).hexDigitValue else { throw Self.notJSON }
            value = (value << 4) | UInt32(digit)
        }
        return value
    }
}
