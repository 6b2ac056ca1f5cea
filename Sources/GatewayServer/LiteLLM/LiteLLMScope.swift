internal import FoundationEssentials
internal import GatewayCore
internal import Ledger

/// A tenant, team or key whose limits LiteLLM's fields set and show.
struct LiteLLMScope: Sendable {
    var tenant: String
    var scope: BudgetScope

    /// Budget, alert and rate limits; a field that is not given stays as it is.
    func set(_ limits: LiteLLMLimits, by store: AdminStore) async throws {
        // Several that change one after the other are locked in an order of their own: calls would deadlock with them.
        let budgets = limits.maxBudget == nil ? 0 : limits.namesWindow ? 2 : 1
        if budgets + limits.rates.count > 1 { try await store.lockBudgets(of: [tenant]) }
        if let limit = limits.maxBudget { try await setBudget(limit, limits, by: store) }
        for (unit, limit) in limits.rates {
            _ = try await store.setLimit(LimitDraft(tenant: tenant, scope: scope, unit: unit, limit: limit))
        }
    }

    private func setBudget(_ limit: NanoUSD, _ limits: LiteLLMLimits, by store: AdminStore) async throws {
        let known = try await budgets(store)
        let window = limits.namesWindow ? limits.window : known.first?.window ?? limits.window
        var draft = BudgetDraft(tenant: tenant, scope: scope, window: window, limit: limit)
        draft.alertAt = limits.alertAt.map { [$0] }
        if limits.namesWindow {
            // LiteLLM knows one budget of each: another window takes its place, and all else of it stays.
            if let old = known.first, !known.contains(where: { $0.window == window }) {
                draft.alertAt = draft.alertAt ?? old.alertAt
                (draft.timeZone, draft.weekStart) = (old.timeZone, old.weekStart)
                // What never ends has no next period to pass anything on to.
                draft.rollover = window == .total ? nil : old.rolloverUpTo.map { BudgetRollover.upTo($0) }
            }
            for budget in known where budget.window != window {
                _ = try await store.removeBudget(
                    BudgetDraft(tenant: tenant, scope: scope, window: budget.window, limit: .zero))
            }
        }
        _ = try await store.setBudget(draft)
    }

    /// What is set now, and the budget's period.
    func read(_ store: AdminStore) async throws -> (limits: LiteLLMLimits, budget: BudgetInfo?) {
        var limits = LiteLLMLimits()
        let budget = try await budgets(store).first
        if let budget { (limits.maxBudget, limits.window) = (budget.limit, budget.window) }
        let (team, key) = try await numbers(store)
        for limit in try await store.limits(tenant: tenant)
        where limit.teamID == team && limit.keyID == key && limit.model == nil && limit.tag == nil
            && limit.traffic == .paid
        {
            switch limit.unit {
            case .requests: limits.requestsPerMinute = limit.limit
            case .tokens: limits.tokensPerMinute = limit.limit
            case .parallel: limits.parallel = limit.limit
            }
        }
        return (limits, budget)
    }

    private func budgets(_ store: AdminStore) async throws -> [BudgetInfo] {
        let (team, key) = try await numbers(store)
        return try await store.budgets(tenant: tenant).filter {
            $0.teamID == team && $0.keyID == key && $0.model == nil && $0.tag == nil && $0.window != .request
        }
    }

    private func numbers(_ store: AdminStore) async throws -> (team: Int64?, key: Int64?) {
        switch scope {
        case .tenant: return (nil, nil)
        case .key(let id): return (nil, id)
        case .team(let name):
            guard let team = try await store.teams(tenant: tenant).first(where: { $0.name == name }) else {
                throw LedgerError(.notFound, field: "team_id", "\(tenant) has no team \(name)")
            }
            return (team.id, nil)
        }
    }
}

/// "30d", "12h", "-1" and the like, as LiteLLM writes how long a key is good for.
enum LiteLLMDuration {
    private static let longest = 100 * 366 * 86_400

    /// When it ends; nil: never.
    static func end(_ text: String, from now: Date) throws(LiteLLMRecord.Failure) -> Date? {
        if text == "-1" { return nil }
        let digits = text.prefix { ("0"..."9").contains($0) }
        let units = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 2_592_000]
        guard let count = Int(digits), count > 0, let unit = units[String(text.dropFirst(digits.count))],
            count <= longest / unit
        else { throw LiteLLMRecord.Failure(field: "duration", message: "'\(text.prefix(40))' is not one like 30d") }
        return now.addingTimeInterval(Double(count * unit))
    }
}
