package import FoundationEssentials

/// One parameter as it goes over the wire: its type and its value in PostgreSQL's text format (bytea: binary).
package struct PostgresBind: Sendable {
    enum Value: Sendable {
        case null
        case text(String)
        case binary([UInt8])
        /// Cannot be sent; the text says why, without the value.
        case invalid(String)
    }
    let type: UInt32
    let value: Value
}

/// A value that can be a statement's parameter.
///
/// A type of your own conforms by handing on the `postgresBind` of what it wraps.
package protocol PostgresBindable {
    /// The object identifier of the parameter's type in PostgreSQL, known even when the value is NULL.
    static var postgresType: UInt32 { get }
    /// The parameter.
    var postgresBind: PostgresBind { get }
}

/// A `PostgresBindable` that has an array type of its own in PostgreSQL.
package protocol PostgresArrayElement: PostgresBindable {
    /// The object identifier of the array type.
    static var postgresArrayType: UInt32 { get }
    /// The array as one parameter.
    static func postgresBind(array: [Self]) -> PostgresBind
    /// Adds the value as an element of a binary array; false where the type goes as text.
    static func append(_ value: Self, to array: inout PostgresArrayBinary) -> Bool
}

extension PostgresArrayElement {
    package static func append(_ value: Self, to array: inout PostgresArrayBinary) -> Bool { false }

    package static func postgresBind(array: [Self]) -> PostgresBind {
        var binary = PostgresArrayBinary(count: array.count, elementType: postgresType)
        guard array.allSatisfy({ append($0, to: &binary) }) else {
            return PostgresArrayText.bind(array.map { $0.postgresBind.value }, type: postgresArrayType)
        }
        return PostgresBind(type: postgresArrayType, value: .binary(binary.bytes))
    }
}

extension Bool: PostgresArrayElement {
    package static func append(_ value: Bool, to array: inout PostgresArrayBinary) -> Bool {
        array.append(CollectionOfOne(UInt8(value ? 1 : 0)))
        return true
    }
    package static var postgresType: UInt32 { 16 }
    package static var postgresArrayType: UInt32 { 1000 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(self ? "t" : "f")) }
}

extension Int16: PostgresArrayElement {
    package static func append(_ value: Int16, to array: inout PostgresArrayBinary) -> Bool {
        array.append(value)
        return true
    }
    package static var postgresType: UInt32 { 21 }
    package static var postgresArrayType: UInt32 { 1005 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(String(self))) }
}

extension Int32: PostgresArrayElement {
    package static func append(_ value: Int32, to array: inout PostgresArrayBinary) -> Bool {
        array.append(value)
        return true
    }
    package static var postgresType: UInt32 { 23 }
    package static var postgresArrayType: UInt32 { 1007 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(String(self))) }
}

extension Int64: PostgresArrayElement {
    package static func append(_ value: Int64, to array: inout PostgresArrayBinary) -> Bool {
        array.append(value)
        return true
    }
    package static var postgresType: UInt32 { 20 }
    package static var postgresArrayType: UInt32 { 1016 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(String(self))) }
}

/// `Int` is sent as `bigint`.
extension Int: PostgresArrayElement {
    package static func append(_ value: Int, to array: inout PostgresArrayBinary) -> Bool {
        array.append(Int64(value))
        return true
    }
    package static var postgresType: UInt32 { 20 }
    package static var postgresArrayType: UInt32 { 1016 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(String(self))) }
}

extension Double: PostgresArrayElement {
    package static var postgresType: UInt32 { 701 }
    package static var postgresArrayType: UInt32 { 1022 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(text(of: self))) }
}

extension Float: PostgresArrayElement {
    package static var postgresType: UInt32 { 700 }
    package static var postgresArrayType: UInt32 { 1021 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(text(of: self))) }
}

/// PostgreSQL spells the special values its own way.
private func text(of value: some BinaryFloatingPoint & LosslessStringConvertible) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "Infinity" : "-Infinity" }
    return String(value)
}

/// Sent as `text`. A string with a zero byte cannot be stored by PostgreSQL: the statement fails before it is sent.
extension String: PostgresArrayElement {
    package static func append(_ value: String, to array: inout PostgresArrayBinary) -> Bool {
        // As text the zero byte is refused with an error that names the parameter.
        guard !value.hasZeroByte else { return false }
        array.append(value.utf8)
        return true
    }
    package static var postgresType: UInt32 { 25 }
    package static var postgresArrayType: UInt32 { 1009 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(self)) }
}

extension UUID: PostgresArrayElement {
    package static func append(_ value: UUID, to array: inout PostgresArrayBinary) -> Bool {
        array.append(value)
        return true
    }
    package static var postgresType: UInt32 { 2950 }
    package static var postgresArrayType: UInt32 { 2951 }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(uuidString)) }
}

/// Sent as `timestamptz`, rounded to its microseconds.
extension Date: PostgresArrayElement {
    package static var postgresType: UInt32 { 1184 }
    package static var postgresArrayType: UInt32 { 1185 }
    package var postgresBind: PostgresBind {
        guard let microseconds = PostgresTimestamp.microseconds(of: self) else {
            return PostgresBind(type: Self.postgresType, value: .invalid("a date out of timestamptz's range"))
        }
        let bytes = withUnsafeBytes(of: microseconds.bigEndian) { Array($0) }
        return PostgresBind(type: Self.postgresType, value: .binary(bytes))
    }
    package static func append(_ value: Date, to array: inout PostgresArrayBinary) -> Bool {
        // The array is refused then, with what its elements say one by one.
        guard let microseconds = PostgresTimestamp.microseconds(of: value) else { return false }
        array.append(microseconds)
        return true
    }
}

/// JSON text, sent as `jsonb`.
package struct PostgresJSON: PostgresArrayElement, Sendable, Equatable {
    /// The JSON text.
    package let text: String
    package init(_ text: String) { self.text = text }
    package static var postgresType: UInt32 { 3802 }
    package static var postgresArrayType: UInt32 { 3807 }
    package static func append(_ value: PostgresJSON, to array: inout PostgresArrayBinary) -> Bool {
        // As text the zero byte is refused with an error that names the parameter.
        guard !value.text.hasZeroByte else { return false }
        array.append(json: value.text)
        return true
    }
    package var postgresBind: PostgresBind { PostgresBind(type: Self.postgresType, value: .text(text)) }
}

extension Optional: PostgresBindable where Wrapped: PostgresBindable {
    package static var postgresType: UInt32 { Wrapped.postgresType }
    package var postgresBind: PostgresBind {
        self?.postgresBind ?? PostgresBind(type: Self.postgresType, value: .null)
    }
}

extension Optional: PostgresArrayElement where Wrapped: PostgresArrayElement {
    package static var postgresArrayType: UInt32 { Wrapped.postgresArrayType }
    package static func append(_ value: Wrapped?, to array: inout PostgresArrayBinary) -> Bool {
        if let value { return Wrapped.append(value, to: &array) }
        array.appendNull()
        return true
    }
}

/// `[UInt8]` is a `bytea`, not an array of small numbers: a byte has no type of its own in PostgreSQL.
extension UInt8: PostgresArrayElement {
    package static var postgresType: UInt32 { 21 }
    package static var postgresArrayType: UInt32 { 17 }
    package var postgresBind: PostgresBind { Int16(self).postgresBind }
    package static func postgresBind(array: [UInt8]) -> PostgresBind {
        PostgresBind(type: postgresArrayType, value: .binary(array))
    }
}

extension Array: PostgresBindable where Element: PostgresArrayElement {
    package static var postgresType: UInt32 { Element.postgresArrayType }
    package var postgresBind: PostgresBind { Element.postgresBind(array: self) }
}

/// `[[UInt8]]` is a `bytea[]`.
extension Array: PostgresArrayElement where Element == UInt8 {
    package static func append(_ value: [UInt8], to array: inout PostgresArrayBinary) -> Bool {
        array.append(value)
        return true
    }
    package static var postgresArrayType: UInt32 { 1001 }
}
