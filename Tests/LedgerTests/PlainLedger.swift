import Foundation

/// The ledger as a plain value: what the database must agree with, written without looking at its SQL.
struct PlainLedger {
    struct Budget {
        var id: Int64
        var scope: String
        var isDaily: Bool
        var zone: TimeZone
        var limit: Int64
    }
    struct Period: Equatable {
        var target: Int64
        var settled: Int64 = 0
        var held: Int64 = 0
        var lim: Int64
        mutating func fit() { lim = max(target, settled + held) }
    }
    enum State { case open, settled, unreconciled }
    struct Hold {
        var amount: Int64
        var state = State.open
        var actual: Int64 = 0
        var periods: [Int64]
    }

    var budgets: [Budget]
    var periods: [Int64: Period] = [:]
    var holds: [Hold] = []
    var entries = 0

    static func periodID(_ budget: Budget, _ now: Date) -> Int64 {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = budget.zone
        let parts = calendar.dateComponents([.year, .month, .day], from: now)
        let day = budget.isDaily ? parts.day ?? 0 : 0
        return budget.id * 100_000_000 + Int64((parts.year ?? 0) * 10_000 + (parts.month ?? 0) * 100 + day)
    }

    /// Nil when granted; else the scope that refused.
    mutating func reserve(_ amount: Int64, _ now: Date) -> String? {
        let ids = budgets.map { Self.periodID($0, now) }
        for (id, budget) in zip(ids, budgets) where periods[id] == nil {
            periods[id] = Period(target: budget.limit, lim: budget.limit)
        }
        var tightest: (room: Int64, index: Int)?
        for (index, id) in ids.enumerated() {
            let room = periods[id].map { $0.lim - $0.settled - $0.held } ?? 0
            if tightest.map({ room < $0.room }) ?? true { tightest = (room, index) }
        }
        if let tightest, tightest.room < amount { return budgets[tightest.index].scope }
        for id in ids { periods[id]?.held += amount }
        holds.append(Hold(amount: amount, periods: ids))
        return nil
    }

    mutating func settle(_ index: Int, _ posted: Int64) {
        let hold = holds[index]
        guard hold.state != .settled else { return }
        for id in hold.periods {
            periods[id]?.settled += posted - hold.actual
            if hold.state == .open { periods[id]?.held -= hold.amount }
            periods[id]?.fit()
        }
        holds[index].state = .settled
        holds[index].actual = posted
        entries += 1
    }

    mutating func crash() {
        for index in holds.indices where holds[index].state == .open {
            settle(index, holds[index].amount)
            holds[index].state = .unreconciled
        }
    }

    mutating func setLimit(_ index: Int, _ limit: Int64, _ now: Date) {
        budgets[index].limit = limit
        let id = Self.periodID(budgets[index], now)
        periods[id]?.target = limit
        periods[id]?.fit()
    }
}

/// Random numbers that a seed repeats (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
