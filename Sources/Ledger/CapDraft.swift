internal import GatewayCore

/// A budget or a rate limit that is set or taken away: calls are tested against both at once, in one order.
package enum CapDraft: Sendable {
    case budget(BudgetDraft)
    case limit(LimitDraft)
}

extension CapDraft {
    var tenant: String {
        switch self {
        case .budget(let draft): draft.tenant
        case .limit(let draft): draft.tenant
        }
    }

    var scope: BudgetScope {
        switch self {
        case .budget(let draft): draft.scope
        case .limit(let draft): draft.scope
        }
    }

    /// What the field is named by which drafts of its kind are told from one another.
    var field: String {
        switch self {
        case .budget: "budget"
        case .limit: "limit"
        }
    }

    /// Counted by each gateway for itself: no row of budgets.
    var isLocal: Bool {
        if case .limit(let draft) = self { draft.traffic == .local } else { false }
    }

    /// In nano-dollars, or in what a limit counts.
    var limit: Int64 {
        switch self {
        case .budget(let draft): draft.limit.rawValue
        case .limit(let draft): draft.limit
        }
    }

    func check() throws(LedgerError) {
        switch self {
        case .budget(let draft): try draft.check()
        case .limit(let draft): try draft.check()
        }
    }
}

/// What a draft has become, or what it took away.
package enum CapInfo: Sendable {
    case budget(BudgetInfo)
    case limit(LimitInfo)

    var scope: String {
        switch self {
        case .budget(let info): info.state.scope
        case .limit(let info): info.scope
        }
    }

    /// As events have it.
    func json() throws -> String {
        switch self {
        case .budget(let info): try LedgerJSON.text(info)
        case .limit(let info): try LedgerJSON.text(info)
        }
    }
}

extension BudgetDraft {
    func check() throws(LedgerError) {
        guard limit >= .zero else { throw LedgerError(.invalid, field: "limit-usd", "is negative") }
        for percent in alertAt ?? [] where !(1...100).contains(percent) {
            throw LedgerError(.invalid, field: "alert-at", "\(percent) is not a percentage from 1 to 100")
        }
        guard alertAt?.count ?? 0 <= 20 else {
            throw LedgerError(.invalid, field: "alert-at", "more than 20 thresholds")
        }
        try Self.check(model: model, tag: tag)
        if let day = weekStart, !(1...7).contains(day) {
            throw LedgerError(.invalid, field: "week-start", "\(day) is not a day from 1 (Monday) to 7 (Sunday)")
        }
        switch rollover {
        case .upTo(let limit) where limit < .zero:
            throw LedgerError(.invalid, field: "rollover-usd", "is negative")
        case .upTo where window == .total || window == .request:
            throw LedgerError(.invalid, field: "rollover-usd", "a \(window.rawValue) budget has no next period")
        default: break
        }
    }

    /// What a budget or a limit applies to.
    static func check(model: String?, tag: String?) throws(LedgerError) {
        if let model, !ModelPattern.isValid(model) {
            throw LedgerError(.invalid, field: "model", "\(model) is not a pattern like openai/gpt-4*")
        }
        if let tag, !RequestTag.isValid(tag) {
            throw LedgerError(.invalid, field: "tag", "use up to 63 letters, digits and . _ : -")
        }
    }
}

extension LimitDraft {
    func check() throws(LedgerError) {
        let field = unit == .parallel ? "parallel" : "\(unit.rawValue)-per-minute"
        guard limit >= 0 else { throw LedgerError(.invalid, field: field, "is negative") }
        guard traffic == .paid || model == nil && tag == nil else {
            throw LedgerError(
                .invalid, field: model == nil ? "tag" : "model",
                "a limit of local traffic is for a tenant, a team or a key as a whole")
        }
        try BudgetDraft.check(model: model, tag: tag)
    }
}
