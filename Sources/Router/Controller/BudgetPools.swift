/// What is left of the budgets that limit a route, each with the route's part in it.
///
/// A request tells of the tightest of its caller's budgets only, so that requests of other callers tell of other ones.
/// What is left is compared within a budget: of two budgets in turn the one is not what the other became.
struct BudgetPools: Hashable, Sendable, Codable {
    /// Owners that are told apart; one more takes the place of the one with the fewest requests lately.
    static let mostOwners = 24
    /// Budgets of an owner; one more takes the place of the one that was not the tightest for longest.
    static let mostBudgets = 4
    /// A budget that was not the tightest in so many requests of its owner may have been changed since.
    private static let mostSince = 100

    private struct Budget: Hashable, Sendable, Codable {
        var pool = SharedPool()
        var period: String?
        /// Requests of the owner since it was the tightest.
        var since = 0
    }

    private struct Owner: Hashable, Sendable, Codable {
        /// With forgetting.
        var requests = 0.0
        var budgets: [String: Budget] = [:]

        mutating func observe(spent: Double, remaining: Double, of name: BudgetName) {
            var budget = budgets[name.budget] ?? Budget(period: name.period)
            if let period = name.period, let last = budget.period {
                // Of a period that is over: what was left of it says nothing now.
                guard period >= last else { return }
                if period > last { budget.pool.turn() }
                budget.period = period
            }
            for key in budgets.keys where key != name.budget {
                budgets[key]?.since += 1
                budgets[key]?.pool.spendBeside(spent)
            }
            budget.pool.observe(spent: spent, remaining: remaining)
            budget.since = 0
            if budgets[name.budget] == nil, budgets.count >= BudgetPools.mostBudgets,
                let oldest = budgets.max(by: { ($0.value.since, $0.key) < ($1.value.since, $1.key) })
            {
                budgets[oldest.key] = nil
            }
            budgets[name.budget] = budget
        }

        func least(in period: String?, beside name: String? = nil) -> Double? {
            var least: Double?
            for (key, budget) in budgets where key != name && budget.period == period {
                guard budget.since <= BudgetPools.mostSince, let left = budget.pool.left else { continue }
                least = min(least ?? .infinity, budget.pool.share * max(left, 0))
            }
            return least
        }

        mutating func turn() {
            for key in budgets.keys { budgets[key]?.pool.turn() }
        }
    }

    private var owners: [String: Owner] = [:]
    /// All owners', with forgetting.
    private var requests = 0.0

    /// - Parameters:
    ///   - spent: by the request, in mean answers.
    ///   - remaining: of the budget after it, in mean answers.
    mutating func observe(spent: Double, remaining: Double, of name: BudgetName) {
        guard spent.isFinite, remaining.isFinite else { return }
        requests = requests * LearnedMean.forgetting + 1
        for key in owners.keys where key != name.owner { owners[key]?.requests *= LearnedMean.forgetting }
        var owner = owners.removeValue(forKey: name.owner) ?? newcomer()
        owner.requests = owner.requests * LearnedMean.forgetting + 1
        owner.observe(spent: spent, remaining: remaining, of: name)
        owners[name.owner] = owner
    }

    /// An owner that was not told apart so far; makes room for it. It may have had nearly as many requests as the one
    /// that goes, or none: the geometric middle.
    private mutating func newcomer() -> Owner {
        // Ties by name: every gateway drops the same one.
        guard owners.count >= Self.mostOwners,
            let least = owners.min(by: { ($0.value.requests, $0.key) < ($1.value.requests, $1.key) })
        else { return Owner() }
        owners[least.key] = nil
        return Owner(requests: least.value.requests.squareRoot())
    }

    /// Of what is left of a budget, the part to plan with; 1 of one that is not known.
    func share(of name: BudgetName) -> Double { owners[name.owner]?.budgets[name.budget]?.pool.share ?? 1 }

    /// Which part of the route's requests is the owner's.
    func requestShare(of name: BudgetName) -> Double {
        guard requests > 0, let owner = owners[name.owner] else { return 1 }
        return owner.requests / requests
    }

    /// What the tightest of the owner's other budgets with the same period leaves to plan with, in mean answers.
    func least(beside name: BudgetName) -> Double? {
        owners[name.owner]?.least(in: name.period, beside: name.budget)
    }

    /// Whether another owner can pay so many mean answers in the same period.
    func canPay(_ cost: Double, beside name: BudgetName) -> Bool {
        owners.contains { key, owner in key != name.owner && owner.least(in: name.period) ?? 0 >= cost }
    }

    /// Every budget begins a period: what is left from now on is of another one.
    mutating func turn() {
        for key in owners.keys { owners[key]?.turn() }
    }
}
