internal import FoundationEssentials
internal import GatewayCore
internal import Router
internal import WireFormat

/// What an escalation brought.
struct WrittenByLLM: Sendable {
    var plan: EscalationPlan
    var reply: LLMReply
    var cost: NanoUSD
    /// The tightest budget after it.
    var budget: BudgetState
    /// Of an answer that was asked for whole: what the LLM said, calls of tools included.
    var turn: AssistantTurn?
}

/// How an escalation ended.
enum EscalationOutcome: Sendable {
    case written(WrittenByLLM)
    /// Nothing came of it. A call that broke may have been charged for all the same.
    case refused(EscalationRefusal, cost: NanoUSD = .zero)
}

/// One paid step or rest of a boosted answer: hold, call, settle, check what came.
struct Escalation: Sendable {
    let job: AnswerJob
    /// The client's own stop strings.
    let stop: [String]
    let route: RouteRecord
    let plan: EscalationPlan
    let prompt: EscalationPrompt
    let hashes: ModelHashes
    /// What was left when it was decided.
    let remaining: NanoUSD?
    /// An answer with tools or by a schema: the LLM gets the client's own request instead of the question.
    var whole: ChatCompletionRequest?
    /// The SLM goes on instead of waiting any longer for another try.
    private static let patience = Duration.seconds(1)

    private var ask: EscalationPrompt.Ask { plan.kind == .step ? .step : .rest }

    /// - Parameter ceiling: what the request may still spend by its own header.
    func run(ceiling: NanoUSD?) async -> EscalationOutcome {
        guard !route.settings.escalationForbidden else { return .refused(.priceUnknown) }
        guard job.services.providers[route.llm.provider] != nil else { return unasked(.priceUnknown) }
        do {
            return try await call(ceiling: ceiling)
        } catch is GatewayRefusal {
            return unasked(.notTranslatable)
        } catch {
            return .refused(Self.refusal(error))
        }
    }

    /// It did not come so far as to ask for a hold.
    private func unasked(_ reason: RefusalReason) -> EscalationOutcome {
        job.refused.add(
            RefusedCall(
                step: Int16(clamping: plan.step), at: Date(), model: route.llm, reason: reason,
                escalation: record(job.contentHash(job.request.body), answer: nil)))
        return .refused(reason == .priceUnknown ? .priceUnknown : .providerUnavailable)
    }

    /// The question in the provider's format.
    private func question(for provider: any PaidProvider, model: String) throws -> WireRequest {
        if whole != nil {
            return try job.request.unstreamed().translated(for: provider, model: model)
        }
        var prompt = self.prompt
        // Where white space may not end an answer, the reply is cut here.
        if !provider.endpoints.contains(.chatCompletions) {
            prompt.sendsStop = false
            // Newer models of that format take none; the client's own wish was for its answer, not for this question.
            prompt.temperature = nil
        }
        return try WireRequest.chat(ChatCompletionRequest(prompt.body(for: ask, stream: false)))
            .translated(for: provider, model: model)
    }

    private func paidPlan(_ sent: WireRequest, of model: ModelReference, ceiling: NanoUSD?) throws -> PaidPlan {
        let wanted = Int64(plan.maxTokens)
        let input = whole == nil ? max(prompt.inputBound(ask), try sent.inputTokens()) : try sent.inputTokens()
        return PaidPlan(
            id: HoldID(request: job.requestID, step: Int16(clamping: plan.step), attempt: 0), caller: job.caller,
            route: route.name, model: model, kind: plan.kind, inputTokens: input,
            maxOutputTokens: wanted, leastOutputTokens: min(wanted, job.services.limits.leastEscalationTokens),
            ceiling: ceiling, tags: job.options.tags, patience: Self.patience)
    }

    /// The question as a candidate would get it.
    private func offer(_ candidate: ModelReference, ceiling: NanoUSD?) throws -> PaidOffer {
        guard let provider = job.services.providers[candidate.provider] else {
            throw PaidRefusal.priceUnknown(candidate)
        }
        let (job, traits) = (job, provider.traits)
        let sent = try question(for: provider, model: candidate.model)
        return PaidOffer(
            plan: try paidPlan(sent, of: candidate, ceiling: ceiling), sent: sent,
            record: record(job.contentHash(sent.body), answer: nil)
        ) { held throws(WireFormatError) in
            let body = try sent.escalationBody(
                model: candidate.model, maxTokens: Int(held.maxOutputTokens), traits: traits)
            var call = PaidCall(model: candidate, body: body, isStream: false, requestID: job.requestIDText)
            call.endpoint = sent.endpoint
            if whole != nil { call.headers = job.passedHeaders }
            return call
        }
    }

    private func call(ceiling: NanoUSD?) async throws -> EscalationOutcome {
        let started = ContinuousClock.now
        let opened = try await job.attempts.run(route.llm, isWanted: !job.stream.isAbandoned) {
            try offer($0, ceiling: ceiling)
        }
        let (held, call, exchange) = (opened.held, opened.call, opened.exchange)
        var text = ""
        var body: [UInt8] = []
        var failure: ProviderError?
        do {
            while failure == nil, let chunk = try await exchange.next() {
                text += chunk.text
                if whole != nil { body += chunk.bytes }
                if max(text.utf8.count, body.count) > job.services.limits.maxEscalationBytes {
                    failure = ProviderError(code: .interrupted, message: "the reply is too long")
                }
            }
        } catch {
            failure = PaidHop.providerError(error)
        }
        let result = await exchange.result
        let cost = await job.hop.settle(
            held, result: result, failure: failure,
            escalation: record(job.contentHash(call.body), answer: text))
        job.capture(held.plan.id, prompt: call.body, answer: Array(text.utf8))
        job.services.metrics.registry.observe(
            "gboost_provider_seconds", (ContinuousClock.now - started) / .seconds(1), [held.plan.model.provider])
        if failure != nil { return .refused(.providerUnavailable, cost: cost) }
        var written = WrittenByLLM(
            plan: plan, reply: LLMReply(text: "", end: .answer, tokens: Int(result.usage?.output ?? 0)), cost: cost,
            budget: held.budget.after(hold: held.amount, cost: cost))
        if let whole {
            take(body, of: opened.sent, for: whole, into: &written)
        } else {
            written.reply = reply(text, result: result)
        }
        return .written(written)
    }

    /// A whole answer, with its calls; one that cannot be read is empty, as if the LLM had said nothing.
    private func take(
        _ body: [UInt8], of sent: WireRequest, for chat: ChatCompletionRequest, into written: inout WrittenByLLM
    ) {
        let relay = WireRequest.chat(chat).relay(for: sent, created: job.created)
        guard let completion = try? relay.whole(body, gboost: Array("null".utf8)),
            let (turn, reason) = AssistantTurn.read(completion)
        else { return }
        written.turn = turn
        written.reply.text = turn.text + turn.calls.map { "\($0.name)(\($0.arguments))" }.joined(separator: "\n")
        if reason == "length" { written.reply.end = .length }
    }

    /// The provider's text as the strategy takes it. A useless one is empty: the strategy goes on with its draft.
    private func reply(_ text: String, result: PaidResult) -> LLMReply {
        let tokens = Int(result.usage?.output ?? 0)
        let finish = EscalationPrompt.Finish(reason: result.finishReason)
        switch prompt.clean(text, ask: ask, finish: finish) {
        case .refused: return LLMReply(text: "", end: .step, tokens: tokens)
        case .step(let step): return stopped(LLMReply(text: step, end: .step, tokens: tokens))
        case .rest(let rest):
            return stopped(LLMReply(text: rest, end: finish == .cut ? .length : .answer, tokens: tokens))
        }
    }

    /// The client's own stop strings hold for LLM-written text too.
    private func stopped(_ reply: LLMReply) -> LLMReply {
        let cuts = stop.compactMap { reply.text.firstRange(of: $0)?.lowerBound }
        guard let cut = cuts.min() else { return reply }
        var reply = reply
        reply.text = String(reply.text[..<cut])
        reply.end = .answer
        return reply
    }

    private func record(_ promptHash: String, answer: String?) -> EscalationRecord {
        var record = EscalationRecord(kind: plan.kind, decision: plan.decision, reward: plan.reward, hashes: hashes)
        record.remaining = remaining
        record.promptHash = promptHash
        record.answerHash = answer.map { job.contentHash($0.utf8) }
        return record
    }

    private static func refusal(_ error: any Error) -> EscalationRefusal {
        switch (error as? PaidRefusal)?.degraded {
        case .priceUnknown?: .priceUnknown
        case .ledgerUnavailable?: .ledgerUnavailable
        case .budgetExhausted?: .budgetExhausted
        case .rateLimited?: .rateLimited
        case .providerUnavailable?, .rewardUnavailable?, nil: .providerUnavailable
        }
    }
}
