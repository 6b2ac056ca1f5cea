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
    /// What the LLM read, as its provider counts.
    var promptTokens: Int64?
    /// Of an answer that was asked for whole: what the LLM said, calls of tools included.
    var turn: AssistantTurn?
}

/// How an escalation ended.
enum EscalationOutcome: Sendable {
    case written(WrittenByLLM)
    /// Nothing came of it. A call that broke may have been charged for all the same.
    case refused(EscalationRefusal, charge: FailedCharge? = nil)
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
    /// A step that the LLM may write together with the SLM.
    var fusion: FusedStep?
    /// The SLM goes on instead of waiting any longer for another try.
    private static let patience = Duration.seconds(1)

    /// What a question asks for beside its words, for which some models refuse it.
    private struct Wishes {
        /// `temperature` and `stop`.
        var hasSampling = false
        var effort: String?
        var isEmpty: Bool { !hasSampling && effort == nil }
    }

    private var ask: EscalationPrompt.Ask { plan.kind == .step ? .step : .rest }
    /// A step may still be of no use when it has come; a rest ends the answer, so the client may read along.
    private var isStreamed: Bool { job.request.isStream && ask == .rest && whole == nil }

    /// - Parameters:
    ///   - ceiling: what the request may still spend by its own header.
    ///   - send: takes pieces of a rest for a streaming client; false: the client has left.
    func run(ceiling: NanoUSD?, send: (String) async -> Bool) async -> EscalationOutcome {
        guard !route.settings.escalationForbidden else { return .refused(.priceUnknown) }
        guard job.services.providers[route.llm.provider] != nil else { return unasked(.priceUnknown) }
        do {
            return try await call(ceiling: ceiling, send: send)
        } catch is GatewayRefusal {
            return unasked(.notTranslatable)
        } catch {
            return .refused(Self.refusal(error), charge: (error as? PaidRefusal)?.charge)
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

    /// What the question may ask of a model, by its name and by what it refused of late.
    private func wishes(of model: ModelReference, at provider: any PaidProvider) -> Wishes {
        guard whole == nil, !job.services.guards.samplingRefusals.contains(model) else { return Wishes() }
        // In Anthropic's format white space may not end an answer, and newer models take no temperature.
        let isChat = provider.endpoints.contains(.chatCompletions)
        return Wishes(
            hasSampling: isChat && ProviderTraits.takesWishes(model.model),
            effort: ProviderTraits.effort(for: model.model))
    }

    /// The question in the provider's format.
    private func question(for provider: any PaidProvider, model: String, wishes: Wishes) throws -> WireRequest {
        if whole != nil {
            return try job.request.unstreamed().translated(for: provider, model: model)
        }
        var prompt = self.prompt
        // A step or a rest is little to think about.
        prompt.effort = wishes.effort
        // Anthropic's clients are told which of theirs ended the answer, which is known only where it is cut here.
        if case .messages = job.request {} else { prompt.clientStop = stop }
        if !wishes.hasSampling {
            // The reply is cut here all the same; the client's own wish was for its answer, not for this question.
            prompt.sendsStop = false
            prompt.temperature = nil
        }
        return try WireRequest.chat(ChatCompletionRequest(prompt.body(for: ask, stream: isStreamed)))
            .translated(for: provider, model: model)
    }

    private func paidPlan(_ sent: WireRequest, of model: ModelReference, ceiling: NanoUSD?) throws -> PaidPlan {
        let thoughts = Int64(thinkingTokens(of: model))
        let wanted = Int64(plan.maxTokens) + thoughts
        let input = whole == nil ? max(prompt.inputBound(ask), try sent.inputTokens()) : try sent.inputTokens()
        return PaidPlan(
            id: HoldID(request: job.requestID, step: Int16(clamping: plan.step), attempt: 0), caller: job.caller,
            route: route.name, model: model, kind: plan.kind, inputTokens: input,
            maxOutputTokens: wanted,
            leastOutputTokens: min(wanted, job.services.limits.leastEscalationTokens + thoughts),
            ceiling: ceiling, tags: job.options.tags, patience: Self.patience)
    }

    /// What a model may think besides what it is to write. The client's own request has the client's own bound.
    private func thinkingTokens(of model: ModelReference) -> Int {
        whole == nil ? route.settings.thinkingTokens(of: model.model) : 0
    }

    /// The question as a candidate would get it.
    private func offer(_ candidate: ModelReference, ceiling: NanoUSD?) throws -> PaidOffer {
        guard let provider = job.services.providers[candidate.provider] else {
            throw PaidRefusal.priceUnknown(candidate)
        }
        let (job, traits) = (job, provider.traits)
        let wishes = wishes(of: candidate, at: provider)
        let sent = try question(for: provider, model: candidate.model, wishes: wishes)
        return PaidOffer(
            plan: try paidPlan(sent, of: candidate, ceiling: ceiling), sent: sent,
            record: record(job.contentHash(sent.body), answer: nil), hasWishes: !wishes.isEmpty
        ) { held throws(WireFormatError) in
            let hasHourMark = try sent.checkMarks(held, traits: traits, asked: job.request)
            let body = try sent.escalationBody(
                model: candidate.model, maxTokens: Int(held.maxOutputTokens), traits: traits)
            var call = PaidCall(model: candidate, body: body, isStream: isStreamed, requestID: job.requestIDText)
            call.endpoint = sent.endpoint
            call.cacheWrites = CacheWrites(held.price.rates)
            call.hasHourMark = hasHourMark
            if whole != nil { call.headers = job.passedHeaders }
            if traits.takesFusion, var fusion {
                // Together they think nothing: what is held for that is no room to write in.
                fusion.request.maxTokens = min(plan.maxTokens, Int(clamping: held.maxOutputTokens))
                call.fusion = fusion
            }
            return call
        }
    }

    private func call(
        ceiling: NanoUSD?, send: (String) async -> Bool
    ) async throws -> EscalationOutcome {
        let started = ContinuousClock.now
        let opened = try await job.attempts.run(route.llm, isWanted: !job.stream.isAbandoned) {
            try offer($0, ceiling: ceiling)
        }
        let (held, call) = (opened.held, opened.call)
        let bound = thinkingTokens(of: held.plan.model) > 0 ? TextBound(tokens: plan.maxTokens) : nil
        let rest = isStreamed ? RestStream(prompt, stop: stop, mostBytes: bound?.streamedBytes) : nil
        var reading = EscalationReading(rest: rest, bound: bound)
        let result = await reading.read(
            opened.exchange, keepsBytes: whole != nil, limits: job.services.limits, send: send)
        let cost = await job.hop.settle(
            held, result: result, failure: reading.failure,
            escalation: record(job.contentHash(call.body), answer: reading.text))
        job.capture(held.plan.id, prompt: call.body, answer: Array(reading.text.utf8))
        job.services.metrics.registry.observe(
            "gboost_provider_seconds", (ContinuousClock.now - started) / .seconds(1), [held.plan.model.provider])
        var written = WrittenByLLM(
            plan: plan, reply: LLMReply(text: "", end: .answer, tokens: reading.tokens(result)),
            cost: cost, budget: held.budget.after(hold: held.amount, cost: cost),
            promptTokens: result.credibleUsage?.input)
        if let read = reading.rest, !read.text.isEmpty {
            written.reply = reply(read, result: result, reading)
            return .written(written)
        }
        if reading.failure != nil, reading.rest?.stop == nil {
            return .refused(.providerUnavailable, charge: FailedCharge(cost: cost, budget: written.budget))
        }
        if let whole {
            take(reading.body, of: opened.sent, for: whole, into: &written)
            if result.credibleUsage == nil { written.reply.tokens = result.tokens(of: written.reply.text) }
        } else if call.fusion != nil {
            written.reply = fused(reading, result: result)
        } else {
            written.reply = reply(reading, result: result)
        }
        return .written(written)
    }

    /// What the client has read along.
    private func reply(_ rest: RestStream, result: PaidResult, _ reading: EscalationReading) -> LLMReply {
        let finish = EscalationPrompt.Finish(reason: result.finishReason)
        var reply = LLMReply(
            text: rest.text, end: reading.failure == nil ? finish.end : .interrupted, tokens: reading.tokens(result),
            wasStreamed: true)
        reply.stop = rest.stop
        // Whatever became of the stream after the stop string or the bound, nothing more of it was wanted.
        if rest.stop != nil { reply.end = .answer }
        if rest.isCut { reply.end = .length }
        return reply
    }

    /// A step of both models: it is one as it stands, cut where the SLM's are.
    private func fused(_ reading: EscalationReading, result: PaidResult) -> LLMReply {
        let end: LLMReplyEnd =
            switch result.finishReason {
            case "boundary": .step
            case "length": .length
            default: .answer
            }
        return LLMReply(text: reading.text, end: end, tokens: reading.tokens(result))
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
        switch reason {
        case "length": written.reply.end = .length
        case "content_filter": written.reply.end = .filtered
        default: break
        }
    }

    /// The provider's text as the strategy takes it. A useless one is empty: the strategy goes on with its draft, where
    /// it has one.
    private func reply(_ reading: EscalationReading, result: PaidResult) -> LLMReply {
        let tokens = reading.tokens(result)
        let cut = reading.bound?.cut(reading.text, result)
        let finish = cut == nil ? EscalationPrompt.Finish(reason: result.finishReason) : .cut
        switch prompt.clean(cut ?? reading.text, ask: ask, finish: finish) {
        case .refused: return LLMReply(text: "", end: finish == .filtered ? .filtered : .step, tokens: tokens)
        case .step(let step): return stopped(LLMReply(text: step, end: .step, tokens: tokens))
        case .cut(let piece): return stopped(LLMReply(text: piece, end: .length, tokens: tokens))
        case .rest(let rest): return stopped(LLMReply(text: rest, end: finish.end, tokens: tokens))
        }
    }

    /// The client's own stop strings hold for LLM-written text too.
    private func stopped(_ reply: LLMReply) -> LLMReply {
        guard let cut = prompt.cut(reply.text, at: stop) else { return reply }
        var reply = reply
        reply.text = cut.text
        reply.stop = cut.stop
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
        case .providerUnavailable?, .rewardUnavailable?, .modelUnavailable?, nil: .providerUnavailable
        }
    }
}

extension EscalationPrompt.Finish {
    /// How a reply that ends the answer ended.
    fileprivate var end: LLMReplyEnd {
        switch self {
        case .stopped: .answer
        case .cut: .length
        case .filtered: .filtered
        }
    }
}
