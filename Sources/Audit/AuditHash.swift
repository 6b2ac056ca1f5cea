internal import Crypto

/// A SHA-256 digest, as 32 bytes in place: millions of them pass through without an allocation.
package struct AuditHash: Hashable, Sendable {
    /// How many bytes it has.
    package static let byteCount = 32
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init() {}

    /// The digest in `bytes`; nil when there are not 32.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        unsafe withUnsafeMutableBytes(of: &words) { unsafe $0.copyBytes(from: bytes) }
    }

    /// The digest that is written in 64 hexadecimal digits.
    package init?(hexadecimal text: some StringProtocol) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        var high: UInt8?
        for digit in text.utf8 {
            guard let value = Self.nibble(digit) else { return nil }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        guard high == nil else { return nil }
        self.init(bytes)
    }

    /// Digests that stand one after another; nil when the last one is cut.
    package static func list(_ bytes: [UInt8]) -> [AuditHash]? {
        guard bytes.count.isMultiple(of: byteCount) else { return nil }
        return unsafe bytes.withUnsafeBytes { source in
            var list: [AuditHash] = []
            list.reserveCapacity(source.count / byteCount)
            for start in stride(from: 0, to: source.count, by: byteCount) {
                var hash = AuditHash()
                unsafe hash.copy(UnsafeRawBufferPointer(rebasing: source[start..<(start + byteCount)]))
                list.append(hash)
            }
            return list
        }
    }

    /// The digests' bytes, one after another.
    package static func bytes(_ hashes: [AuditHash]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(hashes.count * byteCount)
        for hash in hashes {
            unsafe withUnsafeBytes(of: hash.words) { unsafe bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    private mutating func copy(_ source: UnsafeRawBufferPointer) {
        unsafe withUnsafeMutableBytes(of: &words) { unsafe $0.copyMemory(from: source) }
    }

    /// Its bytes.
    package var bytes: [UInt8] {
        Self.bytes([self])
    }

    /// 64 lower-case digits.
    package var hexadecimal: String {
        String(decoding: bytes.flatMap { [Self.digit($0 >> 4), Self.digit($0 & 15)] }, as: UTF8.self)
    }

    package static func == (a: AuditHash, b: AuditHash) -> Bool { a.words == b.words }
    package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }

    static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

extension AuditHash {
    /// RFC 6962, 2.1: the root of a tree without leaves.
    package static let empty = hash([])

    /// RFC 6962, 2.1: a leaf's hash. `bytes` begin with the 0x00 that tells leaves from nodes.
    static func leaf(prefixed bytes: [UInt8]) -> AuditHash { hash(bytes) }

    /// RFC 6962, 2.1: the hash of a node above two others.
    package static func node(_ left: AuditHash, _ right: AuditHash) -> AuditHash {
        // In one piece: three times the hasher would first look whether its state is its own.
        var node = (UInt64(0), left.words, right.words)
        return unsafe withUnsafeMutableBytes(of: &node) { bytes in
            unsafe bytes[7] = 1
            var hasher = SHA256()
            unsafe hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[7...]))
            return AuditHash(hasher)
        }
    }

    private static func hash(_ bytes: [UInt8]) -> AuditHash {
        var hasher = SHA256()
        unsafe bytes.withUnsafeBytes { unsafe hasher.update(bufferPointer: $0) }
        return AuditHash(hasher)
    }

    private init(_ hasher: SHA256) {
        self.init()
        let digest = hasher.finalize()
        unsafe digest.withUnsafeBytes { unsafe copy($0) }
    }
}
