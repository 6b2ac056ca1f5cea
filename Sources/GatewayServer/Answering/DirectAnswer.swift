internal import Crypto
internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import WireFormat

/// Answers a request by one paid call, bytes passed through, under the same ledger as everything else.
struct DirectAnswer: Sendable {
    let job: AnswerJob
    let model: ModelReference
    /// Name of the boosted route, when an SLM could not take the request.
    let route: String?
    /// Why the request came here, for the audit.
    let reason: String
    private let promptHash: String

    init(job: AnswerJob, model: ModelReference, route: String?, reason: String) {
        (self.job, self.model, self.route, self.reason) = (job, model, route, reason)
        promptHash = job.contentHash(job.request.body)
    }

    /// Runs to the end: the client's answer and the money. Never throws; a refusal goes to the client.
    func run() async {
        guard job.services.providers[model.provider] != nil else {
            job.refused.add(
                RefusedCall(
                    step: 0, at: Date(), model: model, reason: .priceUnknown,
                    escalation: escalation(answerHash: nil)))
            return await refuse(.priceUnknown(model))
        }
        guard await !job.answer(from: caching, route: route) else { return }
        let started = ContinuousClock.now
        do {
            let opened = try await job.attempts.run(model, isWanted: !job.stream.isAbandoned, prepare: offer)
            let relay = job.request.relay(for: opened.sent, created: job.created)
            let isAnswered =
                job.request.isStream
                ? await forward(opened.exchange, through: relay, held: opened.held, started: started)
                : await deliver(opened.exchange, through: relay, held: opened.held, started: started)
            if isAnswered { MirroredCall.begin(for: job, named: model, served: opened.held.plan.model) }
        } catch let error as WireFormatError {
            await refuse(GatewayRefusal(error))
        } catch let refusal as PaidRefusal {
            await refuse(refusal.refusal, cost: refusal.charge?.cost ?? .zero)
        } catch let refusal as GatewayRefusal {
            await refuse(refusal)
        } catch {
            await refuse(.unexpected(error))
        }
    }

    /// nil: nothing of this request is kept.
    private var caching: AnswerCaching? { AnswerCaching(job, model: model) }

    /// The call as a candidate would get it.
    func offer(_ candidate: ModelReference) throws -> PaidOffer {
        guard let provider = job.services.providers[candidate.provider] else {
            throw PaidRefusal.priceUnknown(candidate)
        }
        let (job, traits) = (job, provider.traits)
        let sent = try job.request.translated(for: provider, model: candidate.model)
        return PaidOffer(
            plan: try plan(sent, to: candidate), sent: sent, record: escalation(answerHash: nil)
        ) { held throws(WireFormatError) in
            let hasHourMark = try sent.checkMarks(held, traits: traits, asked: job.request)
            let body = try sent.paidBody(
                model: candidate.model, maxTokens: Int(held.maxOutputTokens) / job.request.choices, traits: traits)
            var call = PaidCall(
                model: candidate, body: body, isStream: job.request.isStream, requestID: job.requestIDText)
            call.endpoint = sent.endpoint
            call.headers = job.passedHeaders
            call.cacheWrites = CacheWrites(held.price.rates)
            call.hasHourMark = hasHourMark
            return call
        }
    }

    /// - Parameter sent: the request as its provider takes it.
    private func plan(_ sent: WireRequest, to model: ModelReference) throws -> PaidPlan {
        let inputTokens = try sent.inputTokens()
        let limits = job.services.limits
        let perChoice = job.request.outputLimit.map(Int64.init) ?? limits.defaultMaxTokens
        let choices = Int64(job.request.choices)
        let (wanted, overflow) = perChoice.multipliedReportingOverflow(by: choices)
        guard !overflow else {
            throw GatewayRefusal.invalidRequest("max_tokens is too large.", parameter: "max_tokens")
        }
        // A client that named a bound gets it or a refusal; a default may shrink to what the budget allows.
        let least = job.request.outputLimit == nil ? min(wanted, limits.leastDirectTokens * choices) : wanted
        return PaidPlan(
            id: HoldID(request: job.requestID, step: 0, attempt: 0), caller: job.caller, route: route, model: model,
            kind: .direct, inputTokens: inputTokens, maxOutputTokens: wanted, leastOutputTokens: least,
            ceiling: job.options.maxCost, tags: job.options.tags)
    }

    func escalation(answerHash: String?) -> EscalationRecord {
        EscalationRecord(
            kind: .direct, reason: reason, promptHash: promptHash, answerHash: answerHash)
    }

    // MARK: Without a stream

    /// False: it came to nothing, and the client has been told.
    private func deliver(
        _ exchange: any PaidExchange, through relay: any AnswerRelay, held: HeldCall, started: ContinuousClock.Instant
    ) async -> Bool {
        var body: [UInt8] = []
        var answer = HashedAnswer(job)
        var failure: ProviderError?
        do {
            while let chunk = try await exchange.next() {
                body += chunk.bytes
                answer.add(chunk.text)
            }
        } catch {
            failure = PaidHop.providerError(error)
        }
        let waited = ContinuousClock.now - started
        let result = await exchange.result
        let summary = await settle(held, result: result, failure: failure, answer: answer, waited: waited)
        do throws(WireFormatError) {
            if failure == nil { body = try relay.whole(body, gboost: summary.json) }
        } catch {
            failure = ProviderError(code: .interrupted, message: error.message)
        }
        if let failure {
            await refuse(.upstream(failure), cost: summary.cost)
            return false
        }
        caching?.keep(body, summary)
        await job.deliver(body, summary: summary)
        await job.record(summary, route: route, status: 200)
        return true
    }

    // MARK: Streaming

    /// False: the client did not get all of it.
    private func forward(
        _ exchange: any PaidExchange, through way: any AnswerRelay, held: HeldCall, started: ContinuousClock.Instant
    ) async -> Bool {
        var relay = way
        var answer = HashedAnswer(job)
        var failure: ProviderError?
        var hasBegun = false
        var hasClient = true
        var isUnreadable = false
        let caching = caching
        var kept: [UInt8] = []
        do {
            while hasClient, let chunk = try await exchange.next() {
                if !hasBegun { begin(held) }
                hasBegun = true
                answer.add(chunk.text)
                let bytes = try relay.pass(chunk.bytes)
                if caching != nil, kept.count <= CachedAnswers.maxAnswerBytes { kept += bytes }
                if !bytes.isEmpty { hasClient = await job.stream.write(bytes) }
            }
        } catch let error as WireFormatError {
            isUnreadable = true
            failure = ProviderError(code: .interrupted, message: error.message)
        } catch {
            failure = PaidHop.providerError(error)
        }
        // Client gone, or nothing more to be made of the answer: the provider goes on charging, so its usage is read
        // before the hold is settled.
        let isOpen = !hasClient || isUnreadable
        let result = isOpen ? await exchange.drain(seconds: job.services.limits.drainSeconds) : await exchange.result
        let waited = ContinuousClock.now - started
        let summary = await settle(held, result: result, failure: failure, answer: answer, waited: waited)
        if let failure {
            guard hasBegun else {
                await refuse(.upstream(failure), cost: summary.cost)
                return false
            }
            job.noteBrokenOff("\(held.plan.model)", route: route, code: failure.code.rawValue, why: failure.logText)
            var out: [UInt8] = []
            job.request.wire.appendError(.upstream(failure).charged(summary.cost), to: &out)
            _ = await job.stream.write(out)
        } else {
            if !hasBegun { begin(held) }
            let end = relay.finish(gboost: summary.json)
            if hasClient { caching?.keep(kept + end, summary) }
            _ = await job.stream.write(end)
        }
        job.stream.finish()
        await job.record(summary, route: route, status: failure == nil ? 200 : 502)
        return failure == nil && hasClient
    }

    private func begin(_ held: HeldCall) {
        var headers = AnswerJob.streamHeaders
        headers[.servedBy] = ServedBy.llm.rawValue
        headers[.budgetRemainingUSD] = held.budget.remaining.usdString
        if caching != nil { headers[.cache] = CacheUse.miss.rawValue }
        job.stream.begin(AnswerHead(headers: headers))
        let elapsed = ContinuousClock.now - job.startedAt
        job.services.metrics.registry.observe(
            "gboost_first_byte_seconds", elapsed / .seconds(1), [ServedBy.llm.rawValue])
    }

    // MARK: Both

    private func settle(
        _ held: HeldCall, result: PaidResult, failure: ProviderError?, answer: HashedAnswer, waited: Duration
    ) async -> AnswerReport {
        let cost = await job.hop.settle(
            held, result: result, failure: failure, escalation: escalation(answerHash: answer.hash))
        job.capture(held.plan.id, prompt: job.request.body, answer: answer.text)
        job.services.metrics.registry.observe(
            "gboost_provider_seconds", waited / .seconds(1), [held.plan.model.provider])
        var summary = AnswerReport(requestID: job.requestIDText, servedBy: .llm)
        summary.cost = cost
        summary.escalations = 1
        summary.budget = held.budget.after(hold: held.amount, cost: cost)
        summary.cache = caching == nil ? nil : .miss
        summary.finishReason = result.finishReason ?? "stop"
        summary.promptTokens = result.credibleUsage?.input ?? 0
        summary.completionTokens = result.credibleUsage?.output ?? 0
        summary.overheadMilliseconds = job.overhead(waiting: waited)
        return summary
    }

    private func refuse(_ refusal: GatewayRefusal, cost: NanoUSD = .zero) async {
        await job.refuse(
            refusal, route: route, cost: cost, escalations: cost == .zero ? 0 : 1)
    }
}

/// An answer on its way: hashed as it comes, and kept only where its tenant wants that.
struct HashedAnswer {
    /// Of the answer; what comes after it is hashed only.
    private static let maxBytes = 1 << 20
    private var code: HMAC<SHA256>
    private let isKept: Bool
    private(set) var text: [UInt8] = []

    init(_ job: AnswerJob) {
        code = job.services.contentCode
        isKept = job.capturesText
    }

    mutating func add(_ piece: String) {
        let bytes = Array(piece.utf8)
        code.update(data: bytes)
        if isKept, text.count <= Self.maxBytes { text += bytes }
    }

    var hash: String { code.finalize().hexadecimal }
}

extension BudgetState {
    /// The state once this request's own hold has become its cost; what others did meanwhile is not in it.
    func after(hold: NanoUSD, cost: NanoUSD) -> BudgetState {
        var state = self
        state.held = held.subtracting(hold) ?? held
        state.settled = settled.adding(cost) ?? settled
        return state
    }
}
