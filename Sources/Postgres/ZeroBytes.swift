internal import Glibc

extension String {
    /// Whether it has a zero byte, which PostgreSQL's text cannot have. A statement is looked through each time that it
    /// is sent.
    var hasZeroByte: Bool {
        var text = self
        return text.withUTF8 { $0.hasZeroByte }
    }
}

extension UnsafeBufferPointer<UInt8> {
    var hasZeroByte: Bool { baseAddress.map { memchr($0, 0, count) != nil } ?? false }
}
