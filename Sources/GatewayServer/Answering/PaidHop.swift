internal import FoundationEssentials
internal import GatewayCore
internal import Ledger
internal import Logging
internal import Outbox
internal import WireFormat

/// A paid call that is wanted: everything that decides about its hold.
struct PaidPlan: Sendable {
    var id: HoldID
    var caller: Caller
    var route: String?
    var model: ModelReference
    var kind: EscalationKind
    /// Proven upper bound of the prompt's tokens.
    var inputTokens: Int64
    /// Output tokens wanted, over all choices.
    var maxOutputTokens: Int64
    /// The call may be made smaller down to this; equal to `maxOutputTokens` where it may not.
    var leastOutputTokens: Int64
    /// What the request may still spend by its own header.
    var ceiling: NanoUSD?
    /// The request's tags.
    var tags: [String] = []
    /// The longest wait before another try: an SLM that could go on is not kept waiting for a provider.
    var patience = Duration.seconds(10)
}

/// A plan with a committed hold: it may be sent, with exactly `maxOutputTokens`.
struct HeldCall: Sendable {
    var plan: PaidPlan
    var price: ModelPrice
    var amount: NanoUSD
    var maxOutputTokens: Int64
    /// The tightest budget after this hold.
    var budget: BudgetState
    /// The breaker's leave to ask the provider.
    var permit: SharedBreaker.Permit
    /// The provider's answer has begun.
    var hasAnswered = false
}

/// What a call that failed was charged, and the tightest budget after it.
struct FailedCharge: Sendable {
    var cost: NanoUSD
    var budget: BudgetState
}

/// Why no paid call is made.
enum PaidRefusal: Error, Sendable {
    case priceUnknown(ModelReference)
    case ledger(LedgerUnavailable)
    case budget(BudgetState)
    /// A rate limit of the caller's.
    case limited(LimitState)
    case noBudget
    case ceiling(NanoUSD, needed: NanoUSD)
    case callerRejected
    /// - Parameter charge: nil where no hold was taken.
    case provider(ProviderError, charge: FailedCharge? = nil)

    /// What a call that failed was charged; nil: none was sent.
    var charge: FailedCharge? {
        guard case .provider(_, let charge) = self else { return nil }
        return charge
    }

    /// As the caller of a direct model is told.
    var refusal: GatewayRefusal {
        switch self {
        case .priceUnknown(let model): .priceUnknown(model)
        case .ledger(let error): .ledgerUnavailable(error.reason)
        case .budget(let state): .budgetExceeded(state)
        case .limited(let state): .rateLimited(state)
        case .noBudget: .noBudget
        case .ceiling(let ceiling, let needed): .ceilingExceeded(ceiling, needed: needed)
        case .callerRejected: .invalidKey
        case .provider(let error, _): .upstream(error)
        }
    }

    /// As the answer of a boosted route says it.
    var degraded: DegradedReason {
        switch self {
        case .priceUnknown: .priceUnknown
        case .ledger: .ledgerUnavailable
        case .budget, .noBudget, .ceiling, .callerRejected: .budgetExhausted
        case .limited: .rateLimited
        case .provider: .providerUnavailable
        }
    }
}

/// The paid hop: hold, send, read usage, settle. The only place that calls a provider.
struct PaidHop: Sendable {
    let catalog: any Catalog
    let ledger: any SpendLedger
    let providers: [String: any PaidProvider]
    let guards: ProviderGuards
    let metrics: GatewayMetrics
    let logger: Logger
    /// Hears of budgets that refuse calls.
    var notices: any NoticeSink = NoNotices()
    /// Where calls are noted that get no hold.
    var refused = RefusedCalls()
    /// An escalation of no more output is waited for no longer than for a stream's beginning.
    static let briefTokens: Int64 = 2048

    /// Holds and sends a call, once.
    /// - Parameters:
    ///   - record: what is recorded of a try that comes to nothing.
    ///   - make: the call for what was held.
    func attempt(
        _ plan: PaidPlan, record: EscalationRecord, make: (HeldCall) throws(WireFormatError) -> PaidCall
    ) async throws -> (held: HeldCall, call: PaidCall, exchange: any PaidExchange) {
        var held: HeldCall
        do throws(PaidRefusal) {
            held = try await hold(plan)
        } catch {
            let price = await catalog.price(plan.model)
            refused.add(RefusedCall(plan, price: price, refusal: error, escalation: record))
            throw error
        }
        let call: PaidCall
        do throws(WireFormatError) {
            call = try make(held)
        } catch {
            await release(held, escalation: record)
            throw error
        }
        let exchange = try await open(held, call: call, escalation: record)
        held.hasAnswered = true
        return (held, call, exchange)
    }

    /// Takes a hold for the plan's highest possible cost, smaller where the budget is short and the plan allows it.
    func hold(_ plan: PaidPlan) async throws(PaidRefusal) -> HeldCall {
        guard let price = await catalog.price(plan.model), providers[plan.model.provider] != nil else {
            tell(plan, missing: .price)
            throw .priceUnknown(plan.model)
        }
        let provider = plan.model.provider
        let tenantID = plan.caller.tenant.id
        guard let permit = guards.admit(provider, tenantID: tenantID, isRetry: plan.id.attempt > 0) else {
            throw .provider(
                .broken(provider, retryAfterSeconds: guards.secondsToWait(provider, tenantID: tenantID)))
        }
        do throws(PaidRefusal) {
            return try await hold(plan, price: price, permit: permit)
        } catch {
            guards.abandoned(provider, permit)
            throw error
        }
    }

    private func hold(
        _ plan: PaidPlan, price: ModelPrice, permit: SharedBreaker.Permit
    ) async throws(PaidRefusal) -> HeldCall {
        var output = plan.maxOutputTokens
        if let ceiling = plan.ceiling {
            output = min(output, try Self.affordable(ceiling, plan: plan, price: price))
        }
        while true {
            guard let amount = price.upperBound(inputTokens: plan.inputTokens, maxOutputTokens: output) else {
                throw .priceUnknown(plan.model)
            }
            let reservation = Reservation(
                id: plan.id, caller: plan.caller, route: plan.route, model: plan.model, priceID: price.id,
                amount: amount, tokens: plan.inputTokens.addingReportingOverflow(output).partialValue, tags: plan.tags)
            switch try await reserve(reservation) {
            case .granted(let tightest):
                metrics.registry.add("gboost_in_flight_paid_calls", 1)
                return HeldCall(
                    plan: plan, price: price, amount: amount, maxOutputTokens: output, budget: tightest,
                    permit: permit)
            case .refused(let state):
                // The amount left may shrink again before the next try, so the loop ends by itself: every round asks
                // for less.
                let fitting = Self.outputTokens(within: state.remaining, plan: plan, price: price) ?? 0
                guard fitting >= plan.leastOutputTokens, fitting < output, fitting > 0 else {
                    count(plan, denied: "budget")
                    notices.tell(.refused(by: state, model: plan.model, tenantID: plan.caller.tenant.id))
                    let least = min(plan.leastOutputTokens, output)
                    throw .budget(
                        state.refusing(price.upperBound(inputTokens: plan.inputTokens, maxOutputTokens: least)))
                }
                output = fitting
            case .limited(let state):
                count(plan, denied: "rate_limit")
                notices.tell(
                    .refused(by: state, model: plan.model, tenantID: plan.caller.tenant.id, at: Date()))
                throw .limited(state)
            case .noBudget:
                tell(plan, missing: .budget)
                throw .noBudget
            case .priceUnknown:
                tell(plan, missing: .price)
                throw .priceUnknown(plan.model)
            case .callerRejected:
                count(plan, denied: "caller")
                throw .callerRejected
            }
        }
    }

    private func tell(_ plan: PaidPlan, missing: Notice.Requirement) {
        count(plan, denied: missing.rawValue)
        notices.tell(
            .refused(without: missing, model: plan.model, tenantID: plan.caller.tenant.id, at: Date()))
    }

    private func reserve(_ reservation: Reservation) async throws(PaidRefusal) -> ReservationOutcome {
        do {
            return try await ledger.reserve(reservation)
        } catch {
            metrics.registry.add(
                "gboost_reservations_denied_total", 1, [reservation.caller.tenant.name, "ledger_unavailable"])
            throw .ledger(error)
        }
    }

    /// Sends a held call. A failure is settled here.
    private func open(
        _ held: HeldCall, call: PaidCall, escalation: EscalationRecord
    ) async throws(PaidRefusal) -> any PaidExchange {
        guard let provider = providers[held.plan.model.provider] else {
            await release(held, escalation: escalation)
            throw .priceUnknown(held.plan.model)
        }
        Failpoint.beforeSend.hit()
        var call = call
        call.tenantID = held.plan.caller.tenant.id
        call.maxInputTokens = held.plan.inputTokens
        call.maxOutputTokens = held.maxOutputTokens
        // The SLM goes on where a step or rest does not come.
        call.isBrief = held.plan.kind != .direct && held.maxOutputTokens <= Self.briefTokens
        do {
            let exchange = try await provider.open(call)
            guards.answered(held.plan.model.provider, held.permit)
            return exchange
        } catch {
            let failure = Self.providerError(error)
            let cost = await settle(held, result: PaidResult(), failure: failure, escalation: escalation)
            let budget = held.budget.after(hold: held.amount, cost: cost)
            throw .provider(failure, charge: FailedCharge(cost: cost, budget: budget))
        }
    }

    /// Posts the end of a call that was opened, exactly once.
    /// - Parameter failure: nil for an exchange that ended properly.
    /// - Returns: what was posted.
    @discardableResult
    func settle(
        _ held: HeldCall, result: PaidResult, failure: ProviderError?, escalation: EscalationRecord
    ) async -> NanoUSD {
        Failpoint.afterAnswer.hit()
        guards.finished(held.plan.model.provider, held.permit, failure: failure, hasAnswered: held.hasAnswered)
        return await post(held, result: result, failure: failure, escalation: escalation)
    }

    /// - Parameter wasSent: no provider is judged by a call that it was not sent.
    private func post(
        _ held: HeldCall, result: PaidResult, failure: ProviderError?, escalation: EscalationRecord,
        wasSent: Bool = true
    ) async -> NanoUSD {
        metrics.registry.add("gboost_in_flight_paid_calls", -1)
        metrics.registry.add("gboost_provider_calls_total", wasSent ? 1 : 0, [held.plan.model.provider])
        // So that the first one is seen as such: a counter that begins with 1 did not rise.
        for name in ["gboost_provider_retries_total", "gboost_provider_fallbacks_total"] {
            metrics.registry.add(name, 0, [held.plan.model.provider])
        }
        let (outcome, amount) = Self.charge(held, result: result, failure: failure)
        var escalation = escalation
        // Where nothing was decided: what was left as the hold was taken.
        escalation.remaining = escalation.remaining ?? held.budget.remaining.adding(held.amount)
        // Counts that no charge came of are in no report: only the provider's own words are kept.
        let usage = outcome == .completed ? result.usage : result.usage?.uncounted
        let settlement = Settlement(
            id: held.plan.id, outcome: outcome, amount: amount, usage: usage,
            providerRequestID: result.providerRequestID ?? failure?.providerRequestID, escalation: escalation)
        let began = ContinuousClock.now
        await ledger.settle(settlement)
        metrics.registry.observe("gboost_settlement_seconds", (.now - began) / .seconds(1))
        count(held.plan, outcome: outcome, amount: amount, usage: usage)
        if let failure, wasSent {
            metrics.registry.add(
                "gboost_provider_errors_total", 1, [held.plan.model.provider, failure.code.rawValue])
            logger.warning(
                "paid call failed",
                metadata: [
                    "hold": "\(held.plan.id)", "tenant": "\(held.plan.caller.tenant.name)",
                    "model": "\(held.plan.model)", "code": "\(failure.code.rawValue)",
                    "status": "\(failure.status ?? 0)", "posted_usd": "\(amount)",
                    "provider_request": "\(failure.providerRequestID ?? "")",
                    "why": "\(failure.logText)",
                ])
        }
        return amount
    }

    /// Gives back the hold of a call that was never sent.
    private func release(_ held: HeldCall, escalation: EscalationRecord) async {
        guards.abandoned(held.plan.model.provider, held.permit)
        _ = await post(
            held, result: PaidResult(),
            failure: ProviderError(code: .unreachable, message: "the call was not sent"), escalation: escalation,
            wasSent: false)
    }

    /// What a call costs, by what is known at its end.
    static func charge(
        _ held: HeldCall, result: PaidResult, failure: ProviderError?
    ) -> (CallOutcome, NanoUSD) {
        if let usage = result.credibleUsage, let amount = held.price.charge(usage) { return (.completed, amount) }
        if let failure, !failure.mayHaveCharged { return (.failed, .zero) }
        return (.estimated, held.amount)
    }

    static func providerError(_ error: any Error) -> ProviderError {
        error as? ProviderError
            ?? ProviderError(code: .interrupted, message: "the call was given up: \(type(of: error))")
    }

    // MARK: What fits

    private static func affordable(
        _ ceiling: NanoUSD, plan: PaidPlan, price: ModelPrice
    ) throws(PaidRefusal) -> Int64 {
        let fitting = outputTokens(within: ceiling, plan: plan, price: price) ?? 0
        guard fitting > 0, fitting >= min(plan.leastOutputTokens, plan.maxOutputTokens) else {
            let needed = price.upperBound(inputTokens: plan.inputTokens, maxOutputTokens: plan.leastOutputTokens)
            throw .ceiling(ceiling, needed: needed ?? NanoUSD(.max))
        }
        return fitting
    }

    /// The most output tokens of the plan whose hold is within `amount`; nil where not even the prompt is.
    private static func outputTokens(within amount: NanoUSD, plan: PaidPlan, price: ModelPrice) -> Int64? {
        price.affordableOutput(inputTokens: plan.inputTokens, within: amount).map { min($0, plan.maxOutputTokens) }
    }

    // MARK: Metrics

    private func count(_ plan: PaidPlan, denied reason: String) {
        metrics.registry.add("gboost_reservations_denied_total", 1, [plan.caller.tenant.name, reason])
    }

    private func count(_ plan: PaidPlan, outcome: CallOutcome, amount: NanoUSD, usage: TokenUsage?) {
        let tenant = plan.caller.tenant.name
        metrics.registry.add("gboost_escalations_total", 1, [tenant, plan.kind.rawValue, outcome.rawValue])
        metrics.registry.add(
            "gboost_cost_nano_usd_total", Double(amount.rawValue), [tenant, plan.route ?? "", "\(plan.model)"])
        guard let usage else { return }
        metrics.registry.add("gboost_tokens_total", Double(usage.input), [tenant, "llm_input"])
        metrics.registry.add("gboost_tokens_total", Double(usage.output), [tenant, "llm_output"])
    }
}

extension ProviderError {
    /// What went wrong, for a log.
    var logText: String { isForeign ? "the provider's words are the client's" : message }
}
