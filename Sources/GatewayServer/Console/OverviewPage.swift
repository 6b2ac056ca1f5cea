internal import Foundation
internal import GatewayCore
internal import Ledger

/// All tenants in their months, and how this gateway is.
struct OverviewPage: Sendable {
    /// Of one page. Its sums are of these alone: few have more.
    static let maxTenants = 1000
    /// Of deleted ones.
    static let maxDeleted = 20

    struct Row: Sendable {
        let name: String
        let href: String
        let isSuspended: Bool
        let limit: ConsoleAmount
        let settled: ConsoleAmount
        let held: ConsoleAmount
        let left: ConsoleAmount
        /// Nil: no monthly budget.
        let bar: ConsoleBar?
        let pace: String
        let level: String
        let shares: String
        let runsOut: ConsoleInstant?
        let forecast: ConsoleAmount
    }

    /// A tenant that is deleted: what it spent is in no sum above.
    struct Deleted: Sendable {
        let name: String
        let href: String
        let settled: ConsoleAmount
    }

    let rows: [Row]
    let hasDeleted: Bool
    let deleted: [Deleted]
    let deletedCount: String
    let deletedSettled: ConsoleAmount
    let count: String
    /// Whether there are tenants on other pages, which are in no sum here.
    let isPart: Bool
    /// Nil: these are the first by name.
    let first: String?
    /// Nil: these are the last by name.
    let next: String?
    let limit: ConsoleAmount
    let settled: ConsoleAmount
    let held: ConsoleAmount
    let forecast: ConsoleAmount
    /// Tenants whose money does not last, as things go.
    let inTrouble: Int
    let gateway: GatewayCondition
    let at: ConsoleInstant

    /// - Parameters:
    ///   - all: one more than are shown where there are more of them.
    ///   - gone: those that are deleted, the latest first; likewise.
    ///   - isFirst: whether no page comes before.
    init(
        _ all: [TenantMonth], deleted gone: [TenantMonth] = [], isFirst: Bool = true, gateway: GatewayCondition,
        now: Date
    ) {
        let months = all.prefix(Self.maxTenants)
        let paces = months.map { month in
            MonthPace(
                settled: month.settled, limit: month.limit, from: month.from, until: month.until, now: now)
        }
        rows = zip(months, paces).map { Row($0, $1) }
        let lately = gone.prefix(Self.maxDeleted)
        hasDeleted = !lately.isEmpty
        deleted = lately.map { month in
            Deleted(
                name: month.tenant.name, href: ConsoleLink.tenant(month.tenant.reference),
                settled: ConsoleAmount(month.settled))
        }
        deletedCount = gone.count > lately.count ? "the \(lately.count) latest" : "\(lately.count)"
        deletedSettled = ConsoleAmount(Self.sum(lately.map(\.settled)))
        count = ConsoleText.grouped(Int64(months.count))
        first = isFirst ? nil : ConsoleLink.root
        next = all.count > months.count ? months.last.map { "\(ConsoleLink.root)?after=\($0.tenant.id)" } : nil
        isPart = first != nil || next != nil
        limit = ConsoleAmount(Self.sum(months.compactMap(\.limit)))
        settled = ConsoleAmount(Self.sum(months.map(\.settled)))
        held = ConsoleAmount(Self.sum(months.map(\.held)))
        // Of a month that is too young what is spent already is the least that it will be.
        let isForetold = paces.contains { $0.forecast != nil }
        forecast = ConsoleAmount(
            isForetold ? Self.sum(zip(months, paces).map { $1.forecast ?? $0.settled }) : nil)
        // Who may spend nothing, and has not, is in no trouble.
        inTrouble = zip(months, paces).count(where: { month, pace in
            let mattersNot = month.limit == NanoUSD.zero && month.settled <= .zero
            return pace.verdict == .ahead || pace.verdict == .usedUp && !mattersNot
        })
        self.gateway = gateway
        at = ConsoleInstant(now, .utc)
    }

    /// Nil where it does not fit.
    static func sum(_ amounts: [NanoUSD]) -> NanoUSD? {
        Int64(exactly: amounts.reduce(Int128(0)) { $0 + Int128($1.rawValue) }).map { NanoUSD($0) }
    }
}

extension OverviewPage.Row {
    init(_ month: TenantMonth, _ pace: MonthPace) {
        name = month.tenant.name
        href = ConsoleLink.tenant(month.tenant.name)
        isSuspended = month.tenant.suspendedAt != nil
        limit = ConsoleAmount(month.limit)
        settled = ConsoleAmount(month.settled)
        held = ConsoleAmount(month.held)
        left = ConsoleAmount(month.left)
        bar = month.limit.map {
            ConsoleBar(settled: month.settled, held: month.held, limit: $0, elapsed: pace.elapsed)
        }
        self.pace = pace.text.words
        level = pace.text.level
        shares = pace.shares
        runsOut = pace.runsOutAt.map { ConsoleInstant($0, ConsoleZone(month.tenant.timeZone)) }
        forecast = ConsoleAmount(pace.forecast)
    }
}

extension TenantMonth {
    /// What may still be spent; nil: there is no monthly budget.
    var left: NanoUSD? {
        limit.map { max(.zero, $0.subtracting(settled)?.subtracting(held) ?? .zero) }
    }
}

/// How this gateway is: what it lacks, its providers, its local models in memory.
struct GatewayCondition: Sendable {
    /// More are not listed.
    static let maxModels = 200

    struct Line: Sendable {
        let name: String
        let state: String
        let level: String
    }

    struct Model: Sendable {
        let name: String
        let kind: String
        let state: String
        let level: String
        let bytes: String
        let use: String
        let why: String?
    }

    let state: String
    let level: String
    let missing: [String]
    let running: String
    let providers: [Line]
    let models: [Model]
    let resident: String

    /// - Parameters:
    ///   - providers: configured, by name; a breaker there is only of what was asked.
    ///   - models: with where they are, and their tenant's name.
    init(
        missing: [String], isDraining: Bool, running: Int, providers: [String: CircuitBreaker.State?],
        models: [(record: ModelRecord, tenant: String, place: ModelPlace)]
    ) {
        self.missing = missing + (isDraining ? ["draining"] : [])
        state = self.missing.isEmpty ? "ready" : "not ready"
        level = self.missing.isEmpty ? "ok" : "bad"
        self.running = ConsoleText.grouped(Int64(running))
        self.providers = providers.sorted { $0.key < $1.key }.map { Line(name: $0.key, breaker: $0.value) }
        let here = models.filter { $0.place.phase != .absent && $0.place.phase != .elsewhere }
        self.models = here.prefix(Self.maxModels).map { Model($0.record, tenant: $0.tenant, $0.place) }
        resident = ConsoleText.bytes(
            here.filter { $0.place.phase == .resident }.reduce(0) { $0 &+ $1.place.bytes })
    }
}

extension GatewayCondition.Line {
    init(name: String, breaker: CircuitBreaker.State?) {
        self.name = name
        let shown: (state: String, level: String) =
            switch breaker {
            case nil: ("not asked yet", "muted")
            case .closed: ("answering", "ok")
            case .halfOpen: ("on trial", "warn")
            case .open: ("left alone", "bad")
            }
        state = shown.state
        level = shown.level
    }
}

extension GatewayCondition.Model {
    init(_ record: ModelRecord, tenant: String, _ place: ModelPlace) {
        name = tenant.isEmpty ? record.name : "\(tenant) / \(record.name)"
        kind = record.kind.rawValue
        state = place.phase.rawValue
        level = place.phase.level
        bytes = ConsoleText.bytes(place.bytes)
        use = place.waiting > 0 ? "\(place.inUse) in use, \(place.waiting) waiting" : "\(place.inUse) in use"
        why = place.why
    }
}

extension ModelPlace.Phase {
    /// The class that colours it.
    var level: String {
        switch self {
        case .resident: "ok"
        case .failed: "bad"
        case .waiting, .loading, .unloading: "warn"
        case .absent, .elsewhere: "muted"
        }
    }
}
