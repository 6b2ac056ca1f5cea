package import Foundation
package import GatewayCore

/// A model file behind an engine host.
package struct EngineModel: SmallLanguageModel {
    private let supervisor: EngineSupervisor

    package init(supervisor: EngineSupervisor) { self.supervisor = supervisor }

    package func draft(_ request: DraftRequest) async throws -> StepDraft {
        try await draft(request, raw: nil)
    }

    /// Goes on from a prompt that is taken as it stands: no template, special tokens are read as such.
    package func complete(_ prompt: String, _ request: DraftRequest) async throws -> StepDraft {
        try await draft(request, raw: prompt)
    }

    package func end(session: UUID) async { await supervisor.end(session: session) }

    /// What the model is; loads it if need be.
    package func info() async throws -> HostInfo { try await supervisor.info() }

    /// The hidden states at the last token of each of the given steps of an answer.
    package func hiddenStates(messages: [ChatMessage], steps: [String]) async throws -> [[Float]] {
        try await hiddenStates(messages: messages, segments: steps.map { .text($0) })
    }

    /// The same, where steps may be tokens that were drafted.
    package func hiddenStates(messages: [ChatMessage], segments: [AnswerSegment]) async throws -> [[Float]] {
        let session = UUID()
        let request = HiddenStatesRequest(session: session, messages: messages, steps: segments)
        let answer = try await supervisor.call(.hiddenStates(request))
        await supervisor.end(session: session)
        guard case .hiddenStates = answer.body, answer.floats.count % segments.count == 0 else {
            throw LocalModelError.interrupted
        }
        let width = answer.floats.count / segments.count
        return (0..<segments.count).map { Array(answer.floats[($0 * width)..<(($0 + 1) * width)]) }
    }

    private func draft(_ request: DraftRequest, raw: String?) async throws -> StepDraft {
        let answer = try await supervisor.call(.draft(request, raw: raw))
        guard case .draft(var draft) = answer.body else { throw LocalModelError.interrupted }
        draft.hidden = answer.floats
        return draft
    }
}
