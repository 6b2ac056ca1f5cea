/// What is left of the budgets that limit a route, each with the route's part in it, and which part of the route's
/// requests each of their owners has.
///
/// Requests of different callers tell of different budgets. What is left is compared within a budget: of two in turn
/// the one is not what the other became.
struct BudgetPools: Hashable, Sendable, Codable {
    /// Owners that are told apart; one more takes the place of the one with the fewest requests lately.
    static let mostOwners = 24
    /// Budgets of an owner; one more takes the place of the one that was not told of for longest.
    static let mostBudgets = 6
    /// A budget that was not told of in so many requests of its owner may have been changed since.
    private static let mostSince = 100

    private struct Budget: Hashable, Sendable, Codable {
        var pool = SharedPool()
        var period: String?
        /// Requests of the owner since it was told of: budgets for a model or tag are, where a call was paid for.
        var since = 0
    }

    private struct Owner: Hashable, Sendable, Codable {
        /// With forgetting.
        var requests = 0.0
        /// Those of them that had something to pay with.
        var able = 0.0
        var budgets: [String: Budget] = [:]

        mutating func forget() {
            requests *= LearnedMean.forgetting
            able *= LearnedMean.forgetting
        }

        mutating func observe(spent: Double, _ rooms: [(name: BudgetName, left: Double)]) {
            for key in budgets.keys where !rooms.contains(where: { $0.name.budget == key }) {
                budgets[key]?.since += 1
                budgets[key]?.pool.spendBeside(spent)
            }
            for (name, left) in rooms {
                var budget = budgets[name.budget] ?? Budget(period: name.period)
                if let period = name.period, let last = budget.period {
                    // Of a period that is over: what was left of it says nothing now.
                    guard period >= last else { continue }
                    if period > last { budget.pool.turn() }
                    budget.period = period
                }
                budget.pool.observe(spent: spent, remaining: left)
                budget.since = 0
                if budgets[name.budget] == nil, budgets.count >= BudgetPools.mostBudgets,
                    let oldest = budgets.max(by: { ($0.value.since, $0.key) < ($1.value.since, $1.key) })
                {
                    budgets[oldest.key] = nil
                }
                budgets[name.budget] = budget
            }
        }

        func least(in period: String?, _ value: (SharedPool, Double) -> Double) -> Double? {
            var least: Double?
            for (key, budget) in budgets where budget.period == period {
                // One for a tag is told of by requests that have the tag, and is none of the others'.
                let most = key.contains(" tag:") ? 0 : BudgetPools.mostSince
                guard budget.since <= most, let left = budget.pool.left else { continue }
                least = min(least ?? .infinity, value(budget.pool, max(left, 0)))
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

    /// From this part of the requests on an owner is all that a route has, but for what came before it.
    private static let everyone = 0.99

    /// - Parameters:
    ///   - spent: by the request, in mean answers.
    ///   - rooms: what its budgets have left after it.
    ///   - unit: USD of a mean answer.
    ///   - cost: of an answer, in mean answers.
    mutating func observe(spent: Double, _ rooms: [BudgetRoom], unit: Double, cost: Double = 1) {
        guard spent.isFinite else { return }
        var named: [String: [(name: BudgetName, left: Double)]] = [:]
        for room in rooms where room.remaining.isFinite {
            named[room.name.owner, default: []].append((room.name, room.remaining / unit))
        }
        guard !named.isEmpty else { return }
        requests = requests * LearnedMean.forgetting + 1
        for key in owners.keys { owners[key]?.forget() }
        // In an order that every gateway has.
        for (key, rooms) in named.sorted(by: { $0.key < $1.key }) {
            var owner: Owner
            if let known = owners.removeValue(forKey: key) { owner = known } else { owner = newcomer() }
            owner.requests += 1
            owner.observe(spent: spent, rooms)
            owners[key] = owner
        }
        guard !rooms.contains(where: { isUsedUp($0, cost: cost) }) else { return }
        for key in named.keys { owners[key]?.able += 1 }
    }

    /// Whether a budget that is not all requests' has not that many mean answers left: at no price does it pay.
    func isUsedUp(_ room: BudgetRoom, cost: Double) -> Bool {
        let owner = room.name.owner
        return requestShare(of: owner) < Self.everyone && left(of: owner, in: room.period) ?? cost < cost
    }

    /// An owner that was not told apart so far; makes room for it. It may have had nearly as many requests as the one
    /// that goes, or none: the geometric middle.
    private mutating func newcomer() -> Owner {
        // Ties by name: every gateway drops the same one.
        guard owners.count >= Self.mostOwners,
            let least = owners.min(by: { ($0.value.requests, $0.key) < ($1.value.requests, $1.key) })
        else { return Owner() }
        owners[least.key] = nil
        return Owner(requests: least.value.requests.squareRoot(), able: least.value.able.squareRoot())
    }

    /// Of what is left of a budget, the part to plan with; 1 of one that is not known.
    func share(of name: BudgetName) -> Double { owners[name.owner]?.budgets[name.budget]?.pool.share ?? 1 }

    /// Which part of the route's requests is the owner's.
    private func requestShare(of owner: String) -> Double {
        guard requests > 0, let owner = owners[owner] else { return 1 }
        return owner.requests / requests
    }

    /// Which part of the route's requests is the owner's and has something to pay with.
    func demandShare(of owner: String) -> Double {
        guard requests > 0, let owner = owners[owner] else { return 1 }
        return owner.able / requests
    }

    /// What the tightest of an owner's budgets with that period leaves to plan with, in mean answers.
    func means(of owner: String, in period: String?) -> Double? {
        owners[owner]?.least(in: period) { $0.share * $1 }
    }

    /// What is left of it, whoever will spend it.
    func left(of owner: String, in period: String?) -> Double? { owners[owner]?.least(in: period) { $1 } }

    /// Every budget begins a period: what is left from now on is of another one.
    mutating func turn() {
        for key in owners.keys { owners[key]?.turn() }
    }
}
