internal import Foundation

/// Adds up what seeds and budgets brought, and makes the report of it.
struct ReplayTally: Sendable {
    private static let resamples = 1000

    /// One policy: by budget, each seed's figures.
    private struct Series: Sendable {
        var pgr: [[Double]]
        var quality: [[Double]]
        var spendShare: [[Double]]
        init(_ budgets: Int) {
            pgr = Array(repeating: [], count: budgets)
            quality = pgr
            spendShare = pgr
        }
    }

    private let options: ReplayOptions
    private var own: Series
    private var baselines: [String: Series] = [:]
    private var gains: [[(own: Double, best: Double)]]
    private var recoveries: [[(own: Double, best: Double)]]
    private var traces: [String: [Double]] = [:]
    private var rows = 0
    private var seeds = 0
    private var slmQualities = 0.0
    private var llmQualities = 0.0
    private var cost = 0.0
    private var slmOnly: [Double] = []
    private var llmOnly: [Double] = []
    private var spendShareMax = 0.0
    private var violations = 0
    private var explored = 0
    private var decisions = 0

    init(options: ReplayOptions) {
        self.options = options
        own = Series(options.budgets.count)
        gains = Array(repeating: [], count: options.budgets.count)
        recoveries = gains
    }

    static func key(_ budget: Double) -> String {
        // 0.1, not 0.10000000000000001; budgets are given in hundredths or thousandths.
        let thousandths = Int((budget * 1000).rounded())
        guard thousandths % 1000 != 0 else { return "\(thousandths / 1000)" }
        var digits = String(1000 + thousandths % 1000).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(thousandths / 1000).\(digits)"
    }

    mutating func begin(_ sequence: [PreparedRequest], seed: UInt64) {
        rows = sequence.count
        seeds += 1
        slmQualities = sequence.reduce(0) { $0 + $1.slmQuality }
        llmQualities = sequence.reduce(0) { $0 + $1.llmQuality }
        cost = sequence.reduce(0) { $0 + Double($1.cost) }
        slmOnly.append(slmQualities / Double(rows))
        llmOnly.append(llmQualities / Double(rows))
    }

    private func place(_ budget: Double) -> Int { options.budgets.firstIndex(of: budget) ?? 0 }

    private func enter(_ result: ReplayResult, _ series: inout Series, _ budget: Double) {
        let place = place(budget)
        let gap = llmQualities - slmQualities
        series.pgr[place].append(gap > 0 ? result.gain / gap : 0)
        series.quality[place].append(result.quality / Double(rows))
        series.spendShare[place].append(Double(result.spent) / cost)
    }

    mutating func add(_ result: ReplayResult, _ hindsight: ReplayResult, budget: Double, limit: Int64) {
        var series = own
        enter(result, &series, budget)
        own = series
        gains[place(budget)].append((result.gain, hindsight.gain))
        if limit > 0 { spendShareMax = max(spendShareMax, Double(result.spent) / Double(limit)) }
        violations += result.violations
        explored += result.explored
        decisions += rows
        if seeds == 1 { traces[Self.key(budget)] = result.trace }
    }

    mutating func add(recovery: (own: Double, best: Double)?, budget: Double) {
        if let recovery { recoveries[place(budget)].append(recovery) }
    }

    mutating func add(_ result: ReplayResult, name: String, budget: Double) {
        var series = baselines[name] ?? Series(options.budgets.count)
        enter(result, &series, budget)
        baselines[name] = series
        violations += result.violations
    }

    var report: ReplayReport {
        var report = ReplayReport()
        report.rows = rows
        report.seeds = seeds
        report.order = options.order
        report.perturbation = options.perturbation
        report.knowsCosts = options.knowsCosts
        report.curve = curve(own)
        report.baselines = baselines.mapValues { curve($0) }
        report.hindsightShare = shares(gains)
        report.recovery = options.perturbation.isSudden ? shares(recoveries) : [:]
        report.traces = traces
        report.spendShareMax = spendShareMax
        report.violations = violations
        report.explorationShare = Double(explored) / Double(max(decisions, 1))
        report.slmOnly = Self.mean(slmOnly)
        report.llmOnly = Self.mean(llmOnly)
        return report
    }

    /// Sums over all seeds, so that a seed in which there was next to nothing to gain does not count for more.
    private func shares(_ gains: [[(own: Double, best: Double)]]) -> [String: Double] {
        var shares: [String: Double] = [:]
        for (budget, pairs) in zip(options.budgets, gains) {
            let best = pairs.reduce(0) { $0 + $1.best }
            if best > 0 { shares[Self.key(budget)] = pairs.reduce(0) { $0 + $1.own } / best }
        }
        return shares
    }

    private func curve(_ series: Series) -> ReplayReport.Curve {
        var curve = ReplayReport.Curve()
        for (place, budget) in options.budgets.enumerated() where !series.pgr[place].isEmpty {
            let key = Self.key(budget)
            curve.pgr[key] = Self.mean(series.pgr[place])
            curve.pgrInterval[key] = Self.interval(series.pgr[place])
            curve.quality[key] = Self.mean(series.quality[place])
            curve.spendShare[key] = Self.mean(series.spendShare[place])
        }
        curve.apgr = area(curve.pgr, at: 0)
        curve.aiq = area(curve.quality, at: Self.mean(slmOnly))
        return curve
    }

    /// Mean height from budget 0, where nothing is bought, to the largest one.
    private func area(_ heights: [String: Double], at start: Double) -> Double {
        var last = (x: 0.0, y: start)
        var sum = 0.0
        for budget in options.budgets.sorted() {
            guard let y = heights[Self.key(budget)], budget > last.x else { continue }
            sum += (budget - last.x) * (y + last.y) / 2
            last = (budget, y)
        }
        return last.x > 0 ? sum / last.x : 0
    }

    private static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }

    private static func interval(_ values: [Double]) -> [Double] {
        var random = RouterRandom(seed: 0xB007)
        var means = (0..<resamples).map { _ in
            mean(values.map { _ in values[Int(random.next() % UInt64(values.count))] })
        }
        means.sort()
        return [means[resamples * 25 / 1000], means[resamples * 975 / 1000 - 1]]
    }
}
