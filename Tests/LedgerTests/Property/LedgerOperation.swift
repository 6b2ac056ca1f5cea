import Foundation
import GatewayCore
import GatewayTesting

/// One thing that may happen to a tenant's ledger. Holds and budgets are named by number, modulo how many there are,
/// so that a sequence means something whatever is left out of it.
enum LedgerOperation: CustomStringConvertible {
    struct End {
        var hold: Int
        var outcome: CallOutcome
        /// In percent of the hold; above a hundred the provider charged too much.
        var percent: Int64
        var usedPercent: Int64
    }
    case reserve(gateway: Int, PlainLedger.Call)
    case again(hold: Int)
    case settle(gateway: Int, End)
    /// Settlements, then reservations, in one commit.
    case batch(gateway: Int, [End], [PlainLedger.Call], isExact: Bool)
    /// Gives up a call: one that has a hold, or one that never had.
    case abandon(gateway: Int, hold: Int?)
    case crash(gateway: Int)
    case setLimit(budget: Int, Int64)
    case topUp(budget: Int, Int64)
    case override(budget: Int, afterDays: Int, days: Int, Int64)
    case remove(budget: Int)
    case suspendKey(Int, Bool)
    case suspendTenant(Bool)
    case wait(seconds: Double)

    var description: String {
        switch self {
        case .reserve(let gateway, let call): "reserve by \(gateway): \(Self.text(call))"
        case .again(let hold): "reserve hold \(hold) again"
        case .settle(let gateway, let end): "settle by \(gateway): \(Self.text(end))"
        case .batch(let gateway, let ends, let calls, let isExact):
            "batch by \(gateway)\(isExact ? ", exact" : ""): \(ends.map(Self.text)) \(calls.map(Self.text))"
        case .abandon(let gateway, let hold): "abandon by \(gateway): hold \(hold.map(String.init) ?? "never taken")"
        case .crash(let gateway): "crash of \(gateway)"
        case .setLimit(let budget, let limit): "limit of budget \(budget) = \(limit)"
        case .topUp(let budget, let amount): "top up budget \(budget) by \(amount)"
        case .override(let budget, let after, let days, let limit):
            "limit of budget \(budget) = \(limit) in \(after) days for \(days) days"
        case .remove(let budget): "remove budget \(budget)"
        case .suspendKey(let key, let isOn): "key \(key) suspended: \(isOn)"
        case .suspendTenant(let isOn): "tenant suspended: \(isOn)"
        case .wait(let seconds): "wait \(seconds) s"
        }
    }

    private static func text(_ call: PlainLedger.Call) -> String {
        "request \(call.request) key \(call.key) \(call.model) \(call.tags) amount \(call.amount) tokens \(call.tokens)"
    }
    private static func text(_ end: End) -> String {
        "hold \(end.hold) \(end.outcome.rawValue) \(end.percent) % used \(end.usedPercent) %"
    }
}

/// A tenant and what happens to it, all from one number.
struct LedgerScenario {
    static let gateways = 3
    static let models = ["general", "other"]
    private static let zones = [
        "UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "America/New_York", "Asia/Kathmandu",
        "Australia/Lord_Howe", "America/St_Johns",
    ]
    /// A month's end, a leap day, both changes of clocks, a year's end. In years to come: rows of past minutes are
    /// swept by the database's own clock.
    private static let starts = [
        "2030-02-27T22:30:00Z", "2032-02-28T20:00:00Z", "2030-03-30T12:00:00Z", "2030-11-02T20:00:00Z",
        "2030-12-30T12:00:00Z", "2030-06-30T09:59:30Z",
    ]

    var zone: String
    var start: Date
    var budgets: [PlainLedger.Budget]
    var operations: [LedgerOperation]

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        zone = random.pick(Self.zones) ?? "UTC"
        start = moment(random.pick(Self.starts) ?? "2026-02-27T22:30:00Z")
        budgets = []
        for shape in Self.shapes where random.unit() < (shape.model == nil && shape.tag == nil ? 0.45 : 0.25) {
            var budget = shape
            budget.limit = Self.limit(budget, &random)
            budgets.append(budget)
        }
        if random.unit() < 0.95, !budgets.contains(where: { $0.unit == .usd && $0.scope == .tenant }) {
            var budget = Self.shapes[0]
            budget.limit = Self.limit(budget, &random)
            budgets.append(budget)
        }
        operations = []
        for _ in 0..<random.integer(in: 4...20) { operations.append(operation(&random)) }
    }

    private static let shapes: [PlainLedger.Budget] = [
        .init(cycle: .month, thresholds: [50, 80, 95]),
        .init(cycle: .day, rollover: 150),
        .init(cycle: .week, weekStart: 7, rollover: 60),
        .init(cycle: .quarter),
        .init(cycle: .total, thresholds: [100]),
        .init(cycle: .request),
        .init(cycle: .day, model: "sim/oth*", thresholds: [1, 99]),
        .init(cycle: .week, tag: "blue", weekStart: 3),
        .init(scope: .team, cycle: .month),
        .init(scope: .team, cycle: .request, model: "sim/general"),
        .init(scope: .key, cycle: .day, thresholds: [90]),
        .init(unit: .requests, cycle: .minute),
        .init(scope: .key, unit: .tokens, cycle: .minute),
        .init(scope: .team, unit: .parallel, cycle: .total),
        .init(unit: .tokens, cycle: .minute, model: "sim/other"),
    ]

    private static func limit(_ budget: PlainLedger.Budget, _ random: inout SplitMix64) -> Int64 {
        let isTight = random.unit() < 0.15
        if budget.unit == .usd || budget.unit == .tokens {
            return Int64(random.integer(in: isTight ? 0...200 : 200...2000))
        }
        return Int64(random.integer(in: isTight ? 0...3 : 3...20))
    }

    private func call(_ random: inout SplitMix64) -> PlainLedger.Call {
        PlainLedger.Call(
            request: random.integer(in: 0...5), key: random.integer(in: 0...1),
            model: "sim/\(random.pick(Self.models) ?? "general")", tags: random.unit() < 0.5 ? ["blue", "x"] : [],
            amount: Int64(random.integer(in: 0...120)), tokens: Int64(random.integer(in: 0...90)))
    }

    private func end(_ random: inout SplitMix64) -> LedgerOperation.End {
        LedgerOperation.End(
            hold: random.integer(in: 0...30),
            outcome: random.pick([.completed, .completed, .estimated, .failed]) ?? .completed,
            percent: Int64(random.pick([0, 30, 70, 100, 130]) ?? 100),
            usedPercent: Int64(random.pick([10, 100, 150]) ?? 100))
    }

    private func operation(_ random: inout SplitMix64) -> LedgerOperation {
        let gateway = random.integer(in: 0...(Self.gateways - 1))
        let budget = random.integer(in: 0...20)
        switch random.integer(in: 0...39) {
        case 0...9: return .reserve(gateway: gateway, call(&random))
        case 10...15: return .settle(gateway: gateway, end(&random))
        case 16...22:
            let ends = (0..<random.integer(in: 0...3)).map { _ in end(&random) }
            let calls = (0..<random.integer(in: 0...4)).map { _ in call(&random) }
            return .batch(gateway: gateway, ends, calls, isExact: random.unit() < 0.3)
        case 23, 24: return .again(hold: random.integer(in: 0...30))
        case 25: return .abandon(gateway: gateway, hold: random.unit() < 0.5 ? nil : random.integer(in: 0...30))
        case 26: return .crash(gateway: gateway)
        case 27, 28: return .setLimit(budget: budget, Int64(random.integer(in: 0...900)))
        case 29: return .topUp(budget: budget, Int64(random.integer(in: 1...100)))
        case 30:
            return .override(
                budget: budget, afterDays: random.integer(in: -2...3), days: random.integer(in: 1...40),
                Int64(random.integer(in: 0...300)))
        case 31: return .remove(budget: budget)
        case 32: return .suspendKey(random.integer(in: 0...1), random.unit() < 0.4)
        case 33: return .suspendTenant(random.unit() < 0.2)
        case 34: return .wait(seconds: -Double(random.integer(in: 1...90_000)))
        case 35, 36: return .wait(seconds: Double(random.integer(in: 1...90)))
        case 37: return .wait(seconds: Double(random.integer(in: 0...(40 * 86_400))))
        default: return .wait(seconds: Double(random.integer(in: 0...(40 * 3600))))
        }
    }
}
