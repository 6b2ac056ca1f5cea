internal import WireFormat

/// One message of a stream in Amazon's binary form (`application/vnd.amazon.eventstream`).
struct EventStreamMessage: Hashable, Sendable {
    /// Those whose value is text; others are read over.
    var headers: [String: String]
    var payload: [UInt8]
}

/// Cuts such a stream into its messages: pure state, fed with bytes as they come.
///
/// A message is its length and its headers' length (32 bits each, high byte first), a checksum of these, headers,
/// payload, and a checksum of all before it. A length that is not proven by its checksum is not waited for, and none
/// above the bound is.
struct EventStreamParser: Sendable {
    private static let preludeBytes = 12
    private static let checksumBytes = 4
    private static let maxHeaders = 64

    private let maxMessageBytes: Int
    private var buffer: [UInt8] = []
    /// Of the message whose prelude was proven.
    private var expected: (total: Int, headers: Int)?

    init(maxMessageBytes: Int) { self.maxMessageBytes = maxMessageBytes }

    /// A message has begun and is not complete.
    var isWithinMessage: Bool { !buffer.isEmpty }

    /// The messages that these bytes complete.
    mutating func push(_ bytes: [UInt8]) throws(WireFormatError) -> [EventStreamMessage] {
        buffer += bytes
        var messages: [EventStreamMessage] = []
        var start = 0
        while let message = try next(at: &start) { messages.append(message) }
        buffer.removeFirst(start)
        return messages
    }

    private mutating func next(at start: inout Int) throws(WireFormatError) -> EventStreamMessage? {
        let available = buffer.count - start
        guard available >= Self.preludeBytes else { return nil }
        let (total, headers): (Int, Int)
        if let expected {
            (total, headers) = expected
        } else {
            (total, headers) = try prelude(at: start)
            expected = (total, headers)
        }
        guard available >= total else { return nil }
        let end = start + total - Self.checksumBytes
        guard number(at: end) == CRC32.of(buffer[start..<end]) else {
            throw WireFormatError(.invalidField, "A message's checksum is wrong.")
        }
        let payload = start + Self.preludeBytes + headers
        let message = EventStreamMessage(
            headers: try Self.headers(buffer[(start + Self.preludeBytes)..<payload]),
            payload: Array(buffer[payload..<end]))
        start += total
        expected = nil
        return message
    }

    private func prelude(at start: Int) throws(WireFormatError) -> (total: Int, headers: Int) {
        let (total, headers) = (Int(number(at: start)), Int(number(at: start + 4)))
        guard number(at: start + 8) == CRC32.of(buffer[start..<start + 8]) else {
            throw WireFormatError(.invalidField, "The checksum of a message's beginning is wrong.")
        }
        guard total <= maxMessageBytes else {
            throw WireFormatError(.limitExceeded, "A message is longer than \(maxMessageBytes) bytes.")
        }
        guard total >= Self.preludeBytes + Self.checksumBytes,
            headers <= total - Self.preludeBytes - Self.checksumBytes
        else { throw WireFormatError(.invalidField, "A message's lengths contradict each other.") }
        return (total, headers)
    }

    private func number(at index: Int) -> UInt32 {
        buffer[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Name, type, value, one after the other.
    private static func headers(_ bytes: ArraySlice<UInt8>) throws(WireFormatError) -> [String: String] {
        var rest = bytes
        var headers: [String: String] = [:]
        var count = 0
        func take(_ length: Int) throws(WireFormatError) -> ArraySlice<UInt8> {
            guard rest.count >= length else { throw WireFormatError(.invalidField, "A message's headers are cut off.") }
            defer { rest = rest.dropFirst(length) }
            return rest.prefix(length)
        }
        while !rest.isEmpty {
            count += 1
            guard count <= maxHeaders else {
                throw WireFormatError(.limitExceeded, "A message has more than \(maxHeaders) headers.")
            }
            let name = try take(Int(try take(1).first ?? 0))
            switch try take(1).first {
            case 0, 1: break  // true, false
            case 2: _ = try take(1)
            case 3: _ = try take(2)
            case 4: _ = try take(4)
            case 5, 8: _ = try take(8)  // a long, a time
            case 9: _ = try take(16)  // an identifier
            case 6: _ = try take(Int(try take(2).reduce(0) { $0 << 8 | UInt16($1) }))
            case 7:
                let value = try take(Int(try take(2).reduce(0) { $0 << 8 | UInt16($1) }))
                headers[String(decoding: name, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
            default: throw WireFormatError(.invalidField, "A message's header has an unknown type.")
            }
        }
        return headers
    }
}

/// The checksum of Ethernet, gzip and Amazon's streams (polynomial 04C11DB7, reflected).
package enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { (index: UInt32) in
        (0..<8).reduce(index) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    /// Of all these bytes.
    package static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { value, byte in table[Int((value ^ UInt32(byte)) & 0xFF)] ^ value >> 8 }
    }
}
