internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import Router
internal import WireFormat

/// Answers a request of a boosted route: performs what the strategy says, step by step.
struct BoostedAnswer: Sendable {
    let job: AnswerJob
    /// The request as SLMs take it; a translation where the client speaks another format.
    let chat: ChatCompletionRequest
    let route: RouteRecord
    let strategy: StrategyKind
    /// Of an answer with tools or by a schema, which is drafted, judged and escalated whole.
    var form: StructuredForm?

    /// Drafts that an engine's restart may cost before the SLM counts as failed.
    private static let interruptedTries = 3

    /// Runs to the end: the client's answer and the money of every escalation. Never throws, so that what is taken of
    /// a local limit is given back however the answer ends.
    func run() async {
        let limits = await job.services.catalog.localLimits(job.caller)
        switch job.services.localLimits.admit(limits, tokens: mostTokens) {
        case .refused(let state): await job.refuse(.rateLimited(state), route: route.name)
        case .admitted(let ticket):
            var state = AnswerProgress(job: job)
            await answer(&state)
            job.services.localLimits.finish(ticket, tokens: state.localTokens)
        }
    }

    /// The most tokens that a plain answer of the SLM reads and writes.
    private var mostTokens: Int64 {
        let output = min(route.settings.maxAnswerTokens, chat.outputLimit ?? .max)
        return PromptBound.inputTokens(bodyBytes: chat.body.count, messages: chat.messages.count)
            + Int64(output)
    }

    private func answer(_ state: inout AnswerProgress) async {
        let models = RouteModels(job.services, route: route)
        let settings = settings
        var spending = await SpendingView.load(
            job: job, chat: chat, route: route, thinkingTokens: settings.llmThinkingTokens)
        var context = StrategyContext(
            settings: settings, sampling: sampling, maxTokens: chat.outputLimit, valueUSD: job.options.valueUSD)
        state.learning = await learning(spending)
        note(state.learning?.state)
        if let learned = state.learning?.state {
            context.controller = AdaptiveController(state: learned, seed: job.requestID.lowBits)
        }
        var machine = makeStrategy(strategy, context)
        var action = machine.next(.start)
        while true {
            // Seen while something else was under way: what comes next would be drafted, and paid for, for nobody.
            if action.isWork, job.stream.isAbandoned {
                await noteWithheld(machine.summary, models: models)
                return await leave(state, (models, spending))
            }
            switch action {
            case .draft(let plan):
                if plan.attempt > 0 { count(.resample) }
                action = machine.next(await draft(plan, models: models, spending: spending, state: &state))
            case .escalate(let plan):
                action = machine.next(await escalate(plan, models: models, spending: &spending, state: &state))
                if state.hasLeft {
                    await noteWithheld(machine.summary, models: models)
                    return await leave(state, (models, spending))
                }
            case .emit(let step):
                guard await emit(step, state: &state) else {
                    await noteWithheld(machine.summary, models: models)
                    return await leave(state, (models, spending))
                }
                action = machine.next(.emitted)
            case .finish(let finish):
                await models.end(session: job.requestID)
                await noteWithheld(machine.summary, models: models)
                return await self.finish(finish, machine.summary, (models, spending), state: &state)
            }
        }
    }

    private var settings: RouteSettings {
        var settings = route.settings
        if form != nil { settings.maxStepTokens = settings.maxAnswerTokens }
        // The client's own request, which a form is escalated as, has the client's own bound for both.
        settings.llmThinkingTokens = form == nil ? settings.thinkingTokens(of: route.llm.model) : 0
        return settings
    }

    private var sampling: Sampling {
        // A top_p of 0 is the most probable token, as clients mean it.
        let topP = max(chat.topP ?? 1, 1e-6)
        var sampling = Sampling(temperature: chat.temperature ?? 0, topP: topP)
        let wishes = chat.sampling
        sampling.topK = wishes.topK ?? sampling.topK
        sampling.minP = wishes.minP ?? sampling.minP
        sampling.repeatPenalty = wishes.repeatPenalty ?? sampling.repeatPenalty
        sampling.frequencyPenalty = wishes.frequencyPenalty ?? sampling.frequencyPenalty
        sampling.presencePenalty = wishes.presencePenalty ?? sampling.presencePenalty
        sampling.logitBias = wishes.logitBias
        // Without a seed of the client's every request draws its own numbers, and its retries the same ones.
        let id = job.requestID.uuid
        let own = UInt32(id.12) << 24 | UInt32(id.13) << 16 | UInt32(id.14) << 8 | UInt32(id.15)
        sampling.seed = chat.seed.map { UInt32(truncatingIfNeeded: $0) } ?? own
        return sampling
    }

    private func count(_ action: StepAction) {
        job.services.metrics.registry.add(
            "gboost_decisions_total", 1, [job.caller.tenant.name, route.name, action.rawValue])
    }

    private func observe(_ reward: ProcessReward) {
        job.services.metrics.registry.observe(
            "gboost_step_reward", reward.calibrated, [job.caller.tenant.name, route.name])
    }

    /// λ that this answer is decided by: the router's, or the route's own.
    private func note(_ state: RouterState?) {
        let price = state?.shadowPrice(settings: route.settings) ?? route.settings.shadowPrice
        let labels = [job.caller.tenant.name, route.name]
        job.services.metrics.registry.set("gboost_shadow_price", price, labels)
        // Known from the first answer on, so that the first of them is seen, and none is a figure too.
        job.services.metrics.registry.add("gboost_explorations_total", 0, labels)
        job.services.metrics.registry.add("gboost_cost_nano_usd_total", 0, labels + ["\(route.llm)"])
    }

    /// What the route's router knows; nil where λ is the route's own and nothing is learned.
    private func learning(_ spending: SpendingView) async -> AnswerLearning? {
        guard job.services.learning.isOn, route.settings.target != .price, strategy != .direct,
            !route.settings.escalationForbidden, let price = spending.price
        else { return nil }
        let prompt = Int(clamping: chat.body.count / 4)
        let mean = price.expectedUSD(context: prompt, cached: 0, output: route.settings.expectedRestTokens)
        guard mean > 0 else { return nil }
        let budget = spending.budget
        let fresh = RouterState.initial(
            settings: route.settings, meanAnswer: mean, budget: budget?.limit.approximateUSD)
        let state = await job.services.learning.state(of: route, fresh: fresh)
        var learning = AnswerLearning(settings: route.settings, price: price, state: state)
        // A request that chose its own strategy is decided by what the route knows, and teaches it nothing.
        learning.isRecorded = strategy == route.settings.strategy
        return learning
    }

    // MARK: Drafting

    private func draft(
        _ plan: DraftPlan, models: RouteModels, spending: SpendingView, state: inout AnswerProgress
    ) async -> StrategyEvent {
        do {
            let prm = plan.wantsReward ? await models.prm() : nil
            var request = DraftRequest(
                session: job.requestID, messages: messages, answer: begun(plan.answer), sampling: plan.sampling,
                maxTokens: plan.maxTokens, boundary: plan.boundary, stop: chat.stop,
                wantsHidden: prm?.needsHidden ?? false)
            form?.prepare(&request)
            let started = ContinuousClock.now
            defer {
                state.waited += ContinuousClock.now - started
                job.services.readings.worked(ContinuousClock.now - started)
            }
            if plan.candidates > 1 {
                return try await candidates(request, plan, (models, prm), spending: spending, &state)
            }
            let draft = try await self.draft(request, models: models)
            state.note(draft, isFirst: plan.step == 0 && plan.attempt == 0)
            let scored = try? await prm?.score(
                session: job.requestID, messages: messages, answer: begun(plan.texts), draft: draft)
            var reward = scored?.taken(for: route.settings.target)
            // A call that cannot be read, whatever else may be said of it, is of no use.
            if let form, reward != nil, form.turn(plan.texts.joined() + draft.text) == nil {
                reward = ProcessReward(raw: 0, calibrated: 0)
            }
            if let reward {
                state.learning?.scored(plan, p: reward.calibrated, context: draft.promptTokens)
                observe(reward)
            }
            let outlook = spending.outlook(inputTokens: inputBound(plan.texts))
            return .drafted(draft, reward: reward, outlook: outlook)
        } catch let error as LocalModelError {
            return failed(error)
        } catch {
            return failed(.unavailable("\(error)"))
        }
    }

    /// Several drafts of a step, drafted and scored side by side.
    private func candidates(
        _ request: DraftRequest, _ plan: DraftPlan, _ models: (routes: RouteModels, prm: (any ProcessRewardModel)?),
        spending: SpendingView, _ state: inout AnswerProgress
    ) async throws -> StrategyEvent {
        let drafts: [StepDraft]
        do {
            drafts = try await models.routes.slm().drafts(request, candidates: plan.candidates)
        } catch LocalModelError.invalid, LocalModelError.interrupted {
            // More than the engine takes at once, or it died with them: one is a draft as well.
            drafts = [try await draft(request, models: models.routes)]
        }
        let rewards = try? await models.prm?.score(
            session: job.requestID, messages: messages, answer: begun(plan.texts), candidates: drafts)
        var candidates: [DraftedCandidate] = []
        for (index, draft) in drafts.enumerated() {
            state.note(draft, isFirst: plan.step == 0 && plan.attempt == 0 && index == 0)
            let scored = rewards.flatMap { $0.count == drafts.count ? $0[index] : nil }
            let reward = scored?.taken(for: route.settings.target)
            if let reward {
                state.learning?.scored(plan, p: reward.calibrated, context: draft.promptTokens)
                observe(reward)
            }
            candidates.append(DraftedCandidate(draft: draft, reward: reward))
        }
        let outlook = spending.outlook(inputTokens: inputBound(plan.texts))
        return .candidates(candidates, outlook: outlook)
    }

    /// One draft; an engine that died with it is asked again when it is back.
    private func draft(_ request: DraftRequest, models: RouteModels) async throws -> StepDraft {
        var tries = 0
        while true {
            do {
                return try await models.slm().draft(request)
            } catch LocalModelError.interrupted where tries + 1 < Self.interruptedTries {
                tries += 1
            }
        }
    }

    private var messages: [ChatMessage] {
        chat.messages.map { message in
            var copy = ChatMessage(role: message.role == "developer" ? "system" : message.role, content: message.text)
            copy.toolCalls = message.toolCalls
            copy.toolCallID = message.toolCallID
            copy.name = message.name
            return copy
        }
    }

    // MARK: Escalating

    /// Of what an LLM would have to read.
    private func inputBound(_ texts: [String]) -> Int64 {
        if form != nil, let bound = PromptBound.inputTokens(chat) { return bound }
        return prompt(texts, maxTokens: 1).inputBound(.rest)
    }

    private func prompt(_ texts: [String], maxTokens: Int) -> EscalationPrompt {
        let separator: String? =
            switch route.settings.boundary {
            case .newline: "\n"
            case .blankLine: "\n\n"
            case .pattern: nil
            }
        var prompt = EscalationPrompt(
            model: route.llm.model, messages: messages.map { .init(role: $0.role, content: $0.content) },
            acceptedSteps: begun(texts), separator: separator, maxTokens: maxTokens,
            temperature: chat.temperature ?? 0)
        if texts.isEmpty { prompt.opening = opening }
        return prompt
    }

    private func escalate(
        _ plan: EscalationPlan, models: RouteModels, spending: inout SpendingView, state: inout AnswerProgress
    ) async -> StrategyEvent {
        count(plan.kind == .step ? .llmStep : .llmRest)
        if plan.decision.isExploration {
            job.services.metrics.registry.add("gboost_explorations_total", 1, [job.caller.tenant.name, route.name])
        }
        var escalation = Escalation(
            job: job, stop: chat.stop, route: route, plan: plan, prompt: prompt(plan.texts, maxTokens: plan.maxTokens),
            hashes: await models.hashes(), remaining: spending.outlook(inputTokens: 0).remaining)
        escalation.whole = form == nil ? nil : chat
        escalation.fusion = await fusion(plan, models: models)
        let clock = ContinuousClock.now
        let outcome = await escalation.run(ceiling: spending.ceilingLeft) { await state.send($0, by: .llm) }
        state.waited += ContinuousClock.now - clock
        switch outcome {
        case .written(let written):
            state.note(written)
            state.learning?.wrote(plan, cost: written.cost)
            spending.spent(written.cost, budget: written.budget)
            if written.reply.wasStreamed { state.appendWritten(written.reply.text, index: plan.step) }
            return .wrote(written.reply)
        case .refused(let refusal, let charge):
            guard let charge else { return .refused(refusal) }
            state.learning?.failed(cost: charge.cost)
            spending.spent(charge.cost, budget: charge.budget)
            state.note(charge)
            return .refused(refusal)
        }
    }

    /// The step as SLM and LLM would write it together; nil where the LLM is asked alone.
    private func fusion(_ plan: EscalationPlan, models: RouteModels) async -> FusedStep? {
        guard plan.kind == .step, form == nil, route.settings.fusionWeight > 0, let slm = try? await models.slm() else {
            return nil
        }
        // Each step draws numbers of its own.
        var own = sampling
        own.seed &+= UInt32(truncatingIfNeeded: plan.step) &* 0x9E37_79B1
        let request = DraftRequest(
            session: job.requestID, messages: messages, answer: begun(plan.texts).map { .text($0) }, sampling: own,
            maxTokens: plan.maxTokens, boundary: route.settings.boundary, stop: chat.stop, wantsHidden: false)
        return FusedStep(request: request, partner: slm, weight: route.settings.fusionWeight)
    }

    // MARK: The client

    private func emit(_ step: EmittedStep, state: inout AnswerProgress) async -> Bool {
        if step.source == .slm { count(.accept) }
        state.append(step)
        // A call is sent once it is complete, and a schema's answer with it: there is one step.
        return form == nil ? await state.send(step.text) : !job.stream.isAbandoned
    }

    /// The client has left: nothing more is drafted or paid for. What was paid is settled already, and is the route's.
    private func leave(_ state: AnswerProgress, _ known: (models: RouteModels, spending: SpendingView)) async {
        await known.models.end(session: job.requestID)
        job.stream.finish()
        let report = state.report(servedBy: state.servedBy, degraded: nil, budget: nil, finishReason: "stop")
        let learning = recorded(state, known.models, budgets: known.spending.budgets)
        await job.record(report, route: route.name, status: 499, slm: route.slm, learning: learning)
    }

    private func finish(
        _ finish: Finish, _ summary: AnswerSummary, _ known: (models: RouteModels, spending: SpendingView),
        state: inout AnswerProgress
    ) async {
        let spending = known.spending
        let reason: String
        switch finish.reason {
        case .stop: reason = "stop"
        case .length: reason = "length"
        case .contentFilter: reason = "content_filter"
        case .localModelFailed(let error): return await fail(.localModel(error), state: state)
        case .refused(let refusal): return await fail(spending.refusal(refusal), state: state)
        case .outOfTurn: return await fail(.unexpected(StrategyOutOfTurn()), state: state)
        }
        let degraded = finish.degraded ?? (route.settings.escalationForbidden ? nil : spending.withheld)
        var report = state.report(
            servedBy: summary.servedBy ?? .slm, degraded: degraded, budget: spending.budget, finishReason: reason)
        report.stop = finish.stop
        if let form {
            await state.close(report, turn: state.turn ?? form.turn(state.text) ?? AssistantTurn(text: state.text))
        } else {
            await state.close(report)
        }
        let learning = recorded(state, known.models, budgets: spending.budgets)
        await job.record(report, route: route.name, status: 200, slm: route.slm, learning: learning)
    }

    /// What the route's router learns; the rest that an LLM wrote is read for that, where there is time.
    private func recorded(
        _ state: AnswerProgress, _ models: RouteModels, budgets: [BudgetState]
    ) -> RecordedLearning? {
        guard let learning = state.learning else { return nil }
        let rest =
            learning.isRecorded ? RestReading(state.trace, messages: messages, before: begun([]), models: models) : nil
        let (services, route, now) = (job.services, route, job.startedOn)
        return RecordedLearning(
            outcome: {
                var learning = learning
                if let rest { learning.read = await services.readings.read { await rest.probability() } }
                return learning.outcome(budgets: budgets, now: now)
            }, recorded: { services.learning.note(route) })
    }

    private func fail(_ refusal: GatewayRefusal, state: AnswerProgress) async {
        guard state.hasBegun else {
            return await job.refuse(
                refusal, route: route.name, cost: state.cost, escalations: state.paidCalls)
        }
        job.noteBrokenOff(route.slm, route: route.name, code: refusal.code, why: refusal.logText ?? "")
        var out: [UInt8] = []
        job.request.wire.appendError(refusal.charged(state.cost), to: &out)
        _ = await job.stream.write(out)
        job.stream.finish()
        await job.record(
            failed: route.name, status: refusal.status, cost: state.cost, escalations: state.paidCalls)
    }
}

extension UUID {
    /// Random bits of a UUIDv7.
    var lowBits: UInt64 {
        [uuid.8, uuid.9, uuid.10, uuid.11, uuid.12, uuid.13, uuid.14, uuid.15].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// The strategy was told something that does not answer its last action: a defect of the driver.
struct StrategyOutOfTurn: Error {}
