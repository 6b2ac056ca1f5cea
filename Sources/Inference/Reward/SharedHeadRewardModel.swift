package import Foundation
package import GatewayCore

/// A process reward model that is a small head on the SLM's own hidden state: it costs next to nothing.
package struct SharedHeadRewardModel: ProcessRewardModel {
    private let head: RewardHead

    /// - Throws: `LocalModelError.unavailable` where the head was made for another base model.
    package init(head: RewardHead, name: String, baseSHA256: String, embeddingLength: Int) throws(LocalModelError) {
        guard head.embeddingLength == embeddingLength else {
            throw .unavailable(
                "\(name): field \"n_embd\" is \(head.embeddingLength), the base model has \(embeddingLength)")
        }
        guard head.baseSHA256 == baseSHA256.lowercased() else {
            throw .unavailable("\(name): field \"base_sha256\" names another file than the base model's")
        }
        self.head = head
    }

    package var needsHidden: Bool { true }

    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws -> ProcessReward {
        guard draft.hidden.count == head.embeddingLength else {
            throw LocalModelError.invalid("the draft carries no hidden state of the base model")
        }
        let raw = head.raw(draft.hidden)
        guard raw.isFinite else { throw LocalModelError.invalid("the draft's hidden state is not finite") }
        return ProcessReward(raw: raw, calibrated: head.calibration(raw))
    }
}
