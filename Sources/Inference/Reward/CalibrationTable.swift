internal import Foundation

/// Calibrations of one SLM's rewards, by the task's cluster and by how deep in the answer a step is: the same raw score
/// means less after the first step than after the last, and less on problems of a hard kind.
package struct CalibrationTable: Hashable, Sendable, Codable {
    /// Depths that share a calibration: the first step, the next ones, later ones, and whole answers.
    package enum Depth: String, Hashable, Sendable, Codable, CaseIterable {
        case first, early, late, whole

        /// - Parameter step: counted from 1.
        package init(step: Int, isEnd: Bool) {
            self = isEnd ? .whole : step == 1 ? .first : step <= 3 ? .early : .late
        }
    }

    /// The calibration of one bucket.
    package struct Entry: Hashable, Sendable, Codable {
        /// nil: all clusters.
        package var cluster: String?
        package var depth: Depth
        /// [raw, calibrated, low]; `low` is the quantile that accepting a step should go by.
        package var knots: [[Double]]
        package var rows: Int
        /// Which quantile `low` is, where it is another than the table's.
        package var lowQuantile: Double?
    }

    package var entries: [Entry] = []
    /// Which quantile `low` is, of what the calibrated value could be with other data.
    package var lowQuantile = 0.1

    /// Buckets of fewer rows take the calibration of all clusters.
    package static let leastRows = 100
    package static let maxEntries = 4096
    private static let resamples = 50

    package init() {}

    /// What a raw score means; itself where nothing was calibrated.
    package func callAsFunction(
        _ raw: Double, cluster: String? = nil, depth: Depth
    ) -> (calibrated: Double, low: Double) {
        let fitting = entries.filter { $0.depth == depth }
        guard
            let entry = fitting.first(where: { $0.cluster != nil && $0.cluster == cluster })
                ?? fitting.first(where: { $0.cluster == nil }),
            let curve = entry.curve(1), let low = entry.curve(2)
        else { return (raw, raw) }
        return (curve(raw), low(raw))
    }

    /// One scored step.
    package struct Sample: Hashable, Sendable {
        package var raw: Double
        package var label: Double
        package var cluster: String
        package var depth: Depth
        package init(raw: Double, label: Double, cluster: String = "", depth: Depth) {
            self.raw = raw
            self.label = label
            self.cluster = cluster
            self.depth = depth
        }
    }

    /// Isotonic regression in every bucket that has enough rows.
    package static func fit(_ samples: [Sample], lowQuantile: Double = 0.1, seed: UInt64) -> CalibrationTable {
        var table = CalibrationTable()
        table.lowQuantile = lowQuantile
        var random = SplitMix(state: seed)
        let clusters = Set(samples.map(\.cluster)).sorted()
        for depth in Depth.allCases {
            let own = samples.filter { $0.depth == depth }
            if own.count >= leastRows {
                table.entries.append(entry(own, cluster: nil, depth, lowQuantile, &random))
            }
            guard clusters.count > 1 else { continue }
            for cluster in clusters {
                let part = own.filter { $0.cluster == cluster }
                guard part.count >= leastRows, table.entries.count < maxEntries else { continue }
                table.entries.append(entry(part, cluster: cluster, depth, lowQuantile, &random))
            }
        }
        return table
    }

    /// This table and, of the buckets that it lacks, the entries of an older one: whoever calibrates by other clusters
    /// or fewer steps does not forget what was known of the rest.
    package func keeping(_ old: CalibrationTable) -> CalibrationTable {
        var table = self
        for entry in old.entries where table.entries.count < Self.maxEntries {
            guard !entries.contains(where: { $0.cluster == entry.cluster && $0.depth == entry.depth }) else { continue }
            var kept = entry
            let quantile = entry.lowQuantile ?? old.lowQuantile
            kept.lowQuantile = quantile == lowQuantile ? nil : quantile
            table.entries.append(kept)
        }
        return table
    }

    private static func entry(
        _ samples: [Sample], cluster: String?, _ depth: Depth, _ quantile: Double, _ random: inout SplitMix
    ) -> Entry {
        let fitted = Calibration.fit(scores: samples.map(\.raw), labels: samples.map(\.label))
        let knots = thinned(fitted.knots)
        var curves: [Calibration] = []
        for _ in 0..<resamples {
            let drawn = samples.indices.map { _ in samples[Int.random(in: samples.indices, using: &random)] }
            curves.append(Calibration.fit(scores: drawn.map(\.raw), labels: drawn.map(\.label)))
        }
        var lowest = 0.0
        let rows = knots.map { knot -> [Double] in
            let values = curves.map { $0(knot.raw) }.sorted()
            let low = values[min(values.count - 1, Int(Double(values.count) * quantile))]
            lowest = max(lowest, min(low, knot.calibrated))
            return [knot.raw, knot.calibrated, lowest]
        }
        return Entry(cluster: cluster, depth: depth, knots: rows, rows: samples.count)
    }

    /// Pools become steps with a slope between them: knots nearer than a hundredth say the same.
    private static func thinned(_ knots: [Calibration.Knot]) -> [Calibration.Knot] {
        knots.reduce(into: []) { kept, knot in
            if let last = kept.last, knot.raw - last.raw < 0.01 { return }
            kept.append(knot)
        }
    }

    /// What is wrong with a table from a file; nil if nothing is.
    var defect: String? {
        guard entries.count <= Self.maxEntries else { return "has more than \(Self.maxEntries) entries" }
        guard entries.allSatisfy({ $0.curve(1) != nil && $0.curve(2) != nil }) else {
            return "has knots that are not ascending within 0…1"
        }
        let quantiles = [lowQuantile] + entries.compactMap(\.lowQuantile)
        return quantiles.allSatisfy { (0...1).contains($0) } ? nil : "has a quantile outside 0…1"
    }
}

extension CalibrationTable.Entry {
    func curve(_ column: Int) -> Calibration? {
        guard knots.count <= RewardHead.maxKnots, knots.allSatisfy({ $0.count == 3 }) else { return nil }
        return Calibration(knots: knots.map { Calibration.Knot(raw: $0[0], calibrated: $0[column]) })
    }
}
