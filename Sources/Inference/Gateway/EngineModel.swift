package import Foundation
package import GatewayCore

/// A model file behind an engine host, for one tenant.
package struct EngineModel: SmallLanguageModel {
    private let supervisor: EngineSupervisor
    /// On whose behalf it is asked: prefixes are found again within the tenant only.
    package var scope: EngineScope

    package init(supervisor: EngineSupervisor, scope: EngineScope = EngineScope()) {
        self.supervisor = supervisor
        self.scope = scope
    }

    /// The same model, where requests end with `deadlineExceeded` after a time.
    package func within(_ limit: Duration) -> EngineModel {
        var model = self
        model.scope.deadlineMilliseconds = Self.milliseconds(limit)
        return model
    }

    static func milliseconds(_ duration: Duration) -> Int {
        Int(duration.components.seconds) * 1000 + Int(duration.components.attoseconds / 1_000_000_000_000_000)
    }

    package func draft(_ request: DraftRequest) async throws -> StepDraft {
        try await one(request, DraftOptions())
    }

    /// Several drafts of the same step, the first of them as `draft` would give it: the prompt is evaluated once.
    package func drafts(_ request: DraftRequest, candidates: Int) async throws -> [StepDraft] {
        try await drafts(request, DraftOptions(candidates: candidates))
    }

    /// Drafts, and hands out the text as it comes: whole characters, nothing that is not in the draft at its end.
    ///
    /// - Parameter onText: must not block; it is called by the thread that reads from all hosts.
    package func stream(
        _ request: DraftRequest, onText: @escaping @Sendable (String) -> Void
    ) async throws -> StepDraft {
        try await one(request, DraftOptions(isStreamed: true), onText: onText)
    }

    /// Goes on from a prompt that is taken as it stands: no template, special tokens are read as such.
    package func complete(_ prompt: String, _ request: DraftRequest) async throws -> StepDraft {
        try await one(request, DraftOptions(raw: prompt))
    }

    /// What a model makes of a step whose tokens are chosen elsewhere.
    enum Dictation: Sendable {
        /// The natural logarithm of the probability of every token to come next.
        case goesOn([Float])
        /// The step ended with the last token.
        case ended(StepDraft)
    }

    /// Evaluates the step's tokens so far; what was evaluated for it before is found again.
    func dictate(_ request: DraftRequest, _ tokens: [Int32]) async throws -> Dictation {
        let reply = try await supervisor.call(.draft(request, DraftOptions(dictated: tokens)), scope: scope)
        switch reply.body {
        case .logits where !reply.floats.isEmpty: return .goesOn(reply.floats)
        case .drafts(let drafts):
            guard var draft = drafts.first else { throw LocalModelError.interrupted }
            if request.wantsHidden { draft.hidden = reply.floats }
            return .ended(draft)
        default: throw LocalModelError.interrupted
        }
    }

    package func end(session: UUID) async { await supervisor.end(session: session) }

    /// What the model is; loads it if need be.
    package func info() async throws -> HostInfo { try await supervisor.info() }

    package func toolCallFormat() async throws -> ToolCallFormat? { try await info().toolCalls }

    /// The hidden states at the last token of each of the given steps of an answer.
    package func hiddenStates(messages: [ChatMessage], steps: [String]) async throws -> [[Float]] {
        try await hiddenStates(messages: messages, segments: steps.map { .text($0) })
    }

    /// The same, where steps may be tokens that were drafted.
    package func hiddenStates(messages: [ChatMessage], segments: [AnswerSegment]) async throws -> [[Float]] {
        let session = UUID()
        let states = try await hiddenStates(
            HiddenStatesRequest(session: session, messages: messages, steps: segments))
        await supervisor.end(session: session)
        return states
    }

    func hiddenStates(_ request: HiddenStatesRequest) async throws -> [[Float]] {
        let answer = try await supervisor.call(.hiddenStates(request), scope: scope)
        guard case .hiddenStates = answer.body else { throw LocalModelError.interrupted }
        return try Self.rows(answer.floats, request.steps.count)
    }

    /// Reads steps of an answer token by token: how likely each was, and the hidden states.
    ///
    /// - Parameter answer: stands before the steps and is not reported on.
    package func read(
        session: UUID, messages: [ChatMessage], answer: [String] = [], steps: [String]
    ) async throws -> AnswerReading {
        let request = HiddenStatesRequest(
            session: session, messages: messages, answer: answer.map { .text($0) }, steps: steps.map { .text($0) })
        let reply = try await supervisor.call(.read(request), scope: scope)
        guard case .readings(let likelihoods) = reply.body, likelihoods.count == steps.count,
            let reading = AnswerReading(likelihoods: likelihoods, vectors: reply.floats)
        else { throw LocalModelError.interrupted }
        return reading
    }

    private func one(
        _ request: DraftRequest, _ options: DraftOptions, onText: (@Sendable (String) -> Void)? = nil
    ) async throws -> StepDraft {
        guard let draft = try await drafts(request, options, onText: onText).first else {
            throw LocalModelError.interrupted
        }
        return draft
    }

    private func drafts(
        _ request: DraftRequest, _ options: DraftOptions, onText: (@Sendable (String) -> Void)? = nil
    ) async throws -> [StepDraft] {
        let answer = try await supervisor.call(.draft(request, options), scope: scope, onText: onText)
        guard case .drafts(var drafts) = answer.body else { throw LocalModelError.interrupted }
        guard request.wantsHidden else { return drafts }
        for (index, row) in try Self.rows(answer.floats, drafts.count).enumerated() { drafts[index].hidden = row }
        return drafts
    }

    private static func rows(_ floats: [Float], _ count: Int) throws(LocalModelError) -> [[Float]] {
        guard count > 0, floats.count % count == 0 else { throw .interrupted }
        let width = floats.count / count
        return (0..<count).map { Array(floats[($0 * width)..<(($0 + 1) * width)]) }
    }
}
