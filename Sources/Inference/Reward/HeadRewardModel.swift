package import Foundation
package import GatewayCore

/// A process reward model that is a head on the hidden state of a model of its own: better than a shared head where
/// the SLM is small, dearer by that model's reading of every step.
///
/// It reads as the SLM writes: the conversation in its own chat template, then the answer's steps. So scoring a step
/// evaluates that step's tokens and nothing before them, and candidates for a step are read side by side.
package struct HeadRewardModel: CandidatesRewardModel {
    private let head: RewardHead
    private let model: EngineModel

    /// - Throws: `LocalModelError.unavailable` where the head was made for another base model.
    package init(
        head: RewardHead, name: String, baseSHA256: String, model: EngineModel, embeddingLength: Int
    ) throws(LocalModelError) {
        // The same fields must fit as for a head on the SLM.
        _ = try SharedHeadRewardModel(
            head: head, name: name, baseSHA256: baseSHA256, embeddingLength: embeddingLength)
        self.head = head
        self.model = model
    }

    package var needsHidden: Bool { false }

    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], candidates: [StepDraft]
    ) async throws -> [ProcessReward] {
        let request = HiddenStatesRequest(
            session: session.forScoring, messages: messages, answer: answer.map { .text($0) },
            steps: candidates.map { .text($0.text) }, areCandidates: true, frame: head.frame)
        return try await model.hiddenStates(request).map { hidden in
            let raw = head.raw(hidden)
            guard raw.isFinite else { throw LocalModelError.invalid("a step's hidden state is not finite") }
            return ProcessReward(raw: raw, calibrated: head.calibration(raw))
        }
    }
}
