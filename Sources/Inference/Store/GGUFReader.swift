internal import Glibc

/// What is wrong with a GGUF file; the text is for the operator, who knows which file it was.
struct GGUFProblem: Error, Hashable {
    var text: String
    init(_ text: String) { self.text = text }
}

/// Reads a file's header from its beginning on, piece by piece.
///
/// The file is not mapped: one that is cut short meanwhile would end the process.
struct GGUFReader {
    /// Bytes of a header that are looked at: the largest vocabularies take a tenth of it.
    static let maxHeaderBytes: Int64 = 512 << 20
    private static let pieceBytes = 256 << 10

    private let descriptor: CInt
    private let limit: Int64
    private var buffer: [UInt8] = []
    private var next = 0
    /// Where in the file the buffer begins.
    private var base: Int64 = 0

    /// - Parameter size: of the whole file.
    init(descriptor: CInt, size: Int64) {
        self.descriptor = descriptor
        limit = min(size, Self.maxHeaderBytes)
    }

    var offset: Int64 { base + Int64(next) }
    /// Bytes of the header that may still come.
    var remaining: Int64 { limit - offset }

    mutating func skip(_ count: UInt64) throws(GGUFProblem) {
        guard count <= UInt64(remaining) else { throw GGUFProblem("it ends within its header") }
        let target = offset + Int64(count)
        if target <= base + Int64(buffer.count) {
            next = Int(target - base)
        } else {
            base = target
            buffer = []
            next = 0
        }
    }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws(GGUFProblem) -> Value {
        let width = MemoryLayout<Value>.size
        try need(width)
        var value: Value = 0
        for index in 0..<width { value |= Value(truncatingIfNeeded: buffer[next + index]) << (8 * index) }
        next += width
        return value
    }

    /// A string; longer ones than `maxBytes` are an error.
    mutating func string(maxBytes: Int) throws(GGUFProblem) -> String {
        String(decoding: try bytes(max: maxBytes), as: UTF8.self)
    }

    /// A string's bytes; more than `limit` are an error.
    mutating func bytes(max limit: Int) throws(GGUFProblem) -> [UInt8] {
        let count = try integer(UInt64.self)
        guard count <= UInt64(limit) else { throw GGUFProblem("a text in it is \(count) bytes long") }
        try need(Int(count))
        defer { next += Int(count) }
        return Array(buffer[next..<(next + Int(count))])
    }

    private mutating func need(_ count: Int) throws(GGUFProblem) {
        if buffer.count - next >= count { return }
        guard Int64(count) <= remaining else { throw GGUFProblem("it ends within its header") }
        let start = offset
        var fresh = [UInt8](repeating: 0, count: Int(min(limit - start, Int64(max(count, Self.pieceBytes)))))
        let wanted = fresh.count
        var filled = 0
        while filled < wanted {
            let got = fresh.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: filled), wanted - filled, off_t(start) + off_t(filled))
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            filled += got
        }
        guard filled >= count else { throw GGUFProblem("it cannot be read to the end of its header") }
        buffer = Array(fresh.prefix(filled))
        base = start
        next = 0
    }
}
