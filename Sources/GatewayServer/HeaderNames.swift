internal import HTTPTypes

extension HTTPFields {
    /// Adds what LiteLLM's clients look for, under its names. In a stream the cost is known at its end only.
    mutating func addLiteLLMAliases() {
        self[.liteLLMCallID] = self[.requestID]
        if let cost = self[.costUSD] { self[.liteLLMCost] = cost }
        if let overhead = self[.overheadMilliseconds] { self[.liteLLMOverhead] = overhead }
    }
}

extension HTTPField.Name {
    /// Makes a name from a literal that is known to be a valid token.
    private static func named(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else { preconditionFailure("not a header name: \(name)") }
        return field
    }
    static let xAPIKey = named("x-api-key")
    static let azureAPIKey = named("api-key")
    static let anthropicVersion = named("anthropic-version")
    static let anthropicBeta = named("anthropic-beta")
    static let idempotencyKey = named("idempotency-key")
    static let idempotentReplayed = named("idempotent-replayed")
    static let shouldRetry = named("x-should-retry")
    static let requestID = named("x-gboost-request-id")
    static let openAIRequestID = named("x-request-id")
    static let anthropicRequestID = named("request-id")
    static let servedBy = named("x-gboost-served-by")
    static let steps = named("x-gboost-steps")
    static let escalations = named("x-gboost-escalations")
    static let costUSD = named("x-gboost-cost-usd")
    static let budgetRemainingUSD = named("x-gboost-budget-remaining-usd")
    static let degraded = named("x-gboost-degraded")
    static let overheadMilliseconds = named("x-gboost-overhead-ms")
    static let strategy = named("x-gboost-strategy")
    static let maxCostUSD = named("x-gboost-max-cost-usd")
    static let valueUSD = named("x-gboost-value-usd")
    static let tags = named("x-gboost-tags")
    static let cache = named("x-gboost-cache")
    static let liteLLMCallID = named("x-litellm-call-id")
    static let liteLLMModelID = named("x-litellm-model-id")
    static let liteLLMModelGroup = named("x-litellm-model-group")
    static let liteLLMCost = named("x-litellm-response-cost")
    static let liteLLMOverhead = named("x-litellm-overhead-duration-ms")
    static let liteLLMKeySpend = named("x-litellm-key-spend")
    static let liteLLMKeyBudget = named("x-litellm-key-max-budget")
}
