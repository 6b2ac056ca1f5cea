/// Looks through JSON text eight bytes at a time: most of an export's bytes stand for themselves.
enum ByteSearch {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Where the first quote, backslash or control character from `start` on is; the end when there is none.
    static func special(_ text: Span<UInt8>, from start: Int) -> Int {
        let bytes = unsafe text.bytes
        var position = start
        while position + 8 <= bytes.byteCount {
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self)
            let found = marks(UInt64(littleEndian: word))
            if found != 0 { return position + found.trailingZeroBitCount / 8 }
            position += 8
        }
        while position < text.count, !isSpecial(text[position]) { position += 1 }
        return position
    }

    static func isSpecial(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    /// The highest bit of each special byte. Bits above the lowest one that is set may be wrong: a byte borrows from
    /// the one above it.
    private static func marks(_ word: UInt64) -> UInt64 {
        let quotes = word ^ (ones &* 0x22)
        let slashes = word ^ (ones &* 0x5C)
        return ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes | (word &- ones &* 0x20) & ~word) & highs
    }
}

extension [UInt8] {
    /// Adds bytes that stand together in memory: no iterator, no type that is found out at run time.
    mutating func append(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }

    /// Writes `length` into the four bytes before `end`, the highest first.
    mutating func store(length: Int, before end: Int) {
        unsafe withUnsafeMutableBytes { unsafe $0.store(length: length, before: end) }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Writes `length` into the four bytes before `end`, the highest first.
    func store(length: Int, before end: Int) {
        unsafe storeBytes(of: UInt32(clamping: length).bigEndian, toByteOffset: end - 4, as: UInt32.self)
    }

    /// Writes `source` at `position`, and goes past it.
    func put(_ source: Slice<UnsafeRawBufferPointer>, at position: inout Int) {
        let end = unsafe position + source.count
        unsafe UnsafeMutableRawBufferPointer(rebasing: self[position..<end]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: source))
        position = end
    }
}
