import Testing

@testable import Audit

@Suite("Exports: every line has its place, and records that retention has dropped may still be there")
struct ExportTests {
    /// The export's lines after a change, read anew.
    private static func findings(_ change: (inout [Substring]) -> Void) -> [String] {
        var lines = String(decoding: RecordTests.export([3, 1]), as: UTF8.self).split(separator: "\n")
        change(&lines)
        let report = RecordTests.verify(Array((lines.joined(separator: "\n") + "\n").utf8))
        return report.findings.map { "\($0.record.map { String($0) } ?? "-") \($0.kind.rawValue)" }
    }

    @Test("what stands before the first or after the last line, or in another place of its log, is malformed")
    func places() {
        #expect(Self.findings { _ in }.isEmpty)
        // export, log, block, three records, block, record, end.
        let (expired, note) = (#"{"expired":{"last":"1"}}"#[...], #"{"checkpoint":{"note":"a"}}"#[...])
        #expect(Self.findings { $0.insert(expired, at: 2) }.isEmpty)
        #expect(Self.findings { $0.insert(note, at: 2) }.isEmpty)
        #expect(Self.findings { $0.insert(contentsOf: [expired, note], at: 2) }.isEmpty)
        let wrong = ["- malformed"]
        for place in [0, 1, 3, 4, 8, 9] {
            #expect(Self.findings { $0.insert(expired, at: place) } == wrong, "\(place)")
            #expect(Self.findings { $0.insert(note, at: place) } == wrong, "\(place)")
        }
        #expect(Self.findings { $0.insert(contentsOf: [note, expired], at: 2) } == wrong)
        #expect(Self.findings { $0.insert(contentsOf: [expired, expired], at: 2) } == wrong)
        #expect(Self.findings { $0.insert($0[1], at: 0) } == wrong)
        #expect(Self.findings { $0.insert($0[2], at: 0) } == wrong)
        for line in [0, 1, 3, 8] {
            #expect(Self.findings { $0.append($0[line]) } == wrong, "\(line)")
        }
    }

    @Test("a member that comes twice makes its line none, whatever line it is")
    func twice() {
        let record = Self.findings { $0[4].replace(#""seq":"2""#, with: #""seq":"2","seq":"2""#) }
        #expect(record == ["- malformed", "2 missing"])
        let end = Self.findings { $0[8].replace(#""records":"4""#, with: #""records":"4","records":"4""#) }
        #expect(end == ["- malformed"])
    }

    @Test("a record that does not say which one it is, is named by the number that was due")
    func unnumbered() {
        for seq in [#""seq":"two","#, #""seq":"","#, #""seq":"99999999999999999999","#, ""] {
            #expect(Self.findings { $0[4].replace(#""seq":"2","#, with: seq) } == ["2 changed"], "\(seq)")
        }
        // Behind the last block.
        let behind = Self.findings { lines in
            var record = lines[7]
            record.replace(#""seq":"4""#, with: #""seq":"x""#)
            lines.insert(record, at: 8)
            lines[9].replace(#""records":"4""#, with: #""records":"5""#)
        }
        #expect(behind == ["5 inserted"])
    }

    @Test("of the records up to the last dropped one those that are there are checked, and the others may be missing")
    func dropped() {
        let all = RecordTests.verify(RecordTests.export([3, 2, 2], expired: 5))
        #expect(all.isClean && all.expired == 0 && all.records == 7)
        let none = RecordTests.verify(RecordTests.export([3, 2, 2], expired: 5, absent: [1, 2, 3, 4, 5]))
        #expect(none.isClean && none.expired == 5 && none.records == 2)
        // The fourth was begun in the next month, and committed before the fifth.
        let late = RecordTests.verify(RecordTests.export([3, 2, 2], expired: 5, absent: [1, 2, 3, 5]))
        #expect(late.isClean && late.expired == 4 && late.records == 3, "\(late.findings)")
        let changed = RecordTests.verify(RecordTests.export([3, 2, 2], changing: 4, expired: 5, absent: [1, 2, 3, 5]))
        #expect(changed.findings.map(\.kind) == [.changed] && changed.findings.first?.record == 4)
        let missing = RecordTests.verify(RecordTests.export([3, 2, 2], expired: 5, absent: [1, 2, 3, 5, 6]))
        #expect(missing.findings.map(\.kind) == [.missing] && missing.findings.first?.record == 6)
    }
}
