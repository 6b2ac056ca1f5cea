package import Foundation

/// Makes request ids: UUIDs of version 7 (RFC 9562), which sort by time and so keep the ledger's index dense.
package enum RequestID {
    /// - Parameters:
    ///   - milliseconds: Since 1970; the low 48 bits are used.
    ///   - generator: Gives the 74 random bits.
    package static func make(milliseconds: UInt64, using generator: inout some RandomNumberGenerator) -> UUID {
        let time = milliseconds & 0xFFFF_FFFF_FFFF
        let high = time << 16 | 0x7000 | generator.next() >> 52
        let low = 0x8000_0000_0000_0000 | generator.next() >> 2
        func byte(_ word: UInt64, _ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: word >> (56 - 8 * index)) }
        return UUID(
            uuid: (
                byte(high, 0), byte(high, 1), byte(high, 2), byte(high, 3), byte(high, 4), byte(high, 5),
                byte(high, 6), byte(high, 7), byte(low, 0), byte(low, 1), byte(low, 2), byte(low, 3), byte(low, 4),
                byte(low, 5), byte(low, 6), byte(low, 7)
            ))
    }

    /// Milliseconds since 1970 that a version 7 UUID was made with; nil for other versions.
    package static func milliseconds(of id: UUID) -> UInt64? {
        let bytes = id.uuid
        guard bytes.6 >> 4 == 7 else { return nil }
        return [bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
