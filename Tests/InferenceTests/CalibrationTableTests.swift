import Foundation
import Testing

@testable import Inference

/// Tables of calibrations that follow one another.
@Suite("Calibration tables") struct CalibrationTableTests {
    private static func entry(
        _ cluster: String?, _ depth: CalibrationTable.Depth, _ value: Double
    ) -> CalibrationTable.Entry {
        .init(cluster: cluster, depth: depth, knots: [[0.5, value, value]], rows: 100)
    }

    private static func table(_ entries: [CalibrationTable.Entry], _ quantile: Double = 0.1) -> CalibrationTable {
        var table = CalibrationTable()
        (table.entries, table.lowQuantile) = (entries, quantile)
        return table
    }

    @Test("a new table keeps the old entries of buckets that it lacks, and no others")
    func keeping() {
        let old = Self.table([Self.entry(nil, .whole, 0.1), Self.entry("a", .whole, 0.2), Self.entry(nil, .first, 0.3)])
        let new = Self.table([Self.entry(nil, .whole, 0.9), Self.entry("b", .whole, 0.8)])
        let kept = new.keeping(old)
        #expect(kept.entries == new.entries + [old.entries[1], old.entries[2]])
        #expect(kept(0.5, cluster: "a", depth: .whole).calibrated == 0.2)
        #expect(kept(0.5, cluster: "c", depth: .whole).calibrated == 0.9)
        #expect(kept(0.5, depth: .first).calibrated == 0.3)
        #expect(kept.defect == nil && new.keeping(kept) == kept)
        #expect(CalibrationTable().keeping(old) == old && new.keeping(CalibrationTable()) == new)
    }

    @Test("an entry that is kept says of which quantile its low values are, through any number of tables")
    func quantile() throws {
        let old = Self.table([Self.entry("a", .whole, 0.2)], 0.1)
        let next = Self.table([Self.entry(nil, .whole, 0.9)], 0.3).keeping(old)
        #expect(next.lowQuantile == 0.3 && next.entries.map(\.lowQuantile) == [nil, 0.1])
        let last = Self.table([Self.entry(nil, .first, 0.5)], 0.1).keeping(next)
        #expect(last.entries.map(\.lowQuantile) == [nil, 0.3, nil])
        #expect(try JSONDecoder().decode(CalibrationTable.self, from: JSONEncoder().encode(last)) == last)
        var wrong = last
        wrong.entries[1].lowQuantile = 2
        #expect(wrong.defect != nil)
    }

    @Test("what is kept never makes a table longer than a file may have it")
    func limit() {
        let many = (0..<CalibrationTable.maxEntries).map { Self.entry("c\($0)", .whole, 0.5) }
        let kept = Self.table([Self.entry(nil, .first, 0.5)]).keeping(Self.table(many))
        #expect(kept.entries.count == CalibrationTable.maxEntries && kept.defect == nil)
        #expect(kept.entries.first?.depth == .first)
    }
}
