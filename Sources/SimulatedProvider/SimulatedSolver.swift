internal import GatewayTesting
internal import WireFormat

/// What the simulated models say: the solution of the last word problem of the conversation, or a fixed sentence.
struct SimulatedSolver: Sendable {
    var seed: UInt64
    /// Multiplied with the model's own.
    var accuracy: Double

    static let cannedAnswer = "This is the simulated provider. It solves the arithmetic word problems of this project."
    private static let cannedStep = "This is the simulated provider, which only knows word problems."

    /// The whole reply, before `stop` and `max_tokens`.
    func reply(to messages: [ChatRequest.Message], by model: SimulatedModel) -> String {
        let escalation = messages.last.flatMap { EscalationPrompt.parts(ofLastMessage: $0.content) }
        guard let problem = problem(in: messages, escalation: escalation) else {
            return escalation?.ask == .step ? Self.cannedStep + EscalationPrompt.endMark : Self.cannedAnswer
        }
        guard let escalation else {
            return lines(of: problem, accepted: [], by: model).joined(separator: "\n")
        }
        let accepted = escalation.steps.split(whereSeparator: \.isNewline).map(String.init)
        let lines = lines(of: problem, accepted: accepted, by: model)
        switch escalation.ask {
        case .rest:
            return lines.joined(separator: escalation.steps.contains("\n\n") ? "\n\n" : "\n")
        case .step:
            let next = lines.first ?? problem.answerLine
            return lines.count <= 1 ? next + EscalationPrompt.endMark : next
        }
    }

    /// The problem asked last by the user.
    private func problem(in messages: [ChatRequest.Message], escalation: EscalationPrompt.Parts?) -> WordProblem? {
        for (offset, message) in messages.reversed().enumerated() where message.role == "user" {
            let text = offset == 0 ? escalation?.question ?? message.content : message.content
            if let problem = WordProblem.parse(question: text) { return problem }
        }
        return nil
    }

    /// The lines that follow the accepted ones, the answer's line last. Accepted lines count up to the first wrong
    /// one: from there on the solution is worked out again.
    private func lines(of problem: WordProblem, accepted: [String], by model: SimulatedModel) -> [String] {
        let covered = problem.coveredSteps(by: accepted)
        // One coin a question and model, so that a question does not turn easy by being asked again.
        var coin = SplitMix64(text: "\(model.name)\n\(problem.question)", seed: seed)
        let isRight = coin.unit() < accuracy * model.accuracy
        let slip = coin.integer(in: 0...(problem.steps.count - 1))
        guard !isRight else { return Array(problem.goldSteps[covered...]) + [problem.answerLine] }
        // The slip itself may differ between calls: a wrong line that was sent back is not written again.
        var random = SplitMix64(text: accepted.joined(separator: "\n"), seed: coin.next())
        guard covered < problem.steps.count else { return [problem.corruptedAnswerLine(using: &random)] }
        return problem.derailedSolution(from: covered, wrong: max(covered, slip), using: &random)
    }
}
