package import Foundation

/// Names one paid call: the hold's primary key.
package struct HoldID: Hashable, Sendable, Codable, CustomStringConvertible {
    /// UUIDv7 of the request, also its `x-gboost-request-id`.
    package var request: UUID
    /// Step of the answer that the call writes; 0 for a direct call.
    package var step: Int16
    /// Every retry of a call is an attempt with a hold of its own.
    package var attempt: Int16
    package init(request: UUID, step: Int16, attempt: Int16) {
        self.request = request
        self.step = step
        self.attempt = attempt
    }
    package var description: String { "\(request.text)/\(step)/\(attempt)" }
}

/// A request for a hold: everything that decides about it.
package struct Reservation: Hashable, Sendable {
    package var id: HoldID
    package var caller: Caller
    /// Name of the boosted route; nil for a direct call.
    package var route: String?
    package var model: ModelReference
    package var priceID: Int64
    /// The highest possible cost of the call.
    package var amount: NanoUSD
    /// The most tokens that it may use, input and output: for limits of tokens per minute.
    package var tokens: Int64
    /// The request's tags, each valid by `RequestTag`.
    package var tags: [String]
    package init(
        id: HoldID, caller: Caller, route: String?, model: ModelReference, priceID: Int64, amount: NanoUSD,
        tokens: Int64 = 0, tags: [String] = []
    ) {
        self.id = id
        self.caller = caller
        self.route = route
        self.model = model
        self.priceID = priceID
        self.amount = amount
        self.tokens = tokens
        self.tags = tags
    }
}

/// The state of one budget in one period, as of a reservation or a report.
package struct BudgetState: Hashable, Sendable, Codable {
    /// E.g. "tenant:acme", "team:research", "key:17".
    package var scope: String
    /// E.g. "month:2026-11".
    package var period: String
    package var limit: NanoUSD
    package var settled: NanoUSD
    package var held: NanoUSD
    /// When the next period opens; nil for budgets without an end.
    package var resetsAt: Date?
    /// What a call that it refused would have held at least; nil where no call was refused.
    package var needed: NanoUSD?
    /// The period's row, where a call was tested against it.
    package var periodID: Int64?
    package init(
        scope: String, period: String, limit: NanoUSD, settled: NanoUSD, held: NanoUSD, resetsAt: Date?
    ) {
        self.scope = scope
        self.period = period
        self.limit = limit
        self.settled = settled
        self.held = held
        self.resetsAt = resetsAt
    }
    package var remaining: NanoUSD { limit.subtracting(settled)?.subtracting(held) ?? .zero }
    /// Scope and period, e.g. "tenant:acme month:2026-11".
    package var name: String { "\(scope) \(period)" }

    /// The same, as it refuses a call that would hold so much.
    package func refusing(_ needed: NanoUSD?) -> BudgetState {
        var state = self
        state.needed = needed
        return state
    }
}

/// What a rate limit counts.
package enum LimitUnit: String, Hashable, Sendable, Codable { case requests, tokens, parallel }

/// A rate limit in its current minute, or of calls in parallel.
package struct LimitState: Hashable, Sendable, Codable {
    package var unit: LimitUnit
    /// E.g. "tenant:acme", "team:research", "key:17".
    package var scope: String
    package var limit: Int64
    /// Of that, used up or held by calls under way.
    package var used: Int64
    /// When the next minute begins; nil for parallel calls, which end when they end.
    package var resetsAt: Date?
    /// What the call that it refused would have taken up; nil where that is not known.
    package var needed: Int64?
    package init(unit: LimitUnit, scope: String, limit: Int64, used: Int64, resetsAt: Date?, needed: Int64? = nil) {
        self.unit = unit
        self.scope = scope
        self.limit = limit
        self.used = used
        self.resetsAt = resetsAt
        self.needed = needed
    }
}

/// What became of a reservation. When it was granted the hold is committed, in state `dispatched`.
package enum ReservationOutcome: Hashable, Sendable {
    /// `tightest` is the applying budget with the least left, after this hold.
    case granted(tightest: BudgetState)
    /// The budget that it does not fit; `remaining` of it is what a smaller call could hold.
    case refused(BudgetState)
    /// A rate limit that it does not fit; it may be tried again later.
    case limited(LimitState)
    /// A tenant without any budget for this call: nothing may be spent.
    case noBudget
    /// Key revoked, expired, or tenant suspended since the snapshot.
    case callerRejected
    /// The price is not, or no longer, in force for this model.
    case priceUnknown
}

/// How a paid call ended.
package enum CallOutcome: String, Hashable, Sendable, Codable {
    /// The provider reported usage; the charge is exact.
    case completed
    /// No usage to be had: the whole hold is posted.
    case estimated
    /// The provider charged nothing: it was never reached, or it refused the call. Posts zero.
    case failed
}

/// Which kind of paid call an escalation record is about.
package enum EscalationKind: String, Hashable, Sendable, Codable { case step, rest, direct }

/// Why a paid call was made, for the audit. The ledger adds caller, hold, cost and sequence number.
package struct EscalationRecord: Hashable, Sendable, Codable {
    package var kind: EscalationKind
    /// Reward of the step that was not good enough; nil where nothing was scored.
    package var rewardRaw: Double?
    package var rewardCalibrated: Double?
    package var shadowPrice: Double?
    /// Every action with its gain, cost and utility, and why the chosen one was: see `Router.Decision`.
    package var actions: [ActionEstimate]
    package var reason: String
    /// What could not be chosen, by action, and why.
    package var excluded: [String: String]?
    /// What was left of the tightest budget, and of the request's own bound, when it was decided.
    package var remaining: NanoUSD?
    /// The SLM's file, and that of the adapter on it.
    package var slmSHA256: String?
    package var adapterSHA256: String?
    /// The PRM's file. Where the PRM is a head: that of the model below it, and the head's.
    package var prmSHA256: String?
    package var headSHA256: String?
    /// Keyed hashes (hex) of prompt and answer; texts are not kept.
    package var promptHash: String?
    package var answerHash: String?
    package init(
        kind: EscalationKind, rewardRaw: Double? = nil, rewardCalibrated: Double? = nil, shadowPrice: Double? = nil,
        actions: [ActionEstimate] = [], reason: String, slmSHA256: String? = nil, prmSHA256: String? = nil,
        promptHash: String? = nil, answerHash: String? = nil
    ) {
        self.kind = kind
        self.rewardRaw = rewardRaw
        self.rewardCalibrated = rewardCalibrated
        self.shadowPrice = shadowPrice
        self.actions = actions
        self.reason = reason
        self.slmSHA256 = slmSHA256
        self.prmSHA256 = prmSHA256
        self.promptHash = promptHash
        self.answerHash = answerHash
    }
}

/// The end of a paid call, posted exactly once with its ledger entry and its escalation record.
package struct Settlement: Hashable, Sendable, Codable {
    package var id: HoldID
    package var outcome: CallOutcome
    /// The charge; ignored (whole hold) for `.estimated`, zero for `.failed`.
    package var amount: NanoUSD
    package var usage: TokenUsage?
    package var providerRequestID: String?
    package var escalation: EscalationRecord
    package init(
        id: HoldID, outcome: CallOutcome, amount: NanoUSD, usage: TokenUsage?, providerRequestID: String?,
        escalation: EscalationRecord
    ) {
        self.id = id
        self.outcome = outcome
        self.amount = amount
        self.usage = usage
        self.providerRequestID = providerRequestID
        self.escalation = escalation
    }
}

/// Which models answered.
package enum ServedBy: String, Hashable, Sendable, Codable { case slm, mixed, llm, cache }

/// Why an answer got less than the router wanted (header `x-gboost-degraded`).
package enum DegradedReason: String, Hashable, Sendable, Codable {
    case budgetExhausted = "budget_exhausted"
    case rateLimited = "rate_limited"
    case ledgerUnavailable = "ledger_unavailable"
    case providerUnavailable = "provider_unavailable"
    case rewardUnavailable = "reward_unavailable"
    case priceUnknown = "price_unknown"
    /// The SLM could not answer, and the LLM was paid for what it would have written.
    case modelUnavailable = "model_unavailable"
}

/// One finished request, for reports. Not part of the money: the ledger entries are.
package struct RequestRecord: Hashable, Sendable, Codable {
    package var id: UUID
    package var tenantID: Int64
    package var teamID: Int64?
    package var keyID: Int64
    /// What the client put into `model`.
    package var model: String
    package var route: String?
    package var servedBy: ServedBy?
    package var status: Int
    package var steps: Int
    package var escalations: Int
    package var degraded: DegradedReason?
    package var slmInputTokens: Int64
    package var slmOutputTokens: Int64
    package var costNanoUSD: Int64
    package var startedAt: Date
    package var milliseconds: Int64
    /// What the route's router is to learn from it, as JSON; stored with the request or not at all.
    package var outcome: String?
    /// Name of the local model that worked on it; nil: none did.
    package var slm: String?
    /// Paid calls that it wanted and did not get; stored with the request or not at all.
    package var refused: [RefusedCall]?
    package init(
        id: UUID, tenantID: Int64, teamID: Int64?, keyID: Int64, model: String, route: String?, servedBy: ServedBy?,
        status: Int, steps: Int, escalations: Int, degraded: DegradedReason?, slmInputTokens: Int64,
        slmOutputTokens: Int64, costNanoUSD: Int64, startedAt: Date, milliseconds: Int64
    ) {
        self.id = id
        self.tenantID = tenantID
        self.teamID = teamID
        self.keyID = keyID
        self.model = model
        self.route = route
        self.servedBy = servedBy
        self.status = status
        self.steps = steps
        self.escalations = escalations
        self.degraded = degraded
        self.slmInputTokens = slmInputTokens
        self.slmOutputTokens = slmOutputTokens
        self.costNanoUSD = costNanoUSD
        self.startedAt = startedAt
        self.milliseconds = milliseconds
    }
}

/// The ledger cannot be reached: no paid call may be made.
package struct LedgerUnavailable: Error, Sendable {
    /// For the log; holds no secret.
    package var reason: String
    package init(reason: String) { self.reason = reason }
}

/// The paid hop's bookkeeping (design: the paid hop, exactly).
package protocol SpendLedger: Sendable {
    /// Commits a hold and marks it dispatched, in one round trip, or says why not. Cancelling the task does not
    /// leave a hold behind that nobody settles: a cancelled reservation that was committed is settled as failed.
    func reserve(_ reservation: Reservation) async throws(LedgerUnavailable) -> ReservationOutcome
    /// Ends a hold. Never throws and never waits for long: with the database away it is written to the fsynced
    /// journal and replayed. Idempotent.
    func settle(_ settlement: Settlement) async
    /// Stores a finished request, or journals it.
    func record(_ request: RequestRecord) async
    /// The budgets that count every call of this caller's, as they are now, for the router and for the headers: the
    /// tightest first; none: the tenant has no budget, so nothing may be paid for.
    func budgets(_ caller: Caller) async throws(LedgerUnavailable) -> [BudgetState]
}
