internal import GatewayCore
internal import Router
internal import WireFormat

/// What this request knows about price and budget: read once from the ledger, then kept up by its own escalations.
///
/// For the router's arithmetic and the headers only. Whether a call may be made is decided by its hold.
struct SpendingView: Sendable {
    private(set) var price: ModelPrice?
    /// Those that count this request, the tightest first; after a call of its own also one by model or tag, where that
    /// was the tightest.
    var budgets: [BudgetState] {
        guard let told else { return counted }
        // A call may have been held in the next period.
        let others = counted.filter { $0.scope != told.scope || PeriodKind($0.period) != PeriodKind(told.period) }
        return (others + [told]).sorted { $0.remaining < $1.remaining }
    }
    var budget: BudgetState? { budgets.first }
    /// Those that count every call of the caller's.
    private var counted: [BudgetState] = []
    /// The tightest of the latest call of its own.
    private var told: BudgetState?
    private(set) var ceilingLeft: NanoUSD?
    /// Why no escalation could have been made as the request came, whether or not one was wanted: a client is told.
    /// nil also once one was made: that it spent the last of a budget is no lack of this request's, and what is
    /// refused after it the strategy knows.
    private(set) var withheld: DegradedReason?

    /// - Parameter thinkingTokens: what the route's LLM may think besides what it writes: held for too.
    static func load(
        job: AnswerJob, chat: ChatCompletionRequest, route: RouteRecord, thinkingTokens: Int
    ) async -> SpendingView {
        var view = SpendingView()
        view.ceilingLeft = job.options.maxCost
        view.price = await job.services.catalog.price(route.llm)
        let leastCost = view.price?.upperBound(
            inputTokens: PromptBound.inputTokens(bodyBytes: chat.body.count, messages: chat.messages.count),
            maxOutputTokens: job.services.limits.leastEscalationTokens + Int64(thinkingTokens))
        do {
            view.counted = try await job.services.ledger.budgets(job.caller)
            view.withheld = reason(leastCost, view.budget)
        } catch {
            view.withheld = .ledgerUnavailable
        }
        return view
    }

    /// - Parameter leastCost: the least that an escalation could be held for; nil: there is no price.
    private static func reason(_ leastCost: NanoUSD?, _ budget: BudgetState?) -> DegradedReason? {
        guard let leastCost else { return .priceUnknown }
        guard let budget else { return .budgetExhausted }
        return budget.remaining < leastCost ? .budgetExhausted : nil
    }

    /// An escalation was paid; `budget` is the tightest one after it, where its answer came.
    mutating func spent(_ cost: NanoUSD, budget: BudgetState?) {
        ceilingLeft = ceilingLeft.map { $0.subtracting(cost) ?? .zero }
        for index in counted.indices { counted[index] = counted[index].after(hold: .zero, cost: cost) }
        guard let budget else { return }
        told = budget
        withheld = nil
    }

    func outlook(inputTokens: Int64) -> SpendingOutlook {
        let left = [budget?.remaining, ceilingLeft].compactMap(\.self).min()
        var outlook = SpendingOutlook(price: price, remaining: left, inputTokenBound: Int(clamping: inputTokens))
        outlook.bound = budget.flatMap { $0.remaining == left ? $0.name : nil }
        return outlook
    }

    /// An escalation's refusal where there is no SLM to answer instead: with its bound named, where that is known.
    func refusal(_ refusal: EscalationRefusal) -> GatewayRefusal {
        guard refusal == .budgetExhausted || withheld == .budgetExhausted else { return .budgetRefused(refusal) }
        if let left = ceilingLeft, left < budget?.remaining ?? left { return .ceilingExceeded(left, needed: nil) }
        return budget.map { .budgetExceeded($0) } ?? .noBudget
    }
}

extension GatewayRefusal {
    /// A rate limit refused the escalation, and no SLM could answer instead.
    private static let escalationLimited: GatewayRefusal = {
        var refusal = GatewayRefusal(
            status: 429, type: "rate_limit_error", code: "rate_limit_exceeded",
            message: "A rate limit of paid calls is used up.")
        refusal.retryAfterSeconds = 1
        return refusal
    }()

    /// A refused escalation without an SLM to answer instead.
    static func budgetRefused(_ refusal: EscalationRefusal) -> GatewayRefusal {
        switch refusal {
        case .budgetExhausted: .noBudget
        case .rateLimited: .escalationLimited
        case .ledgerUnavailable: .ledgerUnavailable("escalation refused")
        case .providerUnavailable:
            .upstream(ProviderError(code: .unreachable, message: "the provider cannot be reached"))
        case .priceUnknown:
            GatewayRefusal(
                status: 400, type: "invalid_request_error", code: "price_unknown",
                message: "The route's paid model has no price in force.", parameter: "model")
        }
    }
}

extension EscalationPrompt {
    /// Proven upper bound of the input tokens of this prompt.
    func inputBound(_ ask: Ask) -> Int64 {
        PromptBound.inputTokens(bodyBytes: body(for: ask, stream: false).count, messages: messages.count + 1)
    }
}
