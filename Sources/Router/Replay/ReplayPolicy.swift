/// Who decides in a replay.
enum ReplayPolicy: Sendable {
    /// The adaptive controller, at its start.
    case adaptive(RouterState)
    /// Pays where the gain is worth λ, by the gains and costs as they really are: hindsight, with the right λ.
    case price(Double)
    /// The same by what can be known of the question alone.
    case queryPrice(Double)
    /// Pays for a share of requests, whichever.
    case share(Double)
    /// Pays where the raw reward is below this (RSD: 0.7).
    case signalBelow(Double)
    /// Pays where p is below this.
    case probabilityBelow(Double)
    /// Pays while there is money.
    case always
}

/// What a policy made of a sequence of requests.
struct ReplayResult: Hashable, Sendable {
    /// Sum of qualities, and the part of it that paying added.
    var quality = 0.0
    var gain = 0.0
    /// Gains added up, by request: what came of a part of the sequence.
    var gains: [Double] = []
    var spent: Int64 = 0
    var calls = 0
    var explored = 0
    var violations = 0
    /// λ in gain per dollar, evenly along the sequence.
    var trace: [Double] = []
    /// What was left before each request.
    var remaining: [Int64] = []
}

/// Runs one policy over one sequence under one budget.
struct ReplayRun: Sendable {
    /// Points of a trace.
    static let traceLength = 24
    /// A hold smaller than this many expected costs is not worth a call.
    private static let usefulCosts = 2.0

    var rows: [PreparedRequest]
    var limit: Int64
    var seed: UInt64

    func callAsFunction(_ policy: ReplayPolicy) -> ReplayResult {
        var ledger = ReplayLedger(limit: limit)
        var random = RouterRandom(seed: seed)
        var result = ReplayResult()
        result.gains.reserveCapacity(rows.count)
        result.remaining.reserveCapacity(rows.count)
        guard case .adaptive(var state) = policy else {
            for row in rows {
                result.remaining.append(ledger.remaining)
                let pays = Self.pays(policy, row, &random)
                _ = pays ? pay(row, row.trueCost, &ledger, &result) : skip(row, &result)
            }
            return finished(result, ledger)
        }
        let every = max(rows.count / Self.traceLength, 1)
        for (index, row) in rows.enumerated() {
            if index % every == 0 { result.trace.append(state.shadowPrice) }
            result.remaining.append(ledger.remaining)
            decide(row, &state, &ledger, &random, &result)
        }
        return finished(result, ledger)
    }

    private func finished(_ result: ReplayResult, _ ledger: ReplayLedger) -> ReplayResult {
        var result = result
        result.spent = ledger.settled
        result.violations = ledger.violations
        return result
    }

    private static func pays(_ policy: ReplayPolicy, _ row: PreparedRequest, _ random: inout RouterRandom) -> Bool {
        switch policy {
        case .adaptive: false
        case .price(let price): row.trueGain > 0 && row.trueGain > price * row.trueCost
        case .queryPrice(let price): row.queryGain > 0 && row.queryGain > price * row.trueCost
        case .share(let share): random.unit() < share
        case .signalBelow(let bar): row.signal < bar
        case .probabilityBelow(let bar): row.p < bar
        case .always: true
        }
    }

    /// What the gateway does with a request: weigh, hold, pay, learn.
    private func decide(
        _ row: PreparedRequest, _ state: inout RouterState, _ ledger: inout ReplayLedger,
        _ random: inout RouterRandom, _ result: inout ReplayResult
    ) {
        let gain = state.gains.success(row.p, cluster: row.cluster) - row.p
        let cost = state.expectedCost(row.baseCost)
        let remaining = Double(ledger.remaining) / 1e9
        var pays = gain > 0 && gain > state.shadowPrice * cost
        if !pays {
            let left = state.plan.requestsLeft(elapsed: row.elapsed)
            pays = random.unit() < state.exploration(cost: cost, remaining: remaining, requestsLeft: left)
            if pays { result.explored += 1 }
        }
        var outcome = RouterState.Outcome(
            cluster: row.cluster, p: row.p, gain: gain, baseCost: row.baseCost, remaining: 0, elapsed: row.elapsed)
        if pays, let charge = pay(row, cost, &ledger, &result) {
            outcome.paid = Double(charge) / 1e9
            outcome.success = row.llmSignal
        } else if !pays {
            _ = skip(row, &result)
        }
        outcome.remaining = Double(ledger.remaining) / 1e9
        state.update(outcome)
    }

    /// - Returns: the charge; nil where no hold fitted, so that the SLM answers.
    private func pay(
        _ row: PreparedRequest, _ expected: Double, _ ledger: inout ReplayLedger, _ result: inout ReplayResult
    ) -> Int64? {
        let useful = Int64(min(Self.usefulCosts * expected * 1e9, 1e18))
        guard let hold = ledger.reserve(most: row.hold, useful: useful) else {
            _ = skip(row, &result)
            return nil
        }
        let charge = ledger.settle(hold: hold, cost: row.cost)
        result.calls += 1
        // Cut off before its end: the SLM's answer is the better one.
        guard charge == row.cost else {
            _ = skip(row, &result)
            return charge
        }
        result.quality += row.llmQuality
        result.gain += row.llmQuality - row.slmQuality
        result.gains.append(row.llmQuality - row.slmQuality)
        return charge
    }

    private func skip(_ row: PreparedRequest, _ result: inout ReplayResult) -> Int64? {
        result.quality += row.slmQuality
        result.gains.append(0)
        return nil
    }

    /// The best that a constant λ could have done with this gain, which is known in retrospect only: of the prices
    /// around the one at which the demand costs what there was, the one that gained most.
    func hindsight(_ gain: (PreparedRequest) -> Double, policy: (Double) -> ReplayPolicy) -> ReplayResult {
        let wanted = rows.filter { gain($0) > 0 && $0.trueCost > 0 }
            .map { (price: gain($0) / $0.trueCost, cost: Double($0.cost)) }
            .sorted { $0.price > $1.price }
        var prices: [Double] = []
        var spent = 0.0
        for item in wanted where prices.count < Self.demandsTried.count {
            spent += item.cost
            while prices.count < Self.demandsTried.count, spent > Self.demandsTried[prices.count] * Double(limit) {
                prices.append(item.price)
            }
        }
        if prices.count < Self.demandsTried.count { prices.append(0) }
        let results = prices.map { self(policy($0)) }
        return results.max { $0.gain < $1.gain } ?? self(policy(0))
    }

    /// What the demand at the prices tried costs, in budgets.
    private static let demandsTried = [0.9, 0.97, 1, 1.03, 1.1, 1.25]
}
