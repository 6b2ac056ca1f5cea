internal import Foundation

/// One message on the socket between gateway and engine host: four bytes of length of all that follows, four bytes
/// of length of the JSON header (both little-endian), the header, then what is left as binary (hidden states).
struct HostFrame: Equatable, Sendable {
    /// Nothing that belongs here is larger: 4,096 hidden states of 1,024 values, or a prompt of 16 million bytes.
    static let maxBytes = 16 << 20

    var header: Data
    var binary: Data = Data()

    /// Bytes to send; nil where the frame would exceed the limit.
    var encoded: Data? {
        let body = 4 + header.count + binary.count
        guard body <= Self.maxBytes else { return nil }
        var bytes = Data(capacity: 4 + body)
        bytes.append(littleEndian: UInt32(body))
        bytes.append(littleEndian: UInt32(header.count))
        bytes.append(header)
        bytes.append(binary)
        return bytes
    }
}

/// Cuts received bytes into frames.
struct HostFrameDecoder {
    /// The peer does not speak this protocol: the connection must end.
    struct Malformed: Error, Equatable {}

    private var buffer = Data()

    mutating func append(_ bytes: Data) { buffer.append(bytes) }

    /// The next whole frame, nil until it has arrived.
    mutating func next() throws(Malformed) -> HostFrame? {
        guard buffer.count >= 8 else { return nil }
        let body = Int(buffer.littleEndianUInt32(at: 0))
        let header = Int(buffer.littleEndianUInt32(at: 4))
        guard body <= HostFrame.maxBytes, header + 4 <= body else { throw Malformed() }
        guard buffer.count >= 4 + body else { return nil }
        let start = buffer.startIndex
        let frame = HostFrame(
            header: Data(buffer[(start + 8)..<(start + 8 + header)]),
            binary: Data(buffer[(start + 8 + header)..<(start + 4 + body)]))
        buffer = Data(buffer[(start + 4 + body)...])
        return frame
    }
}

extension Data {
    mutating func append(littleEndian value: UInt32) {
        for shift in stride(from: 0, to: 32, by: 8) { append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
    }

    func littleEndianUInt32(at offset: Int) -> UInt32 {
        (0..<4).reduce(UInt32(0)) { $0 | UInt32(self[startIndex + offset + $1]) << UInt32(8 * $1) }
    }

    /// Floats as their bytes; both ends are the same machine.
    init(floats: [Float]) {
        self = floats.withUnsafeBytes { Data($0) }
    }

    /// Bytes as floats; what does not fill a float at the end is dropped.
    var floats: [Float] {
        var values = [Float](repeating: 0, count: count / 4)
        _ = values.withUnsafeMutableBytes { copyBytes(to: $0, count: $0.count) }
        return values
    }

    /// Floats as bfloat16, little-endian: their upper halves, to the nearest.
    init(halves: [Float]) {
        self.init(capacity: 2 * halves.count)
        for value in halves {
            let bits = value.bitPattern
            let rounded = (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16
            append(UInt8(truncatingIfNeeded: rounded))
            append(UInt8(truncatingIfNeeded: rounded >> 8))
        }
    }

    /// The floats of bfloat16 bytes.
    var halves: [Float] {
        let bytes = [UInt8](self)
        return (0..<(bytes.count / 2)).map {
            Float(bitPattern: (UInt32(bytes[2 * $0]) | UInt32(bytes[2 * $0 + 1]) << 8) << 16)
        }
    }
}
