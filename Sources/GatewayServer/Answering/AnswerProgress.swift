internal import GatewayCore
internal import HTTPTypes
internal import Router
internal import WireFormat

/// What a boosted answer consists of so far, and its way to the client.
struct AnswerProgress {
    let job: AnswerJob
    private(set) var text = ""
    private(set) var trace: [StepTrace] = []
    private(set) var hasBegun = false
    /// The client has left.
    private(set) var hasLeft = false
    /// What an escalation wrote, until its step is emitted.
    private(set) var pending: WrittenByLLM?
    /// What an LLM said in the place of the SLM's whole answer; nil: the SLM's is the answer.
    private(set) var turn: AssistantTurn?
    /// What the route's router learns from it; nil: nothing.
    var learning: AnswerLearning?
    /// Of all paid calls.
    private(set) var cost = NanoUSD.zero
    /// Paid calls, also those that came to nothing.
    private(set) var paidCalls = 0
    /// Time spent waiting for paid calls and for the SLM.
    var waited = Duration.zero
    private var promptTokens = 0
    /// Of the first paid call: what is said where no draft counted the prompt.
    private var paidPromptTokens: Int64?
    private var slmTokens = 0
    private var slmInput = 0
    private var answerTokens = 0
    private var llmSteps = 0

    init(job: AnswerJob) { self.job = job }

    /// Counts a draft, accepted or not: the SLM's work is reported, though it costs no budget.
    mutating func note(_ draft: StepDraft, isFirst: Bool) {
        if isFirst { promptTokens = draft.promptTokens }
        slmInput += draft.promptTokens - draft.reusedTokens
        slmTokens += draft.tokenCount
    }

    /// Keeps what an LLM wrote until its step is emitted.
    mutating func note(_ written: WrittenByLLM) {
        pending = written
        paidPromptTokens = paidPromptTokens ?? written.promptTokens
        cost = cost.adding(written.cost) ?? cost
        paidCalls += 1
    }

    /// Counts a call that came to nothing, where it was charged for.
    mutating func note(_ charge: FailedCharge) {
        guard charge.cost > .zero else { return }
        cost = cost.adding(charge.cost) ?? cost
        paidCalls += 1
    }

    mutating func append(_ step: EmittedStep) {
        guard step.source == .slm else { return appendWritten(step.text, index: step.index) }
        text += step.text
        var entry = StepTrace(index: step.index, source: .slm, text: step.text, reward: step.reward)
        entry.action = .accept
        answerTokens += step.tokens
        trace.append(entry)
    }

    /// What an LLM wrote, by what is pending.
    mutating func appendWritten(_ written: String, index: Int) {
        text += written
        llmSteps += 1
        var entry = StepTrace(index: index, source: .llm, text: written, reward: pending?.plan.reward)
        entry.action = pending?.plan.kind == .step ? .llmStep : .llmRest
        entry.reason = pending?.plan.decision.reason
        entry.cost = pending?.cost
        answerTokens += pending?.reply.tokens ?? 0
        turn = pending?.turn
        pending = nil
        trace.append(entry)
    }

    /// Tokens that the SLM read and wrote, accepted or not.
    var localTokens: Int64 { Int64(slmInput) + Int64(slmTokens) }

    var servedBy: ServedBy { llmSteps == 0 ? .slm : llmSteps == trace.count ? .llm : .mixed }

    /// Sends settled text to a streaming client. False: the client has left.
    /// - Parameter writer: whose text it is; nil: of what is settled already.
    mutating func send(_ text: String, by writer: ServedBy? = nil) async -> Bool {
        guard job.request.isStream else { return true }
        var out: [UInt8] = []
        if !hasBegun {
            job.stream.begin(AnswerHead(headers: AnswerJob.streamHeaders))
            job.writer.appendStart(to: &out)
            let elapsed = ContinuousClock.now - job.startedAt
            job.services.metrics.registry.observe(
                "gboost_first_byte_seconds", elapsed / .seconds(1), [(writer ?? servedBy).rawValue])
            hasBegun = true
        }
        job.writer.appendText(text, to: &out)
        hasLeft = await !job.stream.write(out)
        return !hasLeft
    }

    func report(
        servedBy: ServedBy, degraded: DegradedReason?, budget: BudgetState?, finishReason: String
    ) -> AnswerReport {
        var report = AnswerReport(requestID: job.requestIDText, servedBy: servedBy)
        report.steps = trace
        report.escalations = paidCalls
        report.cost = cost
        report.unusedCost = trace.reduce(cost) { $0.subtracting($1.cost ?? .zero) ?? $0 }
        report.budget = budget
        report.degraded = degraded
        report.finishReason = finishReason
        report.promptTokens = promptTokens > 0 ? Int64(promptTokens) : paidPromptTokens ?? 0
        report.completionTokens = Int64(answerTokens)
        report.slmInputTokens = Int64(slmInput)
        report.slmOutputTokens = Int64(slmTokens)
        report.overheadMilliseconds = job.overhead(waiting: waited)
        return report
    }

    /// Ends the answer: the stream's last chunks, or the whole body.
    mutating func close(_ report: AnswerReport) async {
        let usage = TokenCounts(
            prompt: report.promptTokens, cached: 0, completion: report.completionTokens, reasoning: 0)
        guard job.request.isStream else {
            let body = job.writer.whole(
                text: text, finishReason: report.finishReason, stop: report.stop, usage: usage, gboost: report.json)
            return await job.deliver(body, summary: report)
        }
        var out: [UInt8] = []
        if !hasBegun {
            job.stream.begin(AnswerHead(headers: AnswerJob.streamHeaders))
            job.writer.appendStart(to: &out)
            hasBegun = true
        }
        job.writer.appendEnd(
            report.finishReason, stop: report.stop, usage: usage, gboost: report.json, to: &out)
        _ = await job.stream.write(out)
        job.stream.finish()
    }

    /// Ends an answer that is given in one piece, with the calls of tools that are in it.
    mutating func close(_ report: AnswerReport, turn: AssistantTurn) async {
        if turn.calls.isEmpty, report.stop != nil {
            // As a text's end it has a stop string, for which a turn has no word.
            text = turn.text
            if !text.isEmpty { _ = await send(text) }
            return await close(report)
        }
        let usage = TokenCounts(
            prompt: report.promptTokens, cached: 0, completion: report.completionTokens, reasoning: 0)
        // Calls that a filter has cut off are not to be run.
        let isRun = !turn.calls.isEmpty && report.finishReason != "content_filter"
        let reason = isRun ? "tool_calls" : report.finishReason
        guard job.request.isStream else {
            let body = job.writer.whole(turn, finishReason: reason, usage: usage, gboost: report.json)
            return await job.deliver(body, summary: report)
        }
        job.stream.begin(AnswerHead(headers: AnswerJob.streamHeaders))
        hasBegun = true
        _ = await job.stream.write(job.writer.stream(turn, finishReason: reason, usage: usage, gboost: report.json))
        job.stream.finish()
    }
}
