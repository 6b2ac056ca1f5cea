internal import Foundation

/// What a replay is to do.
package struct ReplayOptions: Hashable, Sendable {
    /// Budgets, as shares of what the LLM alone would cost.
    package static let usualBudgets = [0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]

    package var order = ReplayOrder.shuffled
    package var perturbation = ReplayPerturbation.none
    package var seeds = 20
    package var budgets = usualBudgets
    /// Deviation of the noise that stands in for a reward model where the signal is the quality itself.
    package var rewardNoise = 0.0
    /// Whether what each answer of the LLM costs is known beforehand: no forecast of costs could be better.
    package var knowsCosts = false
    /// Whether the baselines are run as well.
    package var withBaselines = true
    package init() {}
}

/// Recorded requests that cannot be replayed.
package struct ReplayError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// The controller and its baselines over recorded requests: by seed another half to fit on, other noise, another order.
package struct ReplayExperiment: Sendable {
    /// Fewer rows than these are no replay, and nothing to fit on.
    package static let leastRows = 20
    private static let recoveryRequests = 100

    private let rows: [ReplayRequest]
    private let fitRows: [ReplayRequest]?
    private let options: ReplayOptions
    private let mostCost: Int64

    /// - Parameter fit: rows to fit on; nil: for each seed a random half of `rows`, and the run is over the other.
    package init(
        _ rows: [ReplayRequest], fit: [ReplayRequest]? = nil, options: ReplayOptions
    ) throws(ReplayError) {
        let all = rows + (fit ?? [])
        guard rows.count >= Self.leastRows, fit.map({ $0.count >= Self.leastRows }) ?? true else {
            throw ReplayError("a replay takes at least \(Self.leastRows) rows")
        }
        for row in all {
            let numbers = [row.slm.quality, row.llm.quality] + row.signal + row.queryFeatures
            guard numbers.allSatisfy(\.isFinite) else { throw ReplayError("row \(row.id): a value is not a number") }
            guard row.llm.cost > 0, row.llm.cost < 1_000_000_000_000_000 else {
                throw ReplayError("row \(row.id): the LLM's cost must be above 0 and below 1,000,000 USD")
            }
            guard !row.signal.isEmpty else { throw ReplayError("row \(row.id): no reward of the SLM's answer") }
            guard row.queryFeatures.count == rows[0].queryFeatures.count else {
                throw ReplayError("row \(row.id): not as many query features as the first row")
            }
        }
        guard options.seeds > 0, !options.budgets.isEmpty, options.budgets.allSatisfy({ (0...1).contains($0) }) else {
            throw ReplayError("at least one seed and budgets from 0 to 1 are needed")
        }
        guard !options.knowsCosts || options.perturbation != .price10 else {
            throw ReplayError("known costs do not go with price-x10: a change is not known beforehand")
        }
        self.rows = options.knowsCosts ? rows.map(\.withKnownCost) : rows
        fitRows = options.knowsCosts ? fit?.map(\.withKnownCost) : fit
        self.options = options
        mostCost = all.map(\.llm.cost).max() ?? 0
    }

    /// Runs everything.
    package func run() -> ReplayReport {
        var tally = ReplayTally(options: options)
        for seed in 1...options.seeds { run(seed: UInt64(seed), into: &tally) }
        return tally.report
    }

    private func run(seed: UInt64, into tally: inout ReplayTally) {
        var random = RouterRandom(seed: seed)
        let (fit, prepared) = prepare(&random)
        let forecast = prepared.reduce(0) { $0 + Double($1.cost) }
        let coming = options.perturbation.volume(prepared, &random)
        var sequence = options.order.arrange(coming, &random)
        options.perturbation.strike(&sequence)
        tally.begin(sequence, seed: seed)
        for budget in options.budgets {
            let run = ReplayRun(rows: sequence, limit: Int64(budget * forecast), seed: seed &* 7919)
            var state = RouterState(
                gains: fit.gains, costs: fit.costs,
                plan: PacingPlan(population: fit.population, volume: Double(prepared.count)),
                budget: Double(run.limit) / 1e9)
            if options.perturbation.initialPriceFactor != 1 {
                state = RouterState(
                    gains: state.gains, costs: state.costs, plan: state.plan, budget: 0,
                    initialPrice: state.price * options.perturbation.initialPriceFactor)
            }
            let result = run(.adaptive(state))
            let hindsight = run.hindsight(\.trueGain) { .price($0) }
            tally.add(result, hindsight, budget: budget, limit: run.limit)
            if options.perturbation.isSudden { tally.add(recovery: recovery(result, sequence, run), budget: budget) }
            guard options.withBaselines else { continue }
            tally.add(hindsight, name: "hindsight", budget: budget)
            let query = run.hindsight(\.queryGain) { .queryPrice($0) }
            tally.add(query, name: "query-only", budget: budget)
            for (name, policy) in baselines(fit, run, budget) {
                tally.add(run(policy), name: name, budget: budget)
            }
        }
    }

    private func baselines(_ fit: ReplayFit, _ run: ReplayRun, _ budget: Double) -> [(String, ReplayPolicy)] {
        [
            ("random", .share(budget)), ("fixed-0.7", .signalBelow(0.7)),
            ("tuned", .probabilityBelow(fit.tunedThreshold(share: budget))),
            ("llm-only", .always),
        ]
    }

    private func prepare(_ random: inout RouterRandom) -> (ReplayFit, [PreparedRequest]) {
        var (fitted, others) = (fitRows ?? [], rows)
        if fitRows == nil {
            let mixed = rows.shuffled(using: &random)
            (fitted, others) = (Array(mixed.prefix(mixed.count / 2)), Array(mixed.dropFirst(mixed.count / 2)))
        }
        fitted = options.perturbation.calibration(fitted, &random)
        let (signals, successes) = read(fitted, &random)
        let fit = ReplayFit(fitted, signals: signals, successes: successes, mostCost: mostCost)
        let (testSignals, testSuccesses) = read(others, &random)
        let prepared = others.indices.map {
            fit.prepare(others[$0], signal: testSignals[$0], success: testSuccesses[$0])
        }
        return (fit, prepared)
    }

    /// The reward of each row's last step and of the LLM's answer, with noise.
    private func read(_ rows: [ReplayRequest], _ random: inout RouterRandom) -> ([Double], [Double?]) {
        let noise = options.rewardNoise
        var signals: [Double] = []
        var successes: [Double?] = []
        for row in rows {
            signals.append((row.signal.last ?? 0) + noise * random.normal())
            let other = noise * random.normal()
            successes.append(row.llmSignal.map { $0 + other })
        }
        return (signals, successes)
    }

    /// From a hundred requests after the change on: what the controller gained, and what hindsight would have with
    /// what was left by then.
    private func recovery(
        _ result: ReplayResult, _ sequence: [PreparedRequest], _ run: ReplayRun
    ) -> (own: Double, best: Double)? {
        let from = sequence.count / 2 + Self.recoveryRequests
        guard from < sequence.count else { return nil }
        let rest = ReplayRun(rows: Array(sequence[from...]), limit: result.remaining[from], seed: run.seed)
        let best = rest.hindsight(\.trueGain) { .price($0) }
        return (result.gains[from...].reduce(0, +), best.gain)
    }
}
