internal import Foundation
internal import GatewayCore

/// How a month's spend goes: whether what is left of the budget lasts as long as the month, if it goes on like this.
///
/// For people to look at. What may be spent, the ledger decides.
struct MonthPace: Hashable {
    enum Verdict: Hashable {
        /// There is no monthly budget to compare with.
        case unbounded
        /// Nothing is left.
        case usedUp
        /// The month is too young to say.
        case early
        /// Nothing was spent.
        case idle
        /// The budget will be used up before the month is.
        case ahead
        case within
    }

    /// Of a month that is younger than this share of it nothing is foretold: about fifteen hours.
    static let leastElapsed = 0.02

    /// Share of the month that has passed.
    let elapsed: Double
    /// Share of the limit that is settled; nil: no limit, or one of nothing.
    let spentShare: Double?
    /// What will have been spent by the month's end; nil: too early to say, or more than can be counted.
    let forecast: NanoUSD?
    /// When the budget will be used up, where that is before the month's end.
    let runsOutAt: Date?
    let verdict: Verdict

    /// - Parameters:
    ///   - limit: nil: there is no monthly budget.
    ///   - from: the month's first moment; `until`: its end.
    init(settled: NanoUSD, limit: NanoUSD?, from: Date, until: Date, now: Date) {
        let whole = max(1, Self.milliseconds(until.timeIntervalSince(from)))
        let passed = min(max(0, Self.milliseconds(now.timeIntervalSince(from))), whole)
        elapsed = Double(passed) / Double(whole)
        let isEarly = elapsed < Self.leastElapsed
        let spent = Int128(max(settled, .zero).rawValue)
        forecast = isEarly ? nil : Int64(exactly: (spent * whole + passed / 2) / passed).map { NanoUSD($0) }
        spentShare = limit.flatMap { $0 > .zero ? Double(settled.rawValue) / Double($0.rawValue) : nil }
        guard let limit else {
            (runsOutAt, verdict) = (nil, .unbounded)
            return
        }
        // One too large to be counted is above any limit.
        let isAhead = !isEarly && forecast.map { $0 > limit } ?? true
        if settled >= limit {
            (runsOutAt, verdict) = (nil, .usedUp)
        } else if isEarly {
            (runsOutAt, verdict) = (nil, .early)
        } else if spent == 0 {
            (runsOutAt, verdict) = (nil, .idle)
        } else if isAhead {
            let after = passed * Int128(limit.rawValue) / spent
            (runsOutAt, verdict) = (from.addingTimeInterval(Double(after) / 1000), .ahead)
        } else {
            (runsOutAt, verdict) = (nil, .within)
        }
    }

    private static func milliseconds(_ seconds: TimeInterval) -> Int128 {
        Int128((min(max(seconds, -1e12), 1e12) * 1000).rounded())
    }

    /// In words, with the class that colours them.
    var text: (words: String, level: String) {
        switch verdict {
        case .unbounded: ("no monthly budget", "muted")
        case .usedUp: ("used up", "bad")
        case .early: ("too early to say", "muted")
        case .idle: ("nothing spent", "muted")
        case .ahead: ("ahead of the budget", "warn")
        case .within: ("within the budget", "ok")
        }
    }

    /// "62.0 % spent, 48.3 % of the month".
    var shares: String {
        let month = "\(ConsoleText.percent(elapsed)) of the month"
        return spentShare.map { "\(ConsoleText.percent($0)) spent, \(month)" } ?? month
    }
}

/// A budget as a bar: what is settled, what is held, and how far the time has gone.
struct ConsoleBar: Hashable {
    /// From this share on it is near its limit.
    private static let near = 0.8
    /// Widths of a hundred.
    let settled: String
    let held: String
    /// Where a mark stands; nil: no mark.
    let mark: String?
    /// fine · near · over
    let level: String
    let label: String

    init(settled: NanoUSD, held: NanoUSD, limit: NanoUSD, elapsed: Double? = nil) {
        func share(_ amount: NanoUSD) -> Double {
            guard limit > .zero else { return amount > .zero ? 1 : 0 }
            return max(0, Double(amount.rawValue) / Double(limit.rawValue))
        }
        let (paid, open) = (share(settled), share(held))
        let wide = min(1, paid) * 100
        self.settled = ConsoleText.decimal(wide)
        self.held = ConsoleText.decimal(min(100 - wide, open * 100))
        mark = elapsed.map { ConsoleText.decimal(min(max($0, 0), 1) * 100) }
        level = paid + open >= 1 ? "over" : paid + open >= Self.near ? "near" : "fine"
        label = "\(ConsoleText.percent(paid)) settled, \(ConsoleText.percent(open)) held"
    }
}
