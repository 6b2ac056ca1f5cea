import GatewayCore
import GatewayTesting
import Testing

@testable import Inference

@Suite("Text that is sent before a draft has ended") struct StreamTests {
    static let alphabet: [[UInt8]] = [
        [0x61], [0x62], [0x0A], [0x20], Array("é".utf8), [0xF0, 0x9F], [0x8D, 0x8E], [0xE2], [0x82, 0xAC], [0xFF],
        [0xC3], Array("ab".utf8), Array("STO".utf8), Array("P".utf8), Array("S".utf8),
    ]

    @Test(
        "It is a beginning of the draft's text in whole characters, and never shorter than before", arguments: 1...200)
    func settled(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var splitter = try StepSplitter(
            boundary: random.pick([StepBoundary.newline, .blankLine, .pattern("b a")]),
            stops: random.pick([[], ["STOP"], ["ab a", "SS"]]) ?? [], maxTokens: random.integer(in: 1...40),
            answerBytes: Array("ST".utf8))
        var sent: [UInt8] = []
        var pieces = ""
        var text: String?
        while text == nil {
            switch try splitter.push(random.pick(Self.alphabet) ?? []) {
            case .ends(_, _, let whole): text = whole
            case .more:
                let settled = Array(splitter.settled)
                #expect(settled.starts(with: sent))
                // Piece by piece as it would be sent: a character cut in two would become two broken ones.
                pieces += String(decoding: settled.dropFirst(sent.count), as: UTF8.self)
                sent = settled
            }
        }
        #expect(Array((text ?? "").utf8).starts(with: pieces.utf8))
    }

    @Test("Without stop strings all whole characters are sent at once")
    func prompt() throws {
        var splitter = try StepSplitter(boundary: nil, stops: [], maxTokens: 9)
        _ = try splitter.push(Array("a€".utf8) + [0xF0, 0x9F])
        #expect(String(decoding: splitter.settled, as: UTF8.self) == "a€")
        _ = try splitter.push([0x8D, 0x8E])
        #expect(String(decoding: splitter.settled, as: UTF8.self) == "a€🍎")
    }
}
