import Foundation
import Testing

@testable import Router

/// Requests made up for the tests: a model that is right with some probability, a reward that half knows, an LLM that
/// is right nine times in ten, at costs that differ by cluster.
private func recorded(_ count: Int, seed: UInt64, noise: Double = 0.15) -> [ReplayRequest] {
    var random = SeededGenerator(seed: seed)
    let normal = { (random: inout SeededGenerator) -> Double in
        (0..<12).reduce(-6.0) { sum, _ in sum + Double.random(in: 0..<1, using: &random) }
    }
    return (0..<count).map { index in
        let cluster = Int.random(in: 0..<4, using: &random)
        let ability = 0.9 - 0.12 * Double(cluster)
        let slm = min(max(ability + 0.25 * normal(&random), 0), 1)
        let llm = min(max(0.93 + 0.1 * normal(&random), 0), 1)
        let cost = [2.0, 5, 10, 20][cluster] * exp(0.5 * normal(&random)) * 1_000_000
        var row = ReplayRequest(
            id: "made-\(index)", cluster: "c\(cluster)", slm: .init(quality: slm, cost: 0),
            llm: .init(quality: llm, cost: Int64(min(cost, 200_000_000))), signal: [slm + noise * normal(&random)])
        row.llmSignal = llm + noise * normal(&random)
        return row
    }
}

private func report(
    _ order: ReplayOrder, _ perturbation: ReplayPerturbation = .none, baselines: Bool = false, seed: UInt64 = 1,
    rows: Int = 1200
) throws -> ReplayReport {
    var options = ReplayOptions()
    options.order = order
    options.perturbation = perturbation
    options.seeds = 3
    options.budgets = [0.1, 0.2, 0.4]
    options.withBaselines = baselines
    return try ReplayExperiment(recorded(rows, seed: seed), options: options).run()
}

@Suite struct ReplayTests {
    @Test("with a price that starts right the controller is within two hundredths of hindsight, and above the rest")
    func nearHindsight() throws {
        let report = try report(.shuffled, baselines: true)
        let hindsight = try #require(report.baselines["hindsight"])
        for (budget, pgr) in report.curve.pgr {
            #expect(pgr >= (hindsight.pgr[budget] ?? 1) - 0.02, "\(budget): \(pgr) of \(hindsight.pgr)")
            for name in ["random", "fixed-0.7", "tuned", "query-only", "llm-only"] {
                let other = try #require(report.baselines[name]?.pgr[budget])
                #expect(pgr > other, "\(name) at \(budget): \(other), adaptive \(pgr)")
            }
        }
        #expect(report.violations == 0)
        #expect(report.spendShareMax <= 1)
    }

    @Test(
        "a price that starts wrong, a calibration set of other requests and a wrong forecast cost little",
        arguments: [
            ReplayPerturbation.lambda3, .lambdaThird, .hardCalibration, .easyCalibration, .volume3, .volumeThird,
        ])
    func wrongStart(perturbation: ReplayPerturbation) throws {
        let report = try report(.shuffled, perturbation)
        for (budget, share) in report.hindsightShare { #expect(share >= 0.85, "\(budget): \(share)") }
        #expect(report.violations == 0)
    }

    @Test("a calibration set of other requests is one with rows of its own to fit on, too")
    func calibrationOfFitRows() throws {
        func tuned(_ perturbation: ReplayPerturbation) throws -> Double {
            var options = ReplayOptions()
            options.perturbation = perturbation
            options.seeds = 3
            options.budgets = [0.6]
            let fit = recorded(1000, seed: 12)
            let report = try ReplayExperiment(recorded(1000, seed: 11), fit: fit, options: options).run()
            return try #require(report.baselines["tuned"]?.spendShare["0.6"])
        }
        // A threshold for three fifths of the cost of hard requests takes far fewer of those that come.
        let (fair, hard) = (try tuned(.none), try tuned(.hardCalibration))
        #expect(hard < fair * 0.9, "fitted on hard requests \(hard), on a fair sample \(fair)")
    }

    @Test("hard requests that come first, easy ones that do, and days are paid for as they should be")
    func orders() throws {
        for (order, least) in [(ReplayOrder.hardFirst, 0.7), (.easyFirst, 0.6), (.diurnal, 0.95)] {
            let report = try report(order)
            for (budget, share) in report.hindsightShare { #expect(share >= least, "\(order) \(budget): \(share)") }
            #expect(report.violations == 0)
        }
    }

    @Test(
        "an LLM that gets ten times as dear, or worse, is noticed within a hundred requests",
        arguments: [ReplayPerturbation.price10, .degraded])
    func recovery(perturbation: ReplayPerturbation) throws {
        // A tenth as many calls are to be had afterwards, so it takes many requests to tell luck from skill.
        let report = try report(.shuffled, perturbation, rows: 4000)
        for budget in ["0.2", "0.4"] {
            let share = try #require(report.recovery[budget])
            #expect(share >= 0.85, "\(budget): \(share)")
        }
        #expect(report.violations == 0)
    }

    @Test("the same seed gives the same report, byte by byte")
    func deterministic() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let first = try encoder.encode(report(.diurnal))
        #expect(first == (try encoder.encode(report(.diurnal))))
        #expect(try JSONDecoder().decode(ReplayReport.self, from: first).curve.pgr.count == 3)
        #expect(first != (try encoder.encode(report(.diurnal, seed: 2))))
    }

    @Test("a signal that knows nothing buys no more than chance")
    func blindSignal() throws {
        var random = SeededGenerator(seed: 4)
        let rows = recorded(1000, seed: 3).map { row in
            var row = row
            row.cluster = ""
            row.signal = [Double.random(in: 0..<1, using: &random)]
            row.llm.cost = 5_000_000
            return row
        }
        var options = ReplayOptions()
        options.seeds = 8
        options.budgets = [0.2, 0.4]
        let report = try ReplayExperiment(rows, options: options).run()
        for (budget, pgr) in report.curve.pgr {
            #expect(abs(pgr - (Double(budget) ?? 0)) < 0.08, "\(budget): \(pgr)")
        }
    }

    @Test("with costs that are known beforehand the cheaper of two like answers is bought")
    func knownCosts() throws {
        let rows = recorded(1000, seed: 5).map { row in
            var row = row
            row.cluster = ""
            return row
        }
        var options = ReplayOptions()
        options.seeds = 3
        options.budgets = [0.1, 0.2]
        let usual = try ReplayExperiment(rows, options: options).run()
        options.knowsCosts = true
        let known = try ReplayExperiment(rows, options: options).run()
        #expect(known.knowsCosts && !usual.knowsCosts)
        for (budget, pgr) in usual.curve.pgr {
            let better = try #require(known.curve.pgr[budget])
            #expect(better > pgr * 1.2, "\(budget): \(better) with costs known, \(pgr) without")
        }
        #expect(known.violations == 0)
        options.perturbation = .price10
        #expect(throws: ReplayError.self) { try ReplayExperiment(rows, options: options) }
    }

    @Test("rows that cannot be replayed are refused by name")
    func refusals() throws {
        var rows = recorded(40, seed: 1)
        let few = #expect(throws: ReplayError.self) { try ReplayExperiment(Array(rows.prefix(5)), options: .init()) }
        #expect(few?.description.contains("at least 20 rows") == true)
        rows[3].signal = []
        let blind = #expect(throws: ReplayError.self) { try ReplayExperiment(rows, options: .init()) }
        #expect(blind?.description == "row made-3: no reward of the SLM's answer")
        rows[3].signal = [.nan]
        #expect(throws: ReplayError.self) { try ReplayExperiment(rows, options: .init()) }
        rows[3].signal = [0.5]
        rows[4].llm.cost = 0
        let free = #expect(throws: ReplayError.self) { try ReplayExperiment(rows, options: .init()) }
        #expect(free?.description.contains("row made-4") == true)
    }
}

@Suite struct ReplayLedgerTests {
    @Test("whatever is held and settled, no more than the limit is ever used, and what does not fit is refused")
    func cap() {
        for seed in 1...50 as ClosedRange<UInt64> {
            var random = SeededGenerator(seed: seed)
            let limit = Int64.random(in: 0...1000, using: &random)
            var ledger = ReplayLedger(limit: limit)
            var open: [Int64] = []
            var charged: Int64 = 0
            for _ in 0..<400 {
                if Bool.random(using: &random), let hold = open.popLast() {
                    let cost = Int64.random(in: 0...200, using: &random)
                    let charge = ledger.settle(hold: hold, cost: cost)
                    #expect(charge == min(cost, hold))
                    charged += charge
                } else {
                    let most = Int64.random(in: 1...150, using: &random)
                    let useful = Int64.random(in: 0...150, using: &random)
                    let left = ledger.remaining
                    let hold = ledger.reserve(most: most, useful: useful)
                    #expect((hold != nil) == (left > 0 && left >= min(most, useful)))
                    if let hold {
                        #expect(hold == min(most, left))
                        open.append(hold)
                    }
                }
                #expect(ledger.settled == charged)
                #expect(ledger.settled + ledger.held <= limit)
                #expect(ledger.held == open.reduce(0, +))
            }
            #expect(ledger.violations == 0)
        }
    }
}
