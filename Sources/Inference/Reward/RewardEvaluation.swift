internal import Foundation

/// How good rewards are, with how sure that is: what `gboost prm evaluate` prints.
package struct RewardEvaluation: Hashable, Sendable, Codable {
    /// A figure, and where it lies in nineteen of twenty samples of as many problems.
    package struct Interval: Hashable, Sendable, Codable {
        package var value: Double
        package var low: Double
        package var high: Double
    }

    /// Figures of the steps at one depth.
    package struct Figures: Hashable, Sendable, Codable {
        package var rows: Int
        /// Share of rows whose answer ends right.
        package var right: Double
        /// Missing where all rows end alike.
        package var auroc: Interval?
        package var brier: Interval
        package var ece: Interval
    }

    /// Rows whose rewards lie near each other: what they promise, and what came of it.
    package struct Bin: Hashable, Sendable, Codable {
        package var count: Int
        package var predicted: Double
        package var observed: Double
    }

    /// By depth: first, early, late and whole.
    package var depths: [String: Figures]
    package var reliability: [Bin]

    /// Of whole answers; nil where there are none.
    package var whole: Figures? { depths[CalibrationTable.Depth.whole.rawValue] }

    package static let maxResamples = 10_000
    private static let bins = 10

    /// - Parameters:
    ///   - groups: as many as samples; rows of one problem are drawn together.
    ///   - resamples: for the intervals.
    package init(_ samples: [CalibrationTable.Sample], groups: [Int], resamples: Int, seed: UInt64) {
        depths = [:]
        for depth in CalibrationTable.Depth.allCases {
            let places = samples.indices.filter { samples[$0].depth == depth }
            guard !places.isEmpty else { continue }
            depths[depth.rawValue] = Self.figures(
                places.map { samples[$0] }, places.map { groups[$0] }, min(resamples, Self.maxResamples), seed)
        }
        let whole = samples.filter { $0.depth == .whole }
        reliability = Self.reliability(whole)
    }

    private static func figures(
        _ samples: [CalibrationTable.Sample], _ groups: [Int], _ resamples: Int, _ seed: UInt64
    ) -> Figures {
        let members = Dictionary(grouping: samples.indices) { groups[$0] }.sorted { $0.key < $1.key }.map(\.value)
        var random = SplitMix(state: seed)
        var drawn: (auroc: [Double], brier: [Double], ece: [Double]) = ([], [], [])
        for _ in 0..<resamples {
            var places: [Int] = []
            for _ in members { places += members[Int.random(in: members.indices, using: &random)] }
            let (scores, labels) = (places.map { samples[$0].raw }, places.map { samples[$0].label })
            if let auroc = RewardMetrics.auroc(scores: scores, labels: labels) { drawn.auroc.append(auroc) }
            drawn.brier.append(RewardMetrics.brier(scores: scores, labels: labels))
            drawn.ece.append(RewardMetrics.ece(scores: scores, labels: labels))
        }
        let (scores, labels) = (samples.map(\.raw), samples.map(\.label))
        return Figures(
            rows: samples.count, right: labels.reduce(0, +) / Double(labels.count),
            auroc: RewardMetrics.auroc(scores: scores, labels: labels).map { interval($0, drawn.auroc) },
            brier: interval(RewardMetrics.brier(scores: scores, labels: labels), drawn.brier),
            ece: interval(RewardMetrics.ece(scores: scores, labels: labels), drawn.ece))
    }

    private static func interval(_ value: Double, _ drawn: [Double]) -> Interval {
        let sorted = drawn.sorted()
        guard let first = sorted.first, let last = sorted.last else {
            return Interval(value: value, low: value, high: value)
        }
        func quantile(_ share: Double) -> Double { sorted[Int(share * Double(sorted.count - 1))] }
        return Interval(value: value, low: max(first, quantile(0.025)), high: min(last, quantile(0.975)))
    }

    private static func reliability(_ samples: [CalibrationTable.Sample]) -> [Bin] {
        Dictionary(grouping: samples) { min(bins - 1, max(0, Int($0.raw * Double(bins)))) }
            .sorted { $0.key < $1.key }
            .map { _, members in
                let count = Double(members.count)
                return Bin(
                    count: members.count, predicted: members.reduce(0) { $0 + $1.raw } / count,
                    observed: members.reduce(0) { $0 + $1.label } / count)
            }
    }
}
