package import struct Foundation.UUID

extension Sequence<UInt8> {
    /// Two lower-case hexadecimal digits a byte. Inlinable: it is asked of several kinds of sequences for each call.
    @inlinable package var hexadecimal: String {
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * underestimatedCount)
        for byte in self {
            digits.append(Self.digit(byte >> 4))
            digits.append(Self.digit(byte & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }

    @inlinable static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

extension UUID {
    /// As we write it: in lower case. By hand, since `uuidString` formats with the C library's, and a request is named
    /// several times.
    package var text: String {
        let u = uuid
        let bytes: InlineArray<16, UInt8> = [
            u.0, u.1, u.2, u.3, u.4, u.5, u.6, u.7, u.8, u.9, u.10, u.11, u.12, u.13, u.14, u.15,
        ]
        var digits: [UInt8] = []
        digits.reserveCapacity(36)
        for index in bytes.indices {
            if index == 4 || index == 6 || index == 8 || index == 10 { digits.append(UInt8(ascii: "-")) }
            digits.append([UInt8].digit(bytes[index] >> 4))
            digits.append([UInt8].digit(bytes[index] & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }
}
