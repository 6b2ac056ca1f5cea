package import Foundation
package import GatewayCore

/// A process reward model that looks at a whole answer so far: its text, and what a model makes of it.
///
/// Where the head needs the model's states, the model reads each new step once: what it made of those before is kept.
package struct AnswerHeadRewardModel: ProcessRewardModel {
    private let head: AnswerHead
    private let model: EngineModel
    private let memory: ReadingMemory

    /// - Parameter baseSHA256: of the model that reads; `BaseFiles.identity` where that has an adapter.
    /// - Throws: `LocalModelError.unavailable` where the head was made for another base model.
    package init(
        head: AnswerHead, name: String, baseSHA256: String, model: EngineModel, embeddingLength: Int,
        memory: ReadingMemory = ReadingMemory()
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
        self.memory = memory
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
            let reading = try await read(lines, of: session, messages)
            row.state = AnswerRow.state(reading, through: lines.count - 1)
        }
        let raw = head.raw(row)
        guard raw.isFinite else { throw LocalModelError.invalid("a step's hidden states are not finite") }
        let (calibrated, low) = head.calibrated(row)
        return ProcessReward(raw: raw, calibrated: calibrated, low: low)
    }

    private func read(
        _ lines: [String], of session: UUID, _ messages: [ChatMessage]
    ) async throws -> AnswerReading {
        let key = ReadingMemory.Key(model: head.baseSHA256, session: session, steps: lines)
        let known = memory.longest(of: key)
        let count = known?.steps.count ?? 0
        if let known, count == lines.count { return known }
        var reading = try await model.read(
            session: session.forScoring, messages: messages, answer: Array(lines[..<count]),
            steps: Array(lines[count...]))
        if let known { reading = AnswerReading(question: known.question, steps: known.steps + reading.steps) }
        memory.keep(reading, for: key)
        return reading
    }
}

extension [ChatMessage] {
    /// What a conversation asks, as one text: all but instructions.
    package var wholeQuestion: String { filter { $0.role != "system" }.map(\.content).joined(separator: "\n\n") }
}
