package import Foundation
package import GatewayCore

/// A process reward model that reads all candidates for a step in one go: one draft is a list of one.
package protocol CandidatesRewardModel: ProcessRewardModel {}

extension CandidatesRewardModel {
    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws -> ProcessReward {
        let rewards = try await score(session: session, messages: messages, answer: answer, candidates: [draft])
        guard let reward = rewards.first else { throw LocalModelError.interrupted }
        return reward
    }
}
