import Foundation

/// The ledger as a plain value: what the database must agree with, written without looking at its SQL.
struct PlainLedger {
    struct Budget {
        enum Scope: Hashable { case tenant, team, key }
        enum Unit: String, Hashable { case usd, requests, tokens, parallel }
        var scope = Scope.tenant
        var unit = Unit.usd
        var cycle: PlainCycle
        /// A model's exact name or a pattern that ends in a star.
        var model: String?
        var tag: String?
        var weekStart = 1
        var rollover: Int64?
        var thresholds: [Int64] = []
        var id: Int64 = 0
        var limit: Int64 = 0
        var overrides: [(from: PlainDay, until: PlainDay, limit: Int64)] = []
        var isRemoved = false

        func covers(model name: String, tags: [String]) -> Bool {
            let fitsTag = tag.map { tags.contains($0) } ?? true
            guard let model else { return fitsTag }
            return fitsTag && (model.hasSuffix("*") ? name.hasPrefix(model.dropLast()) : name == model)
        }

        func limit(on first: PlainDay?) -> Int64 {
            guard let first else { return limit }
            return overrides.last { first >= $0.from && first < $0.until }?.limit ?? limit
        }
    }
    struct Period: Equatable {
        var first: PlainDay?
        var base: Int64
        var topUp: Int64 = 0
        var carried: Int64 = 0
        var passedOn: Int64 = 0
        var settled: Int64 = 0
        var held: Int64 = 0
        var lim: Int64 = 0
        var alerted: Int64 = 0
        var target: Int64 { max(0, base + topUp + carried - passedOn) }
        var room: Int64 { lim - settled - held }
        var isUsed: Bool { settled != 0 || held != 0 || topUp != 0 }
        mutating func fit() { lim = max(target, settled + held) }
    }
    enum State { case open, settled, unreconciled, void }
    struct Share {
        var period: Int64
        var amount: Int64
        var unit: Budget.Unit
    }
    struct Hold {
        var request: Int
        var amount: Int64
        var tokens: Int64
        var state = State.open
        var actual: Int64 = 0
        var shares: [Share]
        var gateway: Int
        var call: Call
    }
    enum Answer: Equatable {
        case granted(tightest: Int64)
        case refused(budget: Int64)
        case limited(budgets: Set<Int64>)
        case noBudget, rejected, conflict
    }
    struct Call {
        var request: Int
        var key: Int
        var model: String
        var tags: [String]
        var amount: Int64
        var tokens: Int64
    }

    var zone: TimeZone
    var created: Date
    var budgets: [Budget]
    var periods: [Int64: Period] = [:]
    var holds: [Hold] = []
    var suspendedKeys: Set<Int> = []
    var isSuspended = false
    var entries = 0
    var alerts = 0
    /// Period, percentage and target of each alert.
    var told: Set<[Int64]> = []

    // MARK: Periods

    private func period(_ budget: Budget, _ now: Date) -> (id: Int64, first: PlainDay?) {
        switch budget.cycle {
        case .minute:
            return (budget.id * 100_000_000 + Int64((now.timeIntervalSince1970 / 60).rounded(.down)) % 100_000_000, nil)
        case .total, .request: return (budget.id * 100_000_000, nil)
        default:
            let first = budget.cycle.first(of: PlainDay(now, zone), weekStart: budget.weekStart)
            return (budget.id * 100_000_000 + budget.cycle.suffix(first), first)
        }
    }

    /// Opens the periods that run now: of all budgets, or of one.
    mutating func open(_ now: Date, only: Int64? = nil) {
        for budget in budgets where budget.cycle != .request && !budget.isRemoved && budget.id == only ?? budget.id {
            let (id, first) = period(budget, now)
            guard periods[id] == nil else { continue }
            var fresh = Period(first: first, base: budget.limit(on: first))
            if let rollover = budget.rollover, let first { fresh.carried = carry(budget, rollover, first) }
            fresh.fit()
            periods[id] = fresh
        }
    }

    /// What was left of the last period, which loses it, and of the ones since then that nobody used.
    private mutating func carry(_ budget: Budget, _ most: Int64, _ first: PlainDay) -> Int64 {
        let before = periods.filter {
            $0.key / 100_000_000 == budget.id && ($0.value.first.map { $0 < first } ?? false)
        }
        var (day, left): (PlainDay, Int64)
        if let last = before.max(by: { $0.key < $1.key }), let start = last.value.first {
            left = min(max(0, last.value.target - last.value.settled - last.value.held), most)
            periods[last.key]?.passedOn += left
            periods[last.key]?.fit()
            day = start
        } else {
            day = budget.cycle.first(of: PlainDay(created, zone), weekStart: budget.weekStart)
            guard day < first else { return 0 }
            left = min(budget.limit(on: day), most)
        }
        while true {
            day = budget.cycle.next(after: day)
            guard day < first else { return left }
            left = min(budget.limit(on: day) + left, most)
        }
    }

    private mutating func alert(_ id: Int64) {
        guard let budget = budgets.first(where: { $0.id == id / 100_000_000 }), let period = periods[id] else { return }
        for percent in budget.thresholds.sorted() where percent > period.alerted {
            // Rounded up: a threshold of half a nano-dollar is reached by a whole one.
            guard period.settled > 0, period.settled * 100 >= percent * period.target else { break }
            periods[id]?.alerted = percent
            // Once at a limit, however often it is raised and lowered.
            if told.insert([id, percent, period.target]).inserted { alerts += 1 }
        }
    }

    /// After a period's target has risen, no more was told of than what is reached of it.
    private mutating func rise(_ id: Int64, from before: Int64) {
        guard let budget = budgets.first(where: { $0.id == id / 100_000_000 }), let period = periods[id],
            period.target > before
        else { return }
        let reached = budget.thresholds.filter { period.settled > 0 && period.settled * 100 >= $0 * period.target }
        periods[id]?.alerted = min(period.alerted, reached.max() ?? 0)
    }

    // MARK: Calls

    private func applying(_ call: Call) -> [Budget] {
        budgets.filter { budget in
            let isMine = budget.scope == .tenant || call.key == 0
            return !budget.isRemoved && isMine && budget.covers(model: call.model, tags: call.tags)
        }
    }

    /// Whether a budget of the whole tenant counts the call: without one nothing may be spent.
    private func isCapped(_ call: Call) -> Bool {
        applying(call).contains { $0.unit == .usd && $0.cycle != .request && $0.scope == .tenant }
    }

    /// The same call again, by the gateway that took its hold.
    mutating func again(_ index: Int, _ now: Date) -> Answer {
        open(now)
        let hold = holds[index]
        if isSuspended || suspendedKeys.contains(hold.call.key) { return .rejected }
        guard isCapped(hold.call) else { return .noBudget }
        return hold.state == .open ? .granted(tightest: 0) : .conflict
    }

    mutating func reserve(_ call: Call, gateway: Int, _ now: Date) -> Answer {
        open(now)
        if isSuspended || suspendedKeys.contains(call.key) { return .rejected }
        let applying = applying(call)
        guard isCapped(call) else { return .noBudget }
        if let ceiling = applying.filter({ $0.cycle == .request }).min(by: { $0.limit < $1.limit }) {
            let spent = holds.filter { $0.request == call.request && $0.state != .void }
                .reduce(0) { $0 + ($1.state == .open ? $1.amount : $1.actual) }
            if spent + call.amount > ceiling.limit { return .refused(budget: ceiling.id) }
        }
        let shares = applying.filter { $0.cycle != .request }.map { budget in
            let amount = budget.unit == .usd ? call.amount : budget.unit == .tokens ? call.tokens : 1
            return Share(period: period(budget, now).id, amount: amount, unit: budget.unit)
        }
        let short = shares.filter { periods[$0.period].map { $0.room } ?? 0 < $0.amount }
        let poor = short.filter { $0.unit == .usd }.map { (periods[$0.period]?.room ?? 0, $0.period) }
        if let worst = poor.min(by: <) { return .refused(budget: worst.1 / 100_000_000) }
        if !short.isEmpty { return .limited(budgets: Set(short.map { $0.period / 100_000_000 })) }
        for share in shares { periods[share.period]?.held += share.amount }
        holds.append(
            Hold(
                request: call.request, amount: call.amount, tokens: call.tokens, shares: shares, gateway: gateway,
                call: call))
        return .granted(tightest: shares.filter { $0.unit == .usd }.compactMap { periods[$0.period]?.room }.min() ?? 0)
    }

    /// Ends a hold; `used` are its tokens. Nothing happens to one that has ended for good.
    mutating func settle(_ index: Int, _ posted: Int64, used: Int64) {
        let hold = holds[index]
        guard hold.state == .open || hold.state == .unreconciled else { return }
        let isOpen = hold.state == .open
        for share in hold.shares {
            switch share.unit {
            case .usd: periods[share.period]?.settled += posted - hold.actual
            case .tokens where isOpen: periods[share.period]?.settled += used
            case .requests where isOpen: periods[share.period]?.settled += 1
            default: break
            }
            if isOpen { periods[share.period]?.held -= share.amount }
            periods[share.period]?.fit()
        }
        for share in hold.shares where share.unit == .usd { alert(share.period) }
        holds[index].state = .settled
        holds[index].actual = posted
        entries += 1
    }

    mutating func crash(_ gateway: Int) {
        for index in holds.indices where holds[index].state == .open && holds[index].gateway == gateway {
            settle(index, holds[index].amount, used: holds[index].tokens)
            holds[index].state = .unreconciled
        }
    }

    // MARK: Administration

    mutating func refresh(_ index: Int, _ now: Date) {
        let budget = budgets[index]
        let from = period(budget, now).id
        for id in periods.keys where id / 100_000_000 == budget.id && id >= from {
            guard var period = periods[id] else { continue }
            let before = period.target
            period.base = budget.limit(on: period.first)
            period.fit()
            periods[id] = period
            rise(id, from: before)
            alert(id)
        }
    }

    mutating func topUp(_ index: Int, _ amount: Int64, _ now: Date) {
        open(now)
        let id = period(budgets[index], now).id
        let before = periods[id]?.target ?? 0
        periods[id]?.topUp += amount
        rise(id, from: before)
        refresh(index, now)
    }
}
