/// One value of a GGUF file's metadata.
enum GGUFValue: Hashable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case bool(Bool)
    case text(String)
    /// Elements are passed over, except for the first number, if it is one.
    case array(count: UInt64, first: Int64?)

    /// Not negative, if it is an integer; an array's first element stands for it.
    var count: UInt64? {
        switch self {
        case .unsigned(let value): value
        case .signed(let value): value < 0 ? nil : UInt64(value)
        case .array(_, let first?): first < 0 ? nil : UInt64(first)
        default: nil
        }
    }
}

/// The metadata and the tensors' places of a GGUF file, as its header says: read with limits, nothing believed yet.
struct GGUFMetadata {
    static let maxValues: UInt64 = 8192
    static let maxTensors: UInt64 = 65_536
    static let maxKeyBytes = 1024
    /// The longest text is a chat template.
    static let maxTextBytes = 1 << 20
    static let maxNameBytes = 63
    static let tokensKey = "tokenizer.ggml.tokens"
    static let maxTokenBytes = 64 << 10

    /// One tensor's shape and place in the data.
    struct Tensor {
        var name: String
        var dimensions: [UInt64]
        var type: UInt32
        var offset: UInt64
    }

    private(set) var values: [String: GGUFValue] = [:]
    private(set) var tensors: [Tensor] = []
    /// Bytes of the header, before the data's alignment.
    private(set) var headerBytes: Int64 = 0

    init(_ reader: inout GGUFReader) throws(GGUFProblem) {
        guard try reader.integer(UInt32.self) == 0x4655_4747 else { throw GGUFProblem("it is not a GGUF file") }
        let version = try reader.integer(UInt32.self)
        guard (2...3).contains(version) else { throw GGUFProblem("it is GGUF version \(version), not 2 or 3") }
        let tensorCount = try reader.integer(UInt64.self)
        let valueCount = try reader.integer(UInt64.self)
        guard tensorCount <= Self.maxTensors else { throw GGUFProblem("it says that it has \(tensorCount) tensors") }
        guard valueCount <= Self.maxValues else { throw GGUFProblem("it says that it has \(valueCount) values") }
        for _ in 0..<valueCount {
            let key = try reader.string(maxBytes: Self.maxKeyBytes)
            let type = try reader.integer(UInt32.self)
            let value =
                key == Self.tokensKey && type == 9
                ? try Self.vocabulary(&reader) : try Self.value(&reader, type: type)
            guard values.updateValue(value, forKey: key) == nil else { throw GGUFProblem("\(key) is in it twice") }
        }
        var names = Set<String>()
        for _ in 0..<tensorCount {
            let tensor = try Self.tensor(&reader)
            guard names.insert(tensor.name).inserted else { throw GGUFProblem("tensor \(tensor.name) is in it twice") }
            tensors.append(tensor)
        }
        headerBytes = reader.offset
    }

    func text(_ key: String) -> String? {
        if case .text(let text)? = values[key] { text } else { nil }
    }

    private static func tensor(_ reader: inout GGUFReader) throws(GGUFProblem) -> Tensor {
        let name = try reader.string(maxBytes: maxNameBytes)
        let rank = try reader.integer(UInt32.self)
        guard (1...4).contains(rank) else { throw GGUFProblem("tensor \(name) has \(rank) dimensions") }
        var dimensions: [UInt64] = []
        for _ in 0..<rank { dimensions.append(try reader.integer(UInt64.self)) }
        let type = try reader.integer(UInt32.self)
        return Tensor(name: name, dimensions: dimensions, type: type, offset: try reader.integer(UInt64.self))
    }

    private static func value(_ reader: inout GGUFReader, type: UInt32) throws(GGUFProblem) -> GGUFValue {
        switch type {
        case 0: return .unsigned(UInt64(try reader.integer(UInt8.self)))
        case 1: return .signed(Int64(try reader.integer(Int8.self)))
        case 2: return .unsigned(UInt64(try reader.integer(UInt16.self)))
        case 3: return .signed(Int64(try reader.integer(Int16.self)))
        case 4: return .unsigned(UInt64(try reader.integer(UInt32.self)))
        case 5: return .signed(Int64(try reader.integer(Int32.self)))
        case 6: return .float(Double(Float(bitPattern: try reader.integer(UInt32.self))))
        case 7: return .bool(try reader.integer(UInt8.self) != 0)
        case 8: return .text(try reader.string(maxBytes: maxTextBytes))
        case 9: return try array(&reader)
        case 10: return .unsigned(try reader.integer(UInt64.self))
        case 11: return .signed(try reader.integer(Int64.self))
        case 12: return .float(Double(bitPattern: try reader.integer(UInt64.self)))
        default: throw GGUFProblem("a value in it is of type \(type), which does not exist")
        }
    }

    /// The vocabulary's texts: llama.cpp ends the process where two are the same.
    private static func vocabulary(_ reader: inout GGUFReader) throws(GGUFProblem) -> GGUFValue {
        guard try reader.integer(UInt32.self) == 8 else { throw GGUFProblem("its vocabulary is no list of texts") }
        let count = try reader.integer(UInt64.self)
        guard count <= GGUFFile.maxVocabulary else { throw GGUFProblem("its vocabulary has \(count) tokens") }
        var known = Set<[UInt8]>()
        for _ in 0..<count {
            let text = try reader.bytes(max: maxTokenBytes)
            guard text.isEmpty || known.insert(text).inserted else {
                throw GGUFProblem("two tokens of its vocabulary are the same")
            }
        }
        return .array(count: count, first: nil)
    }

    private static func array(_ reader: inout GGUFReader) throws(GGUFProblem) -> GGUFValue {
        let type = try reader.integer(UInt32.self)
        let count = try reader.integer(UInt64.self)
        guard count <= UInt64(max(0, reader.remaining)) else {
            throw GGUFProblem("a list in it is longer than the file")
        }
        switch type {
        case 8:
            for _ in 0..<count { try reader.skip(try reader.integer(UInt64.self)) }
            return .array(count: count, first: nil)
        case 4, 5:
            guard count > 0 else { return .array(count: 0, first: nil) }
            let first = Int64(try reader.integer(Int32.self))
            try reader.skip((count - 1) * 4)
            return .array(count: count, first: first)
        default:
            let widths: [UInt32: UInt64] = [0: 1, 1: 1, 2: 2, 3: 2, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8]
            guard let width = widths[type] else { throw GGUFProblem("a list in it is of type \(type)") }
            try reader.skip(count * width)
            return .array(count: count, first: nil)
        }
    }
}
