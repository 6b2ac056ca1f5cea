package import Foundation

/// Why a paid call was not made.
package enum RefusalReason: String, Hashable, Sendable, Codable {
    /// A budget has not enough left.
    case budget
    /// No budget counts the call, so nothing may be spent.
    case noBudget = "no_budget"
    /// The request's own bound on its cost.
    case ceiling = "request_ceiling"
    /// A limit of calls or tokens.
    case rateLimit = "rate_limit"
    /// Key revoked or expired, or tenant suspended, since the request came.
    case caller
    case priceUnknown = "price_unknown"
    case ledgerUnavailable = "ledger_unavailable"
    /// The provider is not asked while its breaker is open. A call that broke is no refusal: it had a hold.
    case providerUnavailable = "provider_unavailable"
    /// The provider's format has no word for what the request asks.
    case notTranslatable = "not_translatable"
}

/// A paid call that was wanted and not made: recorded with its request, sealed as escalations are.
package struct RefusedCall: Hashable, Sendable, Codable {
    package var step: Int16
    package var attempt: Int16
    package var at: Date
    package var model: ModelReference
    package var reason: RefusalReason
    /// Of several budgets or limits the one that refused it, e.g. "team:research month:2026-11" or "key:17 requests";
    /// nil: not known, or it was none of them.
    package var refusedBy: String?
    /// Version of the price; nil: not known.
    package var priceID: Int64?
    /// The highest cost of the call, for which there was no hold; nil: not known.
    package var wanted: NanoUSD?
    /// How many more of the same request are not listed.
    package var more = 0
    /// The decision that wanted it.
    package var escalation: EscalationRecord
    package init(
        step: Int16, attempt: Int16 = 0, at: Date, model: ModelReference, reason: RefusalReason,
        escalation: EscalationRecord
    ) {
        self.step = step
        self.attempt = attempt
        self.at = at
        self.model = model
        self.reason = reason
        self.escalation = escalation
    }
}
