package import Foundation
package import GatewayCore

/// A process reward model that looks at a whole answer so far: its text, and what a model makes of it.
///
/// Where the head needs the model's states, the answer is read anew after every step, the question is not: that costs
/// the answer's tokens, which for the small models it is meant for is less than a step's drafting.
package struct AnswerHeadRewardModel: ProcessRewardModel {
    private let head: AnswerHead
    private let model: EngineModel

    /// - Parameter baseSHA256: of the model that reads; `BaseFiles.identity` where that has an adapter.
    /// - Throws: `LocalModelError.unavailable` where the head was made for another base model.
    package init(
        head: AnswerHead, name: String, baseSHA256: String, model: EngineModel, embeddingLength: Int
    ) throws(LocalModelError) {
        guard !head.readsState || head.embeddingLength == embeddingLength else {
            throw .unavailable(
                "\(name): field \"n_embd\" is \(head.embeddingLength), the base model has \(embeddingLength)")
        }
        guard head.baseSHA256 == baseSHA256.lowercased() else {
            throw .unavailable("\(name): field \"base_sha256\" names another file than the base model's")
        }
        self.head = head
        self.model = model
    }

    package var needsHidden: Bool { false }

    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws -> ProcessReward {
        let steps = answer + [draft.text]
        let question = messages.wholeQuestion
        let isEnd = draft.end != .boundary
        let plain = steps.map { String($0.drop(while: \.isNewline).reversed().drop(while: \.isNewline).reversed()) }
        var row = AnswerRow(text: [], label: 0, group: 0, step: steps.count, isEnd: isEnd)
        row.text = AnswerRow.text(AnswerFeatures(question: question), plain, isEnd: isEnd, isOwn: true)
        if head.readsState {
            // As in training, every step ends its line.
            let lines = steps.map { $0.hasSuffix("\n") ? $0 : $0 + "\n" }
            let reading = try await model.read(session: session.forScoring, messages: messages, steps: lines)
            row.state = AnswerRow.state(reading, through: lines.count - 1)
        }
        let raw = head.raw(row)
        guard raw.isFinite else { throw LocalModelError.invalid("a step's hidden states are not finite") }
        let (calibrated, low) = head.calibrated(row)
        return ProcessReward(raw: raw, calibrated: calibrated, low: low)
    }
}

extension [ChatMessage] {
    /// What a conversation asks, as one text: all but instructions.
    package var wholeQuestion: String { filter { $0.role != "system" }.map(\.content).joined(separator: "\n\n") }
}
