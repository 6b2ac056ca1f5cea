import Foundation
import GatewayCore
import Testing

@testable import Inference

extension ModelTests {
    @Suite("Reading answers")
    struct AnswerReadingTests {
        static let messages = [ChatMessage(role: "user", content: "What is 17 + 25? Work it out line by line.")]

        @Test("What is read of a draft is what the model said while it drafted, and the states are the same")
        func reading() async throws {
            let model = try await EngineFixture.sharedModel()
            let draft = try await model.draft(
                DraftRequest(asking: Self.messages[0].content, maxTokens: 24, wantsHidden: true))
            let steps = [draft.text, " Then 40 + 2 = 42.\n"]
            let reading = try await model.read(session: UUID(), messages: Self.messages, steps: steps)
            let states = try await model.hiddenStates(messages: Self.messages, steps: steps)
            #expect(reading.steps.count == 2)
            for (step, state) in zip(reading.steps, states) {
                #expect(zip(step.last, state).allSatisfy { abs($0 - $1) < 0.05 + 0.02 * abs($1) })
                #expect(step.likelihoods.tokens.count == step.likelihoods.best.count)
                #expect(zip(step.likelihoods.tokens, step.likelihoods.best).allSatisfy { $0 <= $1 + 1e-4 && $1 <= 0 })
            }
            let read = try #require(reading.steps.first).likelihoods
            #expect(read.tokens.count == draft.tokens.count)
            #expect(zip(read.tokens, draft.logProbabilities).allSatisfy { abs($0 - $1) < 0.15 })
            // Drafted greedily: no token was liked better.
            #expect(zip(read.tokens, read.best).allSatisfy { $1 - $0 < 0.15 })
            // The same, where the first step stands before those that are asked for.
            let rest = try await model.read(
                session: UUID(), messages: Self.messages, answer: [steps[0]], steps: [steps[1]])
            let last = try #require(reading.steps.last)
            #expect(zip(rest.steps[0].mean, last.mean).allSatisfy { abs($0 - $1) < 0.05 + 0.02 * abs($1) })
        }

        @Test("Text that cannot be read is refused")
        func refused() async throws {
            let model = try await EngineFixture.sharedModel()
            for steps in [[], ["a", ""]] as [[String]] {
                await #expect(throws: LocalModelError.self) {
                    try await model.read(session: UUID(), messages: Self.messages, steps: steps)
                }
            }
        }

        @Test("A head on whole answers, read from its file, rewards drafts of the model it was made for")
        func reward() async throws {
            let model = try await EngineFixture.sharedModel()
            let reading = try await model.read(session: UUID(), messages: Self.messages, steps: ["So 17 + 25 = 42.\n"])
            let width = reading.question.count
            var rows = AnswerHeadTests.rows(24, seed: 20)
            let state = AnswerRow.state(reading, through: 0)
            for index in rows.indices { rows[index].state = state }
            var trainer = AnswerHeadTrainer(seed: 1)
            (trainer.innerFolds, trainer.rounds, trainer.learnsPrefixes) = (2, 5, false)
            let head = try trainer.train(rows, baseSHA256: AnswerHeadTests.sha, embeddingLength: width)
            #expect(head.readsState)
            let path = FileManager.default.temporaryDirectory.appending(path: "head-\(UUID()).json").path
            try head.encoded().write(to: URL(filePath: path))
            defer { try? FileManager.default.removeItem(atPath: path) }
            guard case .answer(let file) = try RewardHeadFile(contentsOf: path) else {
                Issue.record("no head on answers")
                return
            }
            let prm = try AnswerHeadRewardModel(
                head: file, name: "prm", baseSHA256: AnswerHeadTests.sha, model: model, embeddingLength: width)
            let draft = StepDraft(
                text: "So 17 + 25 = 42.\n", tokens: [], logProbabilities: [], hidden: [], end: .answer,
                promptTokens: 0, reusedTokens: 0)
            let reward = try await prm.score(session: UUID(), messages: Self.messages, answer: [], draft: draft)
            var row = AnswerRow(text: [], state: state, label: 0, group: 0, step: 1, isEnd: true)
            row.text = AnswerRow.text(
                AnswerFeatures(question: Self.messages[0].content), ["So 17 + 25 = 42."], isEnd: true, isOwn: true)
            #expect(abs(reward.raw - head.raw(row)) < 0.02)
            #expect((0...1).contains(reward.calibrated))
            try await Self.longer(file, width: width, first: draft)
            for (sha, length) in [(String(repeating: "0", count: 64), width), (AnswerHeadTests.sha, width + 1)] {
                #expect(throws: LocalModelError.self) {
                    try AnswerHeadRewardModel(
                        head: file, name: "prm", baseSHA256: sha, model: model, embeddingLength: length)
                }
            }
        }

        /// Of an answer that has grown the new step alone is read, and judged as if all had been.
        private static func longer(_ head: AnswerHead, width: Int, first: StepDraft) async throws {
            try await EngineFixture.withModel { model, supervisor in
                func judge() throws -> AnswerHeadRewardModel {
                    try AnswerHeadRewardModel(
                        head: head, name: "prm", baseSHA256: AnswerHeadTests.sha, model: model, embeddingLength: width)
                }
                var draft = first
                var answer: [String] = []
                let (session, grown) = (UUID(), try judge())
                for step in 0..<6 {
                    draft.text = "Then 42 + \(step) = \(42 + step), which is what we have now.\n"
                    let before = try await supervisor.currentStatus().evaluatedTokens
                    let reward = try await grown.score(
                        session: session, messages: messages, answer: answer, draft: draft)
                    let evaluated = try await supervisor.currentStatus().evaluatedTokens - before
                    let again = try await grown.score(
                        session: session, messages: messages, answer: answer, draft: draft)
                    #expect(again == reward)
                    let whole = try await judge().score(
                        session: UUID(), messages: messages, answer: answer, draft: draft)
                    #expect(abs(whole.raw - reward.raw) < 1e-3, "step \(step)")
                    if step > 0 { #expect(evaluated < 40, "step \(step): \(evaluated) tokens") }
                    answer.append(draft.text)
                }
            }
        }
    }
}
