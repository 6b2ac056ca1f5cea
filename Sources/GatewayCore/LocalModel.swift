package import Foundation

/// One message of a conversation, text only: what an SLM can take.
package struct ChatMessage: Hashable, Sendable, Codable {
    /// "system", "user", "assistant" or "tool".
    package var role: String
    package var content: String
    /// What an assistant thought before it answered.
    package var reasoning: String?
    /// The tools that an assistant called: a JSON array in OpenAI's format.
    package var toolCalls: String?
    /// Of a tool's message: the call that it answers.
    package var toolCallID: String?
    /// Of a tool's message: the tool's name.
    package var name: String?
    package init(role: String, content: String) {
        self.role = role
        self.content = content
    }
}

/// A piece of the answer that is already settled. Drafted pieces keep their tokens, so that going on from them is
/// exactly what the SLM would have done in one go; text from elsewhere is tokenized, never as special tokens.
package enum AnswerSegment: Hashable, Sendable, Codable {
    case tokens([Int32])
    case text(String)
}

/// Asks an SLM for the next step of an answer. Stateless: the engine finds what it can reuse of what it evaluated
/// for the same tenant, and never shares it with another tenant.
package struct DraftRequest: Hashable, Sendable, Codable {
    /// The request that drafts belong to: what was drafted for it and not taken makes way when it ends.
    package var session: UUID
    package var messages: [ChatMessage]
    /// The tools that the model may call: a JSON array in OpenAI's format, for its chat template.
    package var tools: String?
    package var answer: [AnswerSegment]
    package var sampling: Sampling
    package var maxTokens: Int
    /// nil: no cut, draft until the answer's end or `maxTokens`.
    package var boundary: StepBoundary?
    /// The client's own stop strings; the answer ends before the first one.
    package var stop: [String]
    /// Whether the hidden state of the step's last token is wanted.
    package var wantsHidden: Bool
    package init(
        session: UUID, messages: [ChatMessage], answer: [AnswerSegment], sampling: Sampling, maxTokens: Int,
        boundary: StepBoundary?, stop: [String] = [], wantsHidden: Bool
    ) {
        self.session = session
        self.messages = messages
        self.answer = answer
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.boundary = boundary
        self.stop = stop
        self.wantsHidden = wantsHidden
    }
}

/// Why a draft ended.
package enum DraftEnd: String, Hashable, Sendable, Codable {
    /// At a step boundary (which is part of the text).
    case boundary
    /// The model ended its answer, or met a stop string.
    case answer
    /// `maxTokens` were drafted, or the context is full.
    case length
}

/// One drafted step.
package struct StepDraft: Hashable, Sendable, Codable {
    package var text: String
    package var tokens: [Int32]
    /// Natural logarithm of each token's probability before temperature; as many as `tokens`.
    package var logProbabilities: [Float]
    /// Hidden state after the final norm at the step's last token, `n_embd` values; empty unless wanted.
    package var hidden: [Float]
    package var end: DraftEnd
    /// Tokens of prompt and answer so far, and how many of them the engine did not need to evaluate again.
    package var promptTokens: Int
    package var reusedTokens: Int
    /// How many tokens there are, where another server has drafted them and keeps them to itself.
    package var remoteTokens: Int?
    /// The client's stop string that the answer ended before; nil: none, or an engine host that does not say.
    package var stop: String?
    package init(
        text: String, tokens: [Int32], logProbabilities: [Float], hidden: [Float], end: DraftEnd, promptTokens: Int,
        reusedTokens: Int
    ) {
        self.text = text
        self.tokens = tokens
        self.logProbabilities = logProbabilities
        self.hidden = hidden
        self.end = end
        self.promptTokens = promptTokens
        self.reusedTokens = reusedTokens
    }

    /// What the answer goes on from.
    package var segment: AnswerSegment { remoteTokens == nil ? .tokens(tokens) : .text(text) }
    package var tokenCount: Int { remoteTokens ?? tokens.count }
}

/// Why a local model gave no answer.
package enum LocalModelError: Error, Hashable, Sendable {
    /// Not loaded and cannot be (file missing, corrupt, unsupported), or out of reach where another server holds it;
    /// the text names the file, or says what the server did.
    case unavailable(String)
    /// Its route's step pattern ends no step; the text names the pattern. It was saved before it would have been
    /// refused: whoever asks can do nothing about it, and the model is as it should be.
    case unusablePattern(String)
    /// The engine host died or hung with this request in it. Sending it again is safe.
    case interrupted
    /// Queue full: try again after this many seconds.
    case overloaded(retryAfterSeconds: Int)
    /// The prompt does not fit the model's context.
    case contextExceeded(tokens: Int, limit: Int)
    /// The request itself is wrong (an empty conversation, an unusable grammar).
    case invalid(String)
    /// The time that the caller gave it was over before the answer was there.
    case deadlineExceeded

    /// Whether something is out of order: a conversation that does not fit is as it should be.
    package var isFault: Bool {
        if case .contextExceeded = self { false } else { true }
    }
}

/// How a model's chat template writes a call of a tool, which is how the model writes one.
package enum ToolCallFormat: String, Hashable, Sendable, Codable {
    /// `<tool_call>` around `{"name": …, "arguments": …}`: Hermes, Qwen.
    case tagged
    /// `{"name": …, "parameters": …}` and nothing around it: Llama 3.
    case plain
}

/// A tenant's SLM.
package protocol SmallLanguageModel: Sendable {
    /// How it writes calls of tools; nil: it cannot be given any, or its way is not known.
    func toolCallFormat() async throws -> ToolCallFormat?
    /// Drafts the next step. Cancelling the task frees the engine's slot.
    func draft(_ request: DraftRequest) async throws -> StepDraft
    /// Several drafts of the same step, or as many as it makes at once.
    func drafts(_ request: DraftRequest, candidates: Int) async throws -> [StepDraft]
    /// Tells the engine that no more drafts of this session will come.
    func end(session: UUID) async
}

extension SmallLanguageModel {
    package func toolCallFormat() async throws -> ToolCallFormat? { nil }

    /// One after the other, each with other random numbers.
    package func drafts(_ request: DraftRequest, candidates: Int) async throws -> [StepDraft] {
        var drafts: [StepDraft] = []
        for index in 0..<max(candidates, 1) {
            var request = request
            request.sampling.seed = request.sampling.seed &+ UInt32(truncatingIfNeeded: index) &* 0x85EB_CA6B
            drafts.append(try await draft(request))
        }
        return drafts
    }
}

/// A general LLM that is served at home.
package protocol StreamingLanguageModel: Sendable {
    /// Answers, and hands out the text as it comes: whole characters, nothing that is not in the answer at its end.
    /// Cancelling the task frees the engine's slot.
    /// - Parameters:
    ///   - tenant: on whose behalf: nothing of it is ever found again by another tenant.
    ///   - onText: must not block.
    func stream(
        _ request: DraftRequest, tenant: Int64, onText: @escaping @Sendable (String) -> Void
    ) async throws -> StepDraft
    /// Writes a step together with a tenant's SLM.
    func write(_ step: FusedStep, tenant: Int64) async throws -> StepDraft
}

extension StreamingLanguageModel {
    package func write(_ step: FusedStep, tenant: Int64) async throws -> StepDraft {
        throw LocalModelError.invalid("fusion_weight: this model shares no logits")
    }
}

/// A step that a general LLM writes together with the tenant's SLM, token by token: logit fusion.
package struct FusedStep: Sendable {
    package var request: DraftRequest
    package var partner: any SmallLanguageModel
    /// α: how much the SLM counts beside the LLM.
    package var weight: Double
    package init(request: DraftRequest, partner: any SmallLanguageModel, weight: Double) {
        self.request = request
        self.partner = partner
        self.weight = weight
    }
}

/// The reward of one step: the model's raw score and, after calibration, the probability p that the SLM going on
/// from here ends right. Both in 0…1.
package struct ProcessReward: Hashable, Sendable, Codable {
    package var raw: Double
    package var calibrated: Double
    /// A low quantile of what `calibrated` could be, had it been calibrated on other data; nil: not known.
    package var low: Double?
    package init(raw: Double, calibrated: Double, low: Double? = nil) {
        self.raw = raw
        self.calibrated = calibrated
        self.low = low
    }

    /// As a route takes it. One that keeps to a floor of quality goes by the low quantile, where there is one: what it
    /// holds its mean quality for is then not more than it is, however few rows the calibration had. Under a budget the
    /// mean buys more, since only the order of gains counts.
    package func taken(for target: QualityTarget) -> ProcessReward {
        guard target == .floor, let low, low.isFinite else { return self }
        var reward = self
        reward.calibrated = min(low, calibrated)
        return reward
    }
}

/// A tenant's PRM.
package protocol ProcessRewardModel: Sendable {
    /// True where `score` reads `StepDraft.hidden`, so that drafts must ask for it.
    var needsHidden: Bool { get }
    /// Scores `draft` after the accepted `answer` (texts of the steps so far).
    func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws
        -> ProcessReward
    /// Scores several candidates for the same step; a model that is asked reads them in one go.
    func score(
        session: UUID, messages: [ChatMessage], answer: [String], candidates: [StepDraft]
    ) async throws
        -> [ProcessReward]
}

extension ProcessRewardModel {
    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], candidates: [StepDraft]
    ) async throws -> [ProcessReward] {
        var rewards: [ProcessReward] = []
        for draft in candidates {
            rewards.append(try await score(session: session, messages: messages, answer: answer, draft: draft))
        }
        return rewards
    }
}

/// The tenants' models held in memory, by name.
package protocol LocalModels: Sendable {
    /// `base` is the SLM that an adapter is laid over.
    func slm(_ record: ModelRecord, base: ModelRecord?) async throws(LocalModelError) -> any SmallLanguageModel
    /// `base` is the model that a head belongs to: an SLM, or an adapter over the one that is `below`.
    func prm(
        _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel
}

extension LocalModels {
    /// A model that is no adapter.
    package func slm(_ record: ModelRecord) async throws(LocalModelError) -> any SmallLanguageModel {
        try await slm(record, base: nil)
    }

    /// One whose base is no adapter.
    package func prm(
        _ record: ModelRecord, base: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel {
        try await prm(record, base: base, below: nil)
    }
}
