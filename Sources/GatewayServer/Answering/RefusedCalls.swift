internal import FoundationEssentials
internal import GatewayCore
internal import Router
internal import Synchronization

/// Paid calls of one request that were wanted and not made, kept until the request is recorded.
final class RefusedCalls: Sendable {
    /// Most of one request; those after it are counted in the last one.
    static let limit = 32
    private let calls = Mutex<[RefusedCall]>([])

    func add(_ call: RefusedCall) {
        calls.withLock { calls in
            if calls.count < Self.limit { calls.append(call) } else { calls[calls.count - 1].more += 1 + call.more }
        }
    }

    /// Gives them up; nil: there are none.
    func take() -> [RefusedCall]? {
        calls.withLock { calls in
            defer { calls = [] }
            return calls.isEmpty ? nil : calls
        }
    }
}

extension PaidRefusal {
    /// As it is recorded.
    var reason: RefusalReason {
        switch self {
        case .priceUnknown: .priceUnknown
        case .ledger: .ledgerUnavailable
        case .budget: .budget
        case .limited: .rateLimit
        case .noBudget: .noBudget
        case .ceiling: .ceiling
        case .callerRejected: .caller
        case .provider: .providerUnavailable
        }
    }

    /// What was left of what refused it.
    var remaining: NanoUSD? {
        switch self {
        case .budget(let state): state.remaining
        case .noBudget: .zero
        case .ceiling(let left, _): left
        case .priceUnknown, .ledger, .limited, .callerRejected, .provider: nil
        }
    }

    /// Which budget or limit it was.
    var bound: String? {
        switch self {
        case .budget(let state): state.name
        case .limited(let state): "\(state.scope) \(state.unit.rawValue)"
        case .noBudget, .ceiling, .priceUnknown, .ledger, .callerRejected, .provider: nil
        }
    }
}

extension RefusedCall {
    /// A call that got no hold.
    init(_ plan: PaidPlan, price: ModelPrice?, refusal: PaidRefusal, escalation: EscalationRecord) {
        self.init(
            step: plan.id.step, attempt: plan.id.attempt, at: Date(), model: plan.model, reason: refusal.reason,
            escalation: escalation)
        self.escalation.remaining = escalation.remaining ?? refusal.remaining
        refusedBy = refusal.bound
        priceID = price?.id
        wanted = price?.upperBound(inputTokens: plan.inputTokens, maxOutputTokens: plan.maxOutputTokens)
    }
}

extension BoostedAnswer {
    /// Records escalations that the router would have paid for and did not even ask for.
    func noteWithheld(_ summary: AnswerSummary, models: RouteModels) async {
        guard let last = summary.withheld.indices.last else { return }
        let hashes = await models.hashes()
        let price = await job.services.catalog.price(route.llm)
        let prompt = job.contentHash(job.request.body)
        for (index, withheld) in summary.withheld.enumerated() {
            var escalation = EscalationRecord(
                kind: withheld.kind, decision: withheld.decision, reward: withheld.reward, hashes: hashes)
            escalation.remaining = withheld.remaining
            escalation.promptHash = prompt
            var call = RefusedCall(
                step: Int16(clamping: withheld.step), at: Date(), model: route.llm,
                reason: withheld.reason == .priceUnknown ? .priceUnknown : .budget, escalation: escalation)
            call.refusedBy = withheld.bound
            call.priceID = price?.id
            if index == last { call.more = summary.moreWithheld }
            job.refused.add(call)
        }
    }
}

extension EscalationRecord {
    /// A router's decision, as it is kept.
    init(kind: EscalationKind, decision: Decision, reward: ProcessReward?, hashes: ModelHashes) {
        self.init(
            kind: kind, rewardRaw: reward?.raw, rewardCalibrated: reward?.calibrated,
            shadowPrice: decision.shadowPrice, actions: decision.estimates, reason: decision.reason,
            slmSHA256: hashes.slm, prmSHA256: hashes.prm)
        adapterSHA256 = hashes.adapter
        headSHA256 = hashes.head
        let barred = decision.excluded.map { ($0.action.rawValue, $0.reason.rawValue) }
        excluded = barred.isEmpty ? nil : Dictionary(barred) { first, _ in first }
    }
}
