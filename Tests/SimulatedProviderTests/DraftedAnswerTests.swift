import Foundation
import GatewayCore
import GatewayTesting
import Testing

struct DraftedAnswerTests {
    /// Writes given lines, one a draft.
    private struct Script: SmallLanguageModel {
        var lines: [String]
        var last = DraftEnd.answer

        func draft(_ request: DraftRequest) async throws -> StepDraft {
            let index = request.answer.count
            let isLast = index == lines.count - 1
            return StepDraft(
                text: lines[index], tokens: [Int32(index)], logProbabilities: [0], hidden: [1],
                end: isLast ? last : .boundary, promptTokens: 1, reusedTokens: 0)
        }
        func end(session: UUID) async {}
    }

    private func draft(_ lines: [String], last: DraftEnd = .answer) async throws -> DraftedAnswer {
        let problem = try #require(WordProblem.parse(question: "What is 12 plus 7?"))
        return try await DraftedAnswer.draft(problem, by: Script(lines: lines, last: last))
    }

    @Test("an answer is right if it ends in the right number and no step of it is wrong")
    func outcome() async throws {
        #expect(try await draft(["12 + 7 = 19\n", "Answer: 19"]).isRight)
        #expect(try await draft(["It is 19."]).isRight)
        #expect(try await !draft(["12 + 7 = 18\n", "Answer: 19"]).isRight)
        #expect(try await !draft(["12 + 7 = 19\n", "Answer: 12"]).isRight)
        #expect(try await !draft(["12 + 7 = 19"], last: .length).isRight)
        #expect(try await !draft(["Well.\n", "Hm.\n", "So.\n", "19"]).isRight)
    }

    @Test("drafting stops at the first wrong step, and all steps carry the outcome")
    func labels() async throws {
        let answer = try await draft(["Let us add.\n", "12 + 7 = 18\n", "Answer: 18"])
        #expect(answer.example(id: "a").labels == [false, false])
        #expect(answer.example(id: "a").steps == ["Let us add.\n", "12 + 7 = 18\n"])
    }
}
