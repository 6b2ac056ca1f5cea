internal import FoundationEssentials
package import GatewayCore

/// A request that is turned away or that failed: the one error type between a handler and the client.
///
/// `message` is for the client and holds no internals; `logText` is for the operator's log.
package struct GatewayRefusal: Error, Sendable {
    /// HTTP status.
    package var status: Int
    /// `error.type` of the OpenAI envelope.
    package var type: String
    /// `error.code`.
    package var code: String
    package var message: String
    /// Name of the field at fault, where there is one.
    package var parameter: String?
    /// `error.metadata`: strings only, so that amounts stay exact decimals.
    package var metadata: [(name: String, value: String?)] = []
    /// Sent as `retry-after`, in seconds.
    package var retryAfterSeconds: Int?
    /// False tells the official clients not to send the request again.
    package var shouldRetry: Bool?
    /// For the log, where it says more than `message`.
    package var logText: String?
    /// A paid call failed that may have been charged for: to send the request again would pay twice.
    var mayHaveCharged = false
    /// What its paid calls cost; nil: nothing.
    var cost: NanoUSD?
    /// Set by an answer that has counted and recorded its own request already.
    var isCounted = false

    package init(status: Int, type: String, code: String, message: String, parameter: String? = nil) {
        self.status = status
        self.type = type
        self.code = code
        self.message = message
        self.parameter = parameter
    }
}

extension GatewayRefusal {
    package static let invalidKey = GatewayRefusal(
        status: 401, type: "authentication_error", code: "invalid_api_key",
        message: "The API key is missing, unknown, expired or revoked.")

    /// A key that was turned away. Which of its faults it was is not said; that it was none of them is, so that nobody
    /// replaces a good key because the database was away.
    init(_ failure: AuthenticationFailure) {
        switch failure {
        case .unknownKey, .expired, .revoked, .tenantSuspended, .suspended: self = .invalidKey
        case .unavailable: self = .keyNotLookedUp
        }
    }

    /// Without a text for the log: the catalog says once that the database is away, and keys that are tried are many.
    private static let keyNotLookedUp: GatewayRefusal = {
        var refusal = GatewayRefusal.ledgerUnavailable("")
        refusal.message = "The ledger cannot be reached, so this key could not be looked up."
        refusal.logText = nil
        return refusal
    }()

    /// A request that cannot be taken as it is; `parameter` names the field.
    package static func invalidRequest(_ message: String, parameter: String?, status: Int = 400) -> GatewayRefusal {
        GatewayRefusal(
            status: status, type: "invalid_request_error", code: "invalid_request", message: message,
            parameter: parameter)
    }

    /// Neither a route of the tenant nor a configured provider's model.
    package static func unknownModel(_ name: String) -> GatewayRefusal {
        GatewayRefusal(
            status: 404, type: "invalid_request_error", code: "model_not_found",
            message: "There is no route or model named '\(name.prefix(200))' for this key.", parameter: "model")
    }

    /// A name that the caller's list of models does not have.
    package static func modelNotAllowed(_ name: String) -> GatewayRefusal {
        GatewayRefusal(
            status: 403, type: "permission_error", code: "model_not_allowed",
            message: "This key may not use '\(name.prefix(200))'.", parameter: "model")
    }

    /// A paid model whose cost cannot be bounded.
    package static func priceUnknown(_ model: ModelReference) -> GatewayRefusal {
        GatewayRefusal(
            status: 400, type: "invalid_request_error", code: "price_unknown",
            message:
                "The model '\(model)' has no price in force, so it is not called. Set one with 'gboost price set'.",
            parameter: "model")
    }

    /// The budget that a call does not fit. The official clients are told not to try again.
    package static func budgetExceeded(_ state: BudgetState) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 429, type: "budget_exceeded", code: "budget_exceeded",
            message: "The budget of \(state.scope) for \(state.period) does not allow this call.")
        refusal.metadata = [
            ("scope", state.scope), ("period", state.period), ("limit_usd", state.limit.usdString),
            ("spent_usd", state.settled.usdString), ("held_usd", state.held.usdString),
            ("resets_at", state.resetsAt?.formatted(.iso8601)),
        ]
        if let needed = state.needed {
            let left = max(state.remaining, .zero)
            refusal.message += " It may cost $\(needed.usdString), and $\(left.usdString) is left."
            refusal.metadata.append((name: "needed_usd", value: needed.usdString))
        }
        refusal.shouldRetry = false
        return refusal
    }

    package static let noBudget: GatewayRefusal = {
        var refusal = GatewayRefusal(
            status: 429, type: "budget_exceeded", code: "budget_exceeded",
            message: "This tenant has no budget of its own that covers this call.")
        refusal.metadata = [("scope", nil), ("limit_usd", "0.000000000")]
        refusal.shouldRetry = false
        return refusal
    }()

    /// The request's own header allows less than the call may cost.
    package static func ceilingExceeded(_ ceiling: NanoUSD, needed: NanoUSD?) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 429, type: "budget_exceeded", code: "budget_exceeded",
            message: "The call may cost more than x-gboost-max-cost-usd allows.")
        refusal.metadata = [("scope", "request"), ("limit_usd", ceiling.usdString)]
        if let needed { refusal.metadata.append(("needed_usd", needed.usdString)) }
        refusal.shouldRetry = false
        return refusal
    }

    /// A rate limit that a call does not fit: worth another try when the next minute begins, unless the call is more
    /// than a whole minute's.
    package static func rateLimited(_ state: LimitState) -> GatewayRefusal {
        let unit =
            switch state.unit {
            case .requests: "requests per minute"
            case .tokens: "tokens per minute"
            case .parallel: "calls in parallel"
            }
        var refusal = GatewayRefusal(
            status: 429, type: "rate_limit_error", code: "rate_limit_exceeded",
            message: "\(state.scope) may use \(state.limit) \(unit); \(state.used) are used.")
        refusal.metadata = [
            ("scope", state.scope), ("unit", state.unit.rawValue), ("limit", "\(state.limit)"),
            ("used", "\(state.used)"), ("resets_at", state.resetsAt?.formatted(.iso8601)),
        ]
        if let needed = state.needed {
            refusal.metadata.append((name: "needed", value: "\(needed)"))
            guard needed <= state.limit else {
                let wanted = state.unit == .tokens ? "\(needed) tokens" : "\(needed)"
                refusal.message = "\(state.scope) may use \(state.limit) \(unit); this call needs up to \(wanted)."
                refusal.shouldRetry = false
                return refusal
            }
        }
        let wait = state.resetsAt.map { Int($0.timeIntervalSinceNow.rounded(.up)) } ?? 1
        refusal.retryAfterSeconds = max(1, min(60, wait))
        return refusal
    }

    /// No hold can be taken; `reason` is for the log.
    package static func ledgerUnavailable(_ reason: String) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 503, type: "ledger_unavailable", code: "ledger_unavailable",
            message: "The ledger cannot be reached, so no paid call is made.")
        refusal.retryAfterSeconds = 5
        refusal.logText = reason
        return refusal
    }

    /// Administration that the database is needed for, whether it reads or changes; `reason` is for the log. Of a
    /// change whose answer did not come it is not known whether it was made.
    package static func databaseUnavailable(_ reason: String) -> GatewayRefusal {
        var refusal = GatewayRefusal.ledgerUnavailable(reason)
        refusal.message = "The database cannot be reached, or gave no answer in time: try again."
        return refusal
    }

    /// Longer codes and names of fields of a provider's are not passed on.
    private static let maxWordBytes = 128
    /// Statuses by which a provider says that the request is at fault.
    private static let requestFaults: Set<Int> = [400, 404, 413, 415, 422]

    /// A paid call that failed: the provider's own status where the request is at fault or not allowed there, 504 where
    /// it ran out of time, else 502.
    package static func upstream(_ error: ProviderError) -> GatewayRefusal {
        var refusal = Self.words(error)
        refusal.mayHaveCharged = error.mayHaveCharged
        refusal.metadata = [
            ("provider_status", error.status.map(String.init)), ("provider_request_id", error.providerRequestID),
        ]
        refusal.retryAfterSeconds = error.retryAfterSeconds
        refusal.keepWords(of: error)
        return refusal
    }

    /// Clients branch on the provider's `code`, such as `context_length_exceeded`. Only of what is theirs to mend: the
    /// rest is between the gateway and its provider.
    private mutating func keepWords(of error: ProviderError) {
        guard type == "invalid_request_error" || status == 403 else { return }
        // Some say as a number what the status says already, and some write Python's word for nothing.
        let word = Self.word(error.reason).flatMap { Int($0) == nil ? $0 : nil }
        let field = Self.word(error.parameter)
        if let word { metadata.append((name: "provider_code", value: word)) }
        if let field { metadata.append((name: "provider_param", value: field)) }
        guard type == "invalid_request_error" else { return }
        code = word ?? code
        parameter = field
    }

    /// A name in a provider's words, as far as it is one: short, and in printable characters.
    private static func word(_ text: String?) -> String? {
        guard let text, !text.isEmpty, text.utf8.count <= maxWordBytes, text.lowercased() != "none",
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        else { return nil }
        return text
    }

    private static func words(_ error: ProviderError) -> GatewayRefusal {
        if error.code == .status, error.status == 403 {
            // As a 502 the official clients would send it again, and hear the same.
            var refusal = GatewayRefusal(
                status: 403, type: "permission_error", code: "provider_permission_denied",
                message: "The provider does not permit this call: \(error.message)")
            refusal.shouldRetry = false
            return refusal
        }
        let isTimeout = error.code == .interrupted && error.message.contains("timed out")
        // What a provider says is wrong with the request is the client's to mend: to send it again would not help.
        let fault = error.code == .status ? error.status.flatMap { requestFaults.contains($0) ? $0 : nil } : nil
        return GatewayRefusal(
            status: fault ?? (isTimeout ? 504 : 502), type: fault == nil ? "upstream_error" : "invalid_request_error",
            code: "upstream_error",
            message: fault == nil
                ? "The provider failed: \(error.message)" : "The provider refuses the request: \(error.message)")
    }

    /// A queue is full: worth another try after this many seconds.
    package static func overloaded(retryAfterSeconds: Int) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 503, type: "overloaded_error", code: "overloaded_error",
            message: "Too many requests are waiting for this model.")
        refusal.retryAfterSeconds = retryAfterSeconds
        return refusal
    }

    /// The error of a local model that no escalation could make good.
    package static func localModel(_ error: LocalModelError) -> GatewayRefusal {
        switch error {
        case .unavailable(let why): return unavailable("The model of this route is not available.", why)
        case .unusablePattern(let why):
            return unavailable("The steps of this route end by a pattern that cannot be used.", why)
        case .interrupted:
            var refusal = GatewayRefusal(
                status: 503, type: "server_error", code: "model_interrupted",
                message: "The model's engine stopped while it was answering.")
            refusal.retryAfterSeconds = 2
            return refusal
        case .overloaded(let seconds): return .overloaded(retryAfterSeconds: seconds)
        case .contextExceeded(let tokens, let limit):
            return GatewayRefusal(
                status: 400, type: "invalid_request_error", code: "context_length_exceeded",
                message: "The conversation has \(tokens) tokens; the model takes \(limit).", parameter: "messages")
        case .invalid(let why): return .invalidRequest(why, parameter: nil)
        case .deadlineExceeded:
            return GatewayRefusal(
                status: 504, type: "server_error", code: "deadline_exceeded",
                message: "The model did not get to this request in the time that it was given.")
        }
    }

    private static func unavailable(_ message: String, _ why: String) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 503, type: "server_error", code: "model_unavailable", message: message)
        refusal.logText = why
        return refusal
    }

    /// Anything that no one mapped: a defect, said as such.
    package static func unexpected(_ error: any Error) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 500, type: "server_error", code: "internal_error", message: "The gateway failed.")
        refusal.logText = "\(error)"
        return refusal
    }
}
