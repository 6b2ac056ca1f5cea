internal import FoundationEssentials
internal import GatewayCore
internal import Ledger

/// A tenant, team or key whose limits LiteLLM's fields set and show.
struct LiteLLMScope: Sendable {
    var tenant: String
    var scope: BudgetScope

    /// Budget, alert and rate limits; a field that is not given stays as it is.
    /// - Returns: what is not as LiteLLM does it.
    @discardableResult
    func set(_ limits: LiteLLMLimits, by store: AdminStore) async throws -> [LiteLLMRecord.Failure] {
        var remarks: [LiteLLMRecord.Failure] = []
        // Several that change one after the other are locked in an order of their own: calls would deadlock with them.
        let budgets = limits.maxBudget == nil ? 0 : limits.namesWindow ? 2 : 1
        if budgets + limits.rates.count > 1 { try await store.lockBudgets(of: [tenant]) }
        if let limit = limits.maxBudget { remarks = try await setBudget(limit, limits, by: store) }
        for (unit, limit) in limits.rates {
            _ = try await store.setLimit(LimitDraft(tenant: tenant, scope: scope, unit: unit, limit: limit))
        }
        return remarks
    }

    private func setBudget(
        _ limit: NanoUSD, _ limits: LiteLLMLimits, by store: AdminStore
    ) async throws -> [LiteLLMRecord.Failure] {
        var remarks: [LiteLLMRecord.Failure] = []
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
                let removed = try await store.removeBudget(
                    BudgetDraft(tenant: tenant, scope: scope, window: budget.window, limit: .zero))
                // A budget of another window is another budget, whose limit LiteLLM would not give anew.
                guard removed.state.settled > .zero else { continue }
                remarks.append(
                    LiteLLMRecord.Failure(
                        field: "budget_duration",
                        message: "the \(window.rawValue) budget takes the place of the \(removed.window.rawValue) one "
                            + "and does not count what was spent in that one's period: "
                            + "\(removed.state.settled.usdString) USD"))
            }
        }
        _ = try await store.setBudget(draft)
        return remarks
    }

    /// What is set now, and the budget's period.
    func read(_ store: AdminStore) async throws -> (limits: LiteLLMLimits, budget: BudgetInfo?) {
        let owner = try await owner(store)
        return try await LiteLLMBooks(store, tenant: tenant, of: [owner]).of(owner)
    }

    private func budgets(_ store: AdminStore) async throws -> [BudgetInfo] {
        let owner = try await owner(store)
        return LiteLLMBooks.plain(try await store.budgets(tenant: tenant, of: [owner]), of: owner)
    }

    private func owner(_ store: AdminStore) async throws -> BudgetOwner {
        switch scope {
        case .tenant: .tenant
        case .key(let id): .key(id)
        case .team(let name): .team(try await store.team(named: name, tenant: tenant).id)
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
