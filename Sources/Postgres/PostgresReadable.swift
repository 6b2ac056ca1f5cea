package import FoundationEssentials

/// A value that can be read out of a column, from PostgreSQL's text format.
///
/// A type of your own conforms by handing the text on to what it wraps.
package protocol PostgresReadable {
    /// Nil when `postgresText` is not a value of this type. NULL never gets here.
    init?(postgresText: Span<UInt8>)
}

/// A `PostgresReadable` that may stand in an array column.
///
/// Apart from `PostgresReadable` because `[UInt8]` is a `bytea`, whose text is not an array's.
package protocol PostgresReadableElement: PostgresReadable {
    /// Reads a whole array column. Nil when it is no array of this type.
    static func array(postgresText: Span<UInt8>) -> [Self]?
}

extension PostgresReadableElement {
    package static func array(postgresText: Span<UInt8>) -> [Self]? {
        guard let elements = PostgresArrayText.elements(of: postgresText) else { return nil }
        var values: [Self] = []
        values.reserveCapacity(elements.count)
        for element in elements {
            guard let element, let value = Self(postgresText: element.span) else { return nil }
            values.append(value)
        }
        return values
    }
}

extension String: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        self = postgresText.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}

extension Bool: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard postgresText.count == 1 else { return nil }
        switch postgresText[0] {
        case UInt8(ascii: "t"): self = true
        case UInt8(ascii: "f"): self = false
        default: return nil
        }
    }
}

/// Decimal digits with an optional sign; nil on anything else and on overflow.
private func integer<T: FixedWidthInteger & SignedInteger>(_ text: Span<UInt8>) -> T? {
    let isNegative = text.count > 0 && text[0] == UInt8(ascii: "-")
    let start = isNegative ? 1 : 0
    guard text.count > start else { return nil }
    var value: T = 0
    for index in start..<text.count {
        guard text[index] >= UInt8(ascii: "0"), text[index] <= UInt8(ascii: "9") else { return nil }
        let digit = T(text[index] - UInt8(ascii: "0"))
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        // Counted downwards when negative: the most negative number has no positive counterpart.
        let (sum, carry) =
            isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
        if overflow || carry { return nil }
        value = sum
    }
    return value
}

extension Int16: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let value: Int16 = integer(postgresText) else { return nil }
        self = value
    }
}

extension Int32: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let value: Int32 = integer(postgresText) else { return nil }
        self = value
    }
}

extension Int64: PostgresReadableElement {
    /// Arrays of plain numbers come with every batch: read without a copy of each element.
    package static func array(postgresText text: Span<UInt8>) -> [Int64]? {
        guard text.count >= 2, text[0] == UInt8(ascii: "{"), text[text.count - 1] == UInt8(ascii: "}") else {
            return nil
        }
        var values: [Int64] = []
        values.reserveCapacity(text.count / 8)
        var start = 1
        while start < text.count - 1 {
            var end = start
            while end < text.count - 1, text[end] != UInt8(ascii: ",") { end += 1 }
            guard let value: Int64 = integer(text.extracting(start..<end)) else { return nil }
            values.append(value)
            if end + 1 == text.count - 1 { return nil }
            start = end + 1
        }
        return values
    }

    package init?(postgresText: Span<UInt8>) {
        guard let value: Int64 = integer(postgresText) else { return nil }
        self = value
    }
}

extension Int: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let value: Int = integer(postgresText) else { return nil }
        self = value
    }
}

extension Double: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let text = String(postgresText: postgresText), let value = Double(text) else { return nil }
        self = value
    }
}

extension Float: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let text = String(postgresText: postgresText), let value = Float(text) else { return nil }
        self = value
    }
}

extension UUID: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let text = String(postgresText: postgresText), let value = UUID(uuidString: text) else { return nil }
        self = value
    }
}

/// From `timestamptz` (or `timestamp`, taken as UTC). Infinity is not a date: reading it fails.
extension Date: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let value = PostgresTimestamp.date(of: postgresText) else { return nil }
        self = value
    }
}

extension PostgresJSON: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let text = String(postgresText: postgresText) else { return nil }
        self.init(text)
    }
}

extension UInt8: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let value: Int16 = integer(postgresText), let byte = UInt8(exactly: value) else { return nil }
        self = byte
    }

    /// A `bytea` in hex form.
    package static func array(postgresText text: Span<UInt8>) -> [UInt8]? {
        guard text.count >= 2, text.count % 2 == 0, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x")
        else { return nil }
        let count = text.count / 2 - 1
        var isHex = true
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
            for index in 0..<count {
                guard let high = nibble(text[2 * index + 2]), let low = nibble(text[2 * index + 3]) else {
                    isHex = false
                    break
                }
                bytes[index] = high << 4 | low
                filled += 1
            }
        }
        return isHex ? bytes : nil
    }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

extension Array: PostgresReadable where Element: PostgresReadableElement {
    package init?(postgresText: Span<UInt8>) {
        guard let values = Element.array(postgresText: postgresText) else { return nil }
        self = values
    }
}

/// `[[UInt8]]` is a `bytea[]`.
extension Array: PostgresReadableElement where Element == UInt8 {}

/// Only as an element: a column that may be NULL is read with `getOptional`.
extension Optional: PostgresReadable where Wrapped: PostgresReadable {
    package init?(postgresText: Span<UInt8>) {
        guard let value = Wrapped(postgresText: postgresText) else { return nil }
        self = .some(value)
    }
}

extension Optional: PostgresReadableElement where Wrapped: PostgresReadableElement {
    package static func array(postgresText: Span<UInt8>) -> [Wrapped?]? {
        guard let elements = PostgresArrayText.elements(of: postgresText) else { return nil }
        var values: [Wrapped?] = []
        values.reserveCapacity(elements.count)
        for element in elements {
            guard let element else {
                values.append(nil)
                continue
            }
            guard let value = Wrapped(postgresText: element.span) else { return nil }
            values.append(value)
        }
        return values
    }
}
