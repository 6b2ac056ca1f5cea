internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Router

/// A budget of a tenant's.
struct BudgetRow: Sendable {
    /// Words with an amount between them.
    struct Note: Sendable {
        var before = ""
        var amount: ConsoleAmount?
        var after = ""
    }

    let scope: String
    let period: String
    let limit: ConsoleAmount
    let settled: ConsoleAmount
    let held: ConsoleAmount
    let left: ConsoleAmount
    /// Nil: a ceiling of single requests, which is never used up.
    let bar: ConsoleBar?
    let resets: ConsoleInstant
    let over: ConsoleAmount?
    let notes: [Note]

    init(_ budget: BudgetInfo, _ zone: ConsoleZone) {
        let (state, isCeiling) = (budget.state, budget.window == .request)
        // A budget of its own zone ends at that zone's midnight; shown is the tenant's time all the same.
        scope = state.scope
        period = isCeiling ? "each request" : state.period
        limit = ConsoleAmount(budget.periodLimit)
        settled = ConsoleAmount(isCeiling ? nil : state.settled)
        held = ConsoleAmount(isCeiling ? nil : state.held)
        let rest = budget.periodLimit.subtracting(state.settled)?.subtracting(state.held) ?? .zero
        left = ConsoleAmount(isCeiling ? nil : max(.zero, rest))
        bar =
            isCeiling ? nil : ConsoleBar(settled: state.settled, held: state.held, limit: budget.periodLimit)
        resets = ConsoleInstant(state.resetsAt, zone)
        over = budget.overBy > .zero ? ConsoleAmount(budget.overBy) : nil
        notes = Self.notes(budget)
    }

    private static func notes(_ budget: BudgetInfo) -> [Note] {
        func percent(_ number: Int) -> String { ConsoleText.percent("\(number)") }
        var notes: [Note] = []
        if budget.periodLimit != budget.limit {
            notes.append(Note(before: "set to ", amount: ConsoleAmount(budget.limit)))
        }
        if budget.topUp != .zero { notes.append(Note(amount: ConsoleAmount(budget.topUp), after: " added")) }
        if budget.carried != .zero { notes.append(Note(amount: ConsoleAmount(budget.carried), after: " carried over")) }
        if let most = budget.rolloverUpTo {
            notes.append(Note(before: "passes on up to ", amount: ConsoleAmount(most)))
        }
        if !budget.alertAt.isEmpty {
            notes.append(Note(before: "alerts at \(budget.alertAt.map { percent($0) }.joined(separator: ", "))"))
        }
        if budget.alerted > 0 { notes.append(Note(before: "alerted at \(percent(budget.alerted))")) }
        if let zone = budget.timeZone { notes.append(Note(before: "days of \(zone)")) }
        return notes
    }
}

/// A rate limit of a tenant's.
struct LimitRow: Sendable {
    let scope: String
    let traffic: String
    let unit: String
    let limit: String
    let used: String
    let resets: ConsoleInstant

    init(_ info: LimitInfo, _ zone: ConsoleZone) {
        scope = info.scope
        traffic = info.traffic.rawValue
        unit =
            switch info.unit {
            case .requests: "requests a minute"
            case .tokens: "tokens a minute"
            case .parallel: "calls in parallel"
            }
        limit = ConsoleText.grouped(info.limit)
        // Each gateway counts local traffic for itself.
        used = info.traffic == .local ? "by each gateway" : ConsoleText.grouped(info.used)
        resets = ConsoleInstant(info.resetsAt, zone)
    }
}

/// A key of a tenant's; never its secret.
struct KeyRow: Sendable {
    let id: String
    let name: String
    let team: String
    let prefix: String
    let created: ConsoleInstant
    let expires: ConsoleInstant
    let state: String
    let level: String
    let models: String

    init(_ key: KeyInfo, _ zone: ConsoleZone, now: Date) {
        id = String(key.id)
        name = key.name
        team = key.team ?? ""
        prefix = "\(key.prefix)…"
        created = ConsoleInstant(key.createdAt, zone)
        expires = ConsoleInstant(key.expiresAt, zone)
        let shown: (state: String, level: String)
        if key.revokedAt != nil {
            shown = ("revoked", "muted")
        } else if let end = key.expiresAt, end <= now {
            shown = ("expired", "muted")
        } else if key.suspendedAt != nil {
            shown = ("suspended", "warn")
        } else {
            shown = ("active", "ok")
        }
        state = shown.state
        level = shown.level
        models = key.models?.joined(separator: ", ") ?? "any"
    }
}

/// A route of a tenant's, and what its router makes of money.
struct RouteRow: Sendable {
    let name: String
    let strategy: String
    let slm: String
    let prm: String
    let llm: String
    let target: String
    let lambda: String
    let learned: String
    let value: String
    let isHome: Bool

    init(_ route: RouteRecord, state text: String?) {
        let settings = route.settings
        name = route.name
        strategy = settings.strategy.rawValue
        slm = route.slm.isEmpty ? ConsoleText.none : route.slm
        prm = route.prm ?? ConsoleText.none
        llm = route.llm.description
        target = settings.target == .floor ? "quality \(settings.qualityFloor)" : settings.target.rawValue
        value = ConsoleText.number(settings.valueUSD)
        isHome = settings.escalationForbidden
        let state = Self.state(text, of: route)
        if settings.strategy == .direct {
            (lambda, learned) = (ConsoleText.none, "decides nothing")
        } else if settings.target == .price {
            (lambda, learned) = (ConsoleText.number(settings.shadowPrice), "fixed")
        } else if let state {
            lambda = ConsoleText.number(state.shadowPrice(settings: settings))
            learned = "learned from \(ConsoleText.grouped(Int64(state.updates)))"
        } else {
            (lambda, learned) = (ConsoleText.none, "nothing learned yet")
        }
    }

    /// What gateways decide by; nil: nothing, or what was learned of another LLM or strategy.
    private static func state(_ text: String?, of route: RouteRecord) -> RouterState? {
        guard let text,
            let stored = try? JSONDecoder().decode(RouterLearning.Stored.self, from: Data(text.utf8)),
            stored.llm == "\(route.llm)", stored.strategy == route.settings.strategy
        else { return nil }
        return stored.router
    }
}

/// A local model of a tenant's, and where it is in this gateway.
struct ModelRow: Sendable {
    let name: String
    let kind: String
    let base: String
    let isPinned: Bool
    let state: String
    let level: String
    let bytes: String
    let use: String
    let why: String?
    let sha256: String
    let shortSHA256: String

    init(_ model: ModelRecord, _ place: ModelPlace) {
        name = model.name
        kind = model.rewardKind.map { "\(model.kind.rawValue), \($0.rawValue)" } ?? model.kind.rawValue
        base = model.base ?? ConsoleText.none
        isPinned = model.isPinned
        state = place.phase.rawValue
        level = place.phase.level
        bytes = ConsoleText.bytes(place.bytes)
        use = place.phase == .resident ? "\(place.inUse) in use, \(place.waiting) waiting" : ConsoleText.none
        why = place.why
        sha256 = model.sha256
        shortSHA256 = ConsoleText.short(model.sha256)
    }
}
