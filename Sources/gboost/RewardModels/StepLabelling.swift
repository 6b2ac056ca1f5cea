internal import Foundation
internal import GatewayCore
internal import Inference

/// Labels the steps of an answer by Monte Carlo: from each prefix the SLM completes a few times, and the label is the
/// share of completions that reach the known answer.
struct StepLabelling: Sendable {
    var judge: AnswerChecker
    var completions: Int
    var temperature: Double
    var maxTokens: Int
    var seed: UInt32

    /// - Parameter number: of the row; its completions' seeds follow from it, whatever was labelled before.
    func label(_ row: UnlabelledRow, number: Int, model: EngineModel) async throws -> LabelledRow {
        let session = UUID()
        let steps = row.steps.isEmpty ? try await draft(row, number: number, session: session, model: model) : row.steps
        var labels: [Double?] = []
        for index in steps.indices.dropLast() {
            let prefix = steps[...index].map { $0.hasSuffix("\n") ? $0 : $0 + "\n" }
            let request = request(row, prefix, session, number &* 977 &+ index + 1, temperature)
            let drafts = try await AnswerReadings.again {
                try await model.drafts(request, candidates: completions)
            }
            var right = 0
            for draft in drafts {
                let text = prefix.joined() + draft.text
                let isRight = try await judge.isRight(question: row.question, answer: row.answer, completion: text)
                right += isRight ? 1 : 0
            }
            labels.append(Double(right) / Double(max(1, drafts.count)))
        }
        let whole = steps.joined(separator: "\n")
        let isRight = try await judge.isRight(question: row.question, answer: row.answer, completion: whole)
        // Behind the last step nothing is left to chance.
        labels.append(isRight ? 1 : 0)
        await model.end(session: session)
        var labelled = LabelledRow(
            id: row.id, question: row.question,
            slm: LabelledAnswer(steps: steps, correct: isRight, stepLabels: labels))
        labelled.answer = row.answer
        labelled.context = row.context
        return labelled
    }

    /// The SLM's own answer, step by step.
    private func draft(
        _ row: UnlabelledRow, number: Int, session: UUID, model: EngineModel
    ) async throws -> [String] {
        let request = request(row, [], session, number &* 977, 0)
        let draft = try await AnswerReadings.again { try await model.draft(request) }
        let steps = draft.text.split(whereSeparator: \.isNewline).map(String.init)
        return steps.isEmpty ? [" "] : steps
    }

    private func request(
        _ row: UnlabelledRow, _ prefix: [String], _ session: UUID, _ place: Int, _ temperature: Double
    ) -> DraftRequest {
        DraftRequest(
            session: session, messages: row.context + [ChatMessage(role: "user", content: row.question)],
            answer: prefix.map { .text($0) },
            sampling: Sampling(temperature: temperature, seed: seed &+ UInt32(truncatingIfNeeded: place)),
            maxTokens: maxTokens, boundary: nil, wantsHidden: false)
    }
}
