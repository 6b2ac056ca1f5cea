/// Writes JSON by hand into bytes. Commas are put where they belong; balance and keys are the caller's affair.
package struct JSONWriter: Sendable {
    /// What has been written.
    package private(set) var bytes: [UInt8]
    package init(reserving capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    private mutating func separate() {
        // A value ends in a quote, a bracket, a digit or a letter: only after these a comma is due.
        switch bytes.last {
        case nil, UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ":"): return
        default: bytes.append(UInt8(ascii: ","))
        }
    }

    /// Opens an object; keys with their values follow.
    package mutating func beginObject() {
        separate()
        bytes.append(UInt8(ascii: "{"))
    }
    /// Closes the object opened last.
    package mutating func endObject() { bytes.append(UInt8(ascii: "}")) }
    /// Opens an array; values follow.
    package mutating func beginArray() {
        separate()
        bytes.append(UInt8(ascii: "["))
    }
    /// Closes the array opened last.
    package mutating func endArray() { bytes.append(UInt8(ascii: "]")) }

    /// A member's key; its value must follow.
    package mutating func key(_ name: String) {
        separate()
        Self.append(name, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
    }
    /// A string, escaped.
    package mutating func string(_ value: String) {
        separate()
        Self.append(value, to: &bytes)
    }
    /// A number without fraction.
    package mutating func integer(_ value: Int64) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
    }
    /// The shortest decimal that reads back the same; null for what JSON cannot say (infinite, not a number).
    package mutating func double(_ value: Double) {
        separate()
        bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
    }
    /// A truth value.
    package mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }
    /// Null.
    package mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }
    /// A value that is JSON already.
    package mutating func raw(_ json: some Sequence<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
    }
    /// A key with a string, or with null.
    package mutating func member(_ name: String, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }
    /// A key with an integer, or with null.
    package mutating func member(_ name: String, _ value: Int64?) {
        key(name)
        if let value { integer(value) } else { null() }
    }
    /// A key with a truth value.
    package mutating func member(_ name: String, _ value: Bool) {
        key(name)
        bool(value)
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    /// Appends `text` as a JSON string, quotes included. Quote, backslash and controls are escaped; everything else
    /// stands as UTF-8, apart from U+2028 and U+2029, which some readers of SSE and JavaScript take for line ends.
    package static func append(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        defer { out.append(UInt8(ascii: "\"")) }
        // Nearly all texts are plain.
        if text.utf8.allSatisfy(isPlain) { return out.append(contentsOf: text.utf8) }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                out.append(UInt8(ascii: "\\"))
                out.append(byte)
            case 0x0A: out.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
            case 0x0D: out.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
            case 0x09: out.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
            case 0..<0x20, 0x7F:
                out.append(contentsOf: "\\u00".utf8)
                out.append(hexDigits[Int(byte >> 4)])
                out.append(hexDigits[Int(byte & 15)])
            case 0xA8, 0xA9:
                if out.count >= 2, out[out.count - 2] == 0xE2, out[out.count - 1] == 0x80 {
                    out.removeLast(2)
                    out.append(contentsOf: (byte == 0xA8 ? "\\u2028" : "\\u2029").utf8)
                } else {
                    out.append(byte)
                }
            default: out.append(byte)
            }
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
}
