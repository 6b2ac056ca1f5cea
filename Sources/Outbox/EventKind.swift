/// What can be told of. The names are public: destinations choose by them, receivers tell events apart by them.
package enum EventKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// A budget has reached a percentage of its limit; once a period and limit.
    case budgetThreshold = "budget.threshold"
    /// A paid call was refused: a budget is used up (once a budget, period and limit), a rate limit is (once a limit
    /// and day), or there is no price or no budget for it (once a tenant and day).
    case escalationRefused = "escalation.refused"
    /// A dead gateway's call was posted in full, its charge unknown; the first of a tenant's in a minute.
    case holdsUnreconciled = "holds.unreconciled"
    /// A provider failed so often that it is left alone. The operator's.
    case providerDown = "provider.down"
    /// It answers again. The operator's.
    case providerUp = "provider.up"
    /// Records wait too long to be sealed. The operator's.
    case auditLag = "audit.lag"
    /// They are sealed again. The operator's.
    case auditSealed = "audit.sealed"
    /// What was charged: an event for every ledger entry.
    case usage
    /// Sent by `gboost destination test`, whatever a destination wants.
    case test

    /// What a destination may ask for.
    package static let choosable = allCases.filter { $0 != .test }
    /// What a destination gets that does not say: what a person wants to hear of.
    package static let notices = choosable.filter { $0 != .usage }
    /// What only the operator's destinations may ask for: it says how the whole deployment fares.
    package static let operatorOnly: Set<EventKind> = [.providerDown, .providerUp, .auditLag, .auditSealed]
}
