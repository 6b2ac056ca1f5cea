package import Foundation
package import GatewayCore

/// An answer that an SLM drafted to a word problem, step by step, and whether it ended right: what a reward head for
/// this SLM learns from.
///
/// The label of every step is how the answer ended, since a reward is the probability that the SLM going on from here
/// ends right. Steps of a known solution with numbers changed teach a small head little: whether an equation is true
/// can hardly be read off a small model's last hidden state, whether the model is out of its depth can.
package struct DraftedAnswer: Hashable, Sendable {
    package var problem: WordProblem
    /// With hidden states.
    package var steps: [StepDraft]
    package var isRight: Bool

    /// How far an answer is drafted.
    package struct Limits: Hashable, Sendable {
        package var steps: Int
        package var stepTokens: Int
        package init(steps: Int = 3, stepTokens: Int = 64) {
            self.steps = steps
            self.stepTokens = stepTokens
        }
    }

    /// Drafts greedily, cut at line breaks as a route's default is. Ends at the first wrong step: a model this small
    /// does not find back. An answer that is not at its end within `limits` counts as wrong.
    package static func draft(
        _ problem: WordProblem, by model: any SmallLanguageModel, limits: Limits = .init(), session: UUID = UUID()
    ) async throws -> DraftedAnswer {
        var answer = DraftedAnswer(problem: problem, steps: [], isRight: false)
        while answer.steps.count < limits.steps {
            let draft = try await model.draft(
                DraftRequest(
                    session: session, messages: [ChatMessage(role: "user", content: problem.question)],
                    answer: answer.steps.map { .tokens($0.tokens) }, sampling: Sampling(),
                    maxTokens: limits.stepTokens, boundary: .newline, wantsHidden: true))
            answer.steps.append(draft)
            guard problem.isStepCorrect(draft.text) else { break }
            guard draft.end == .boundary else {
                answer.isRight = draft.end == .answer && problem.isCorrect(draft.text)
                break
            }
        }
        await model.end(session: session)
        return answer
    }

    /// Problems on both sides of what the demo SLM can do: half of them bare questions, of which it answers three in
    /// ten, half stories, of which it answers hardly any.
    package static func problems(_ count: Int, seed: UInt64) -> [WordProblem] {
        let bare = WordProblemGenerator.problems(count / 2, seed: seed, difficulties: 0...0, sizes: [.tiny, .small])
        let stories = WordProblemGenerator.problems(
            count - bare.count, seed: seed, difficulties: 1...3, sizes: [.tiny, .small])
        return bare + stories
    }

    /// The same as a line of a data file, whose hidden states are computed again from the text.
    package func example(id: String) -> StepExample {
        StepExample(
            id: id, question: problem.question, steps: steps.map(\.text),
            labels: steps.map { _ in isRight })
    }
}
