import Foundation
import GatewayCore
import Testing

@Suite struct HexadecimalTests {
    @Test("an id is written as everybody else writes it, in lower case")
    func identifiers() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<200 {
            let id = UUID.random(using: &random)
            #expect(id.text == id.uuidString.lowercased())
        }
    }

    @Test("every byte has its two digits")
    func bytes() {
        let all = (0...255).map { UInt8($0) }
        #expect(all.hexadecimal == all.map { String(format: "%02x", $0) }.joined())
    }
}

extension UUID {
    fileprivate static func random(using random: inout SeededGenerator) -> UUID {
        let bytes = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
        return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }
}
