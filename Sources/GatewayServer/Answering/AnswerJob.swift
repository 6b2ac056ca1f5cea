internal import Crypto
internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import Logging
internal import WireFormat

/// Head of an answer on its way to the client.
struct AnswerHead: Sendable {
    var headers: HTTPFields
    /// nil for streams.
    var contentLength: Int?
}

/// One request that is being answered: who, what, and where the answer goes.
struct AnswerJob: Sendable {
    let shared: SharedServices
    let caller: Caller
    let request: WireRequest
    /// The client's headers that its provider may see.
    var passedHeaders: [(name: String, value: String)] = []
    let options: RequestOptions
    let requestID: UUID
    let startedAt: ContinuousClock.Instant
    let startedOn: Date
    let stream: AnswerStream<AnswerHead>
    /// What is recorded with the request.
    let refused = RefusedCalls()

    var services: GatewayServices { shared.services }
    var requestIDText: String { requestID.text }
    var hop: PaidHop {
        PaidHop(
            catalog: services.catalog, ledger: services.ledger, providers: services.providers,
            guards: services.guards, metrics: services.metrics, logger: services.logger, notices: services.notices,
            refused: refused)
    }
    /// The hop, over all candidates of a model.
    var attempts: PaidAttempts {
        PaidAttempts(hop: hop, deployments: services.deployments, tenantID: caller.tenant.id)
    }
    /// Keyed hash for the audit: says whether two texts are the same, not what they are.
    func contentHash(_ bytes: some Sequence<UInt8>) -> String {
        var code = services.contentCode
        code.update(data: Array(bytes))
        return code.finalize().hexadecimal
    }
    /// Whether texts of this request's paid calls are kept.
    var capturesText: Bool { caller.tenant.capturesText && services.texts != nil }
    /// Has the texts of a paid call kept, where the tenant wants that.
    func capture(_ call: HoldID, prompt: [UInt8], answer: [UInt8]) {
        guard capturesText else { return }
        services.texts?.keep(CapturedText(call: call, tenantID: caller.tenant.id, prompt: prompt, answer: answer))
    }
    var created: Int64 { Int64(startedOn.timeIntervalSince1970) }

    /// The writer of the gateway's own answers to this request.
    var writer: AnswerWriter {
        switch request {
        case .chat(let chat):
            .chat(
                ChatCompletionWriter(id: "chatcmpl-\(requestIDText)", created: created, model: chat.model),
                includesUsage: chat.includesUsage)
        case .messages(let messages): .messages(MessagesWriter(id: "msg_\(requestIDText)", model: messages.model))
        // No SLM answers these: what there is comes from a provider.
        case .plain(let plain):
            .chat(
                ChatCompletionWriter(id: requestIDText, created: created, model: plain.model),
                includesUsage: plain.includesUsage)
        }
    }

    static let streamHeaders: HTTPFields = [
        .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache",
    ]

    /// Delivers a whole body, with everything known as headers.
    func deliver(_ body: [UInt8], summary: AnswerReport) async {
        var headers = summary.headers
        headers[.contentType] = "application/json"
        if services.sendsLiteLLMHeaders, let budget = summary.budget, budget.scope.hasPrefix("key:") {
            headers[.liteLLMKeySpend] = budget.settled.usdString
            headers[.liteLLMKeyBudget] = budget.limit.usdString
        }
        stream.begin(AnswerHead(headers: headers, contentLength: body.count))
        _ = await stream.write(body)
        stream.finish()
    }

    /// Milliseconds since the request came, less what was spent waiting for others.
    func overhead(waiting: Duration) -> Double {
        let own = ContinuousClock.now - startedAt - waiting
        return max(0, own / .milliseconds(1))
    }

    /// Ends the request with a refusal instead of an answer.
    /// - Parameters:
    ///   - cost: of paid calls that came to nothing.
    ///   - escalations: how many those were.
    func refuse(
        _ refusal: GatewayRefusal, route: String?, cost: NanoUSD = .zero, escalations: Int = 0
    ) async {
        var refusal = refusal.charged(cost)
        refusal.isCounted = true
        stream.fail(refusal)
        await record(failed: route, status: refusal.status, cost: cost, escalations: escalations)
    }

    /// The refusal of what the SLM of a route cannot take, where the LLM is not to be paid for it; nil: it is asked.
    /// - Parameters:
    ///   - obstacle: what that is.
    ///   - parameter: the field that it stands in, where it is one.
    func refusalToPay(for obstacle: String, parameter: String? = nil, on route: RouteRecord) -> GatewayRefusal? {
        let cannot = "The model of this route cannot take \(obstacle), and "
        guard !route.settings.escalationForbidden else {
            return GatewayRefusal.invalidRequest(cannot + "the route may not escalate.", parameter: parameter)
        }
        // Worth nothing, and so nothing is paid for it: a router would not either.
        guard options.valueUSD ?? route.settings.valueUSD == 0 else { return nil }
        let header = HTTPField.Name.valueUSD.rawName
        let why =
            options.valueUSD == nil
            ? "the route's value_usd is 0, and the request has no \(header)" : "\(header) is 0"
        return GatewayRefusal.invalidRequest(cannot + "the LLM is not paid, since \(why).", parameter: header)
    }

    /// Says that a stream broke off of which its client has the beginning. It is counted as every request is, by the
    /// status that it would have had.
    /// - Parameters:
    ///   - model: whose answer broke off.
    ///   - why: without words of the prompt or of the answer.
    func noteBrokenOff(_ model: String, route: String?, code: String, why: String) {
        services.logger.warning(
            "a streamed answer broke off",
            metadata: [
                "request": "\(requestIDText)", "tenant": "\(caller.tenant.name)", "route": "\(route ?? "")",
                "model": "\(model)", "code": "\(code)", "why": "\(why)", "bytes": "\(stream.written)",
            ])
    }

    private func count(_ summary: AnswerReport, route: String, elapsed: Duration) {
        let registry = services.metrics.registry
        let labels = [caller.tenant.name, route, summary.servedBy.rawValue]
        registry.observe("gboost_request_seconds", elapsed / .seconds(1), [summary.servedBy.rawValue])
        if let overhead = summary.overheadMilliseconds {
            registry.observe("gboost_overhead_seconds", overhead / 1000, [summary.servedBy.rawValue])
        }
        registry.add("gboost_answers_total", 1, labels)
        let rewards = summary.steps.filter { $0.source == .slm }.compactMap { $0.reward?.calibrated }
        if let least = rewards.min() { registry.observe("gboost_answer_reward", least, labels) }
    }

    /// Metrics and the request's row, at the very end.
    /// - Parameters:
    ///   - slm: the local model that worked on it.
    ///   - learning: what the route's router learns from it, and who is told when that is recorded.
    func record(
        _ summary: AnswerReport, route: String?, status: Int, slm: String? = nil, learning: RecordedLearning? = nil
    ) async {
        var record = row(summary, route: route, status: status)
        record.slm = slm
        save(record, learning)
    }

    /// The same of a request without an answer, whose paid calls may have cost something all the same.
    func record(failed route: String?, status: Int, cost: NanoUSD, escalations: Int) async {
        var record = row(nil, route: route, status: status)
        record.costNanoUSD = cost.rawValue
        record.escalations = escalations
        save(record, nil)
    }

    private func row(_ summary: AnswerReport?, route: String?, status: Int) -> RequestRecord {
        let elapsed = ContinuousClock.now - startedAt
        let registry = services.metrics.registry
        let tenant = caller.tenant.name
        registry.add("gboost_requests_total", 1, [tenant, summary == nil ? "" : request.model, String(status)])
        if let summary {
            count(summary, route: route ?? "", elapsed: elapsed)
            if let degraded = summary.degraded { registry.add("gboost_degraded_total", 1, [degraded.rawValue]) }
            registry.add("gboost_tokens_total", Double(summary.slmInputTokens), [tenant, "slm_input"])
            registry.add("gboost_tokens_total", Double(summary.slmOutputTokens), [tenant, "slm_output"])
        }
        var record = RequestRecord(
            id: requestID, tenantID: caller.tenant.id, teamID: caller.teamID, keyID: caller.keyID,
            model: String(request.model.prefix(256)), route: route, servedBy: summary?.servedBy, status: status,
            steps: summary?.steps.count ?? 0, escalations: summary?.escalations ?? 0,
            degraded: summary?.degraded, slmInputTokens: summary?.slmInputTokens ?? 0,
            slmOutputTokens: summary?.slmOutputTokens ?? 0, costNanoUSD: summary?.cost.rawValue ?? 0,
            startedAt: startedOn, milliseconds: Int64(elapsed / .milliseconds(1)))
        record.refused = refused.take()
        return record
    }

    private func save(_ record: RequestRecord, _ learning: RecordedLearning?) {
        let (ledger, finished) = (services.ledger, record)
        services.activity.trail {
            guard let learning, let outcome = await learning.outcome() else { return await ledger.record(finished) }
            var taught = finished
            taught.outcome = outcome
            await ledger.record(taught)
            learning.recorded()
        }
    }
}

extension GatewayRefusal {
    /// The same of a request whose paid calls cost something: the client is told how much. Whatever failed in the end,
    /// sent again the request would be paid for again, so its library and its idempotency key are not to do that.
    func charged(_ cost: NanoUSD) -> GatewayRefusal {
        guard cost > .zero else { return self }
        var refusal = self
        refusal.mayHaveCharged = true
        refusal.shouldRetry = false
        refusal.retryAfterSeconds = nil
        refusal.cost = cost
        refusal.metadata.append((name: "cost_usd", value: cost.usdString))
        return refusal
    }
}

/// What a route's router learns from an answer, worked out when the client has the answer.
struct RecordedLearning: Sendable {
    /// nil: nothing.
    var outcome: @Sendable () async -> String?
    var recorded: @Sendable () -> Void
}
