internal import Synchronization

/// Counters, gauges and histograms in the Prometheus text format.
///
/// A fixed set of families declared in `GatewayMetrics`; the number of label combinations of one family is bounded, so
/// that no client can grow the registry by inventing names.
package final class MetricsRegistry: Sendable {
    /// Prometheus' types that are used here.
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    /// Label values in the order of the family's label names.
    package typealias Labels = [String]

    private struct Histogram {
        var counts: [UInt64]
        var sum = 0.0
        var count: UInt64 = 0

        mutating func add(_ value: Double, to bucket: Int?) {
            if let bucket { counts[bucket] += 1 }
            sum += value
            count += 1
        }
    }
    private struct Description {
        let kind: Kind
        let help: String
        let labels: [String]
        let bounds: [Double]
    }
    /// A reference, so that a figure is changed where it is.
    private final class Family {
        let description: Description
        var values: [Labels: Double] = [:]
        var histograms: [Labels: Histogram] = [:]

        init(_ description: Description) { self.description = description }

        /// Labels of the same length that there is room for.
        private func fitting(_ labels: Labels) -> Labels {
            let isFull = values.count + histograms.count >= MetricsRegistry.maxSeriesPerFamily
            return isFull ? labels.map { _ in "other" } : labels
        }

        func change(_ labels: Labels, _ body: (inout Double) -> Void) {
            if let known = values.index(forKey: labels) { return body(&values.values[known]) }
            body(&values[fitting(labels), default: 0])
        }

        func observe(_ value: Double, _ labels: Labels) {
            let bucket = description.bounds.firstIndex { value <= $0 }
            if let known = histograms.index(forKey: labels) { return histograms.values[known].add(value, to: bucket) }
            let fresh = Histogram(counts: Array(repeating: 0, count: description.bounds.count))
            histograms[fitting(labels), default: fresh].add(value, to: bucket)
        }
    }

    /// Label combinations of one family; further ones are counted under "other".
    package static let maxSeriesPerFamily = 2_000
    /// The same of a gauge that is filled anew at each scrape: three of each of three thousand budgets.
    package static let maxSeriesPerGauge = 10_000
    private static let leftOut = "gboost_metrics_left_out"
    private let families = Mutex<[String: Family]>([:])

    package init() {
        declare(Self.leftOut, .gauge, help: "Figures that a family has no room for, at scrape.", labels: ["family"])
    }

    /// Declares a family. `bounds` are the upper bounds of a histogram's buckets, rising.
    package func declare(
        _ name: String, _ kind: Kind, help: String, labels: [String] = [], bounds: [Double] = []
    ) {
        families.withLock { families in
            guard families[name] == nil else { return }
            families[name] = Family(Description(kind: kind, help: help, labels: labels, bounds: bounds))
        }
    }

    /// Adds to a counter or gauge.
    package func add(_ name: String, _ amount: Double = 1, _ labels: Labels = []) {
        update(name, labels) { $0.change(labels) { $0 += amount } }
    }

    /// Sets a gauge.
    package func set(_ name: String, _ value: Double, _ labels: Labels = []) {
        update(name, labels) { $0.change(labels) { $0 = value } }
    }

    /// Puts what is known now in place of everything that a family said before: a scrape beside it sees the one or the
    /// other. Nothing is known: nothing is said.
    ///
    /// What is beyond the limit is left out, since a sum under "other" would be nobody's figure; how much that is the
    /// family `gboost_metrics_left_out` says.
    package func replace(_ name: String, _ samples: [(labels: Labels, value: Double)]) {
        families.withLock { families in
            guard let family = families[name] else { return }
            let fitting = samples.filter { $0.labels.count == family.description.labels.count }
            families[name]?.values = Dictionary(
                fitting.prefix(Self.maxSeriesPerGauge).map { ($0.labels, $0.value) }, uniquingKeysWith: { $1 })
            let left = samples.count - min(fitting.count, Self.maxSeriesPerGauge)
            families[Self.leftOut]?.values[[name]] = left == 0 ? nil : Double(left)
        }
    }

    /// Puts one observation into a histogram.
    package func observe(_ name: String, _ value: Double, _ labels: Labels = []) {
        update(name, labels) { $0.observe(value, labels) }
    }

    /// Every family with its label names: what a dashboard may ask for.
    package var declarations: [String: (kind: Kind, labels: [String])] {
        families.withLock { $0.mapValues { ($0.description.kind, $0.description.labels) } }
    }

    /// The current value of a counter or gauge; for tests and health.
    package func value(_ name: String, _ labels: Labels = []) -> Double? {
        families.withLock { $0[name]?.values[labels] }
    }

    private func update(_ name: String, _ labels: Labels, _ body: (Family) -> Void) {
        families.withLock { families in
            guard let family = families[name], family.description.labels.count == labels.count else { return }
            body(family)
        }
    }

    /// The whole registry in the text exposition format, version 0.0.4.
    package func render() -> String {
        // Copies of the figures: what comes in meanwhile must not wait for the text.
        let snapshot = families.withLock { families in
            families.map { (name: $0, description: $1.description, values: $1.values, histograms: $1.histograms) }
        }
        var text = ""
        for (name, family, values, histograms) in snapshot.sorted(by: { $0.name < $1.name }) {
            text += "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, value) in values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                text += "\(name)\(Self.labelText(family.labels, labels)) \(Self.number(value))\n"
            }
            for (labels, histogram) in histograms.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                text += Self.lines(name, family, labels, histogram)
            }
        }
        return text
    }

    private static func lines(
        _ name: String, _ family: Description, _ labels: Labels, _ histogram: Histogram
    ) -> String {
        var text = ""
        var cumulative: UInt64 = 0
        for (bound, count) in zip(family.bounds, histogram.counts) {
            cumulative += count
            text += "\(name)_bucket\(labelText(family.labels + ["le"], labels + [number(bound)])) \(cumulative)\n"
        }
        text += "\(name)_bucket\(labelText(family.labels + ["le"], labels + ["+Inf"])) \(histogram.count)\n"
        text += "\(name)_sum\(labelText(family.labels, labels)) \(number(histogram.sum))\n"
        text += "\(name)_count\(labelText(family.labels, labels)) \(histogram.count)\n"
        return text
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    private static func labelText(_ names: [String], _ values: Labels) -> String {
        guard !names.isEmpty else { return "" }
        let pairs = zip(names, values).map { name, value in "\(name)=\"\(escape(value))\"" }
        return "{" + pairs.joined(separator: ",") + "}"
    }

    /// By scalars, as scrapers read: CR LF is one `Character`, and so is a quote with a combining mark.
    private static func escape(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
