import Foundation
import GatewayCore
import Testing

@testable import Inference

extension ModelTests {
    @Suite("What a reward costs")
    struct RewardPassTests {
        static let messages = [ChatMessage(role: "user", content: "What is 17 + 25? Work it out line by line.")]

        private static func draft(_ text: String) -> StepDraft {
            StepDraft(
                text: text, tokens: [], logProbabilities: [], hidden: [], end: .boundary, promptTokens: 0,
                reusedTokens: 0)
        }

        @Test("Hidden states come out of the decodes that generate: a whole answer evaluates no token twice for them")
        func sharedHead() async throws {
            try await EngineFixture.withModel { model, supervisor in
                var evaluated: [Int] = []
                for (tenant, wantsHidden) in [(Int64(1), false), (2, true)] {
                    var model = model
                    model.scope.tenant = tenant
                    let before = try await supervisor.currentStatus().evaluatedTokens
                    var answer: [AnswerSegment] = []
                    var known = 0
                    var isOver = false
                    for _ in 0..<5 {
                        let step = try await model.draft(
                            DraftRequest(
                                asking: DraftTests.question, session: UUID(), answer: answer, boundary: .newline,
                                wantsHidden: wantsHidden))
                        answer.append(.tokens(step.tokens))
                        known = step.promptTokens + step.tokens.count
                        isOver = step.end == .answer
                        if step.end != .boundary { break }
                    }
                    let count = Int(try await supervisor.currentStatus().evaluatedTokens - before)
                    // Every token once, but for the last, which a hidden state or the answer's end needs.
                    #expect(count == (wantsHidden || isOver ? known : known - 1))
                    evaluated.append(count)
                }
                print("tokens evaluated for an answer: \(evaluated[0]) without hidden states, \(evaluated[1]) with")
            }
        }

        @Test("A head on a second model reads a step's tokens only, all candidates in one decode")
        func head() async throws {
            let file = try EngineFixture.model()
            try await EngineFixture.withModels { models in
                let base = EngineFixture.record(file: file, name: "judge-base")
                let path = try Self.writeHead(baseSHA256: base.sha256)
                defer { try? FileManager.default.removeItem(atPath: path) }
                let record = ModelRecord(
                    id: 2, tenantID: 1, name: "judge", kind: .prm, file: path,
                    sha256: String(repeating: "c", count: 64), base: base.name, rewardKind: .head)
                let prm = try await models.prm(record, base: base)
                #expect(!prm.needsHidden)
                let supervisor = try await models.supervisor(file: file, sha256: base.sha256)
                let session = UUID()
                let steps = ["17 + 25 is 17 + 20 + 5.\n", "17 + 20 = 37.\n"]
                _ = try await prm.score(
                    session: session, messages: Self.messages, answer: [], draft: Self.draft(steps[0]))
                _ = try await prm.score(
                    session: session, messages: Self.messages, answer: [steps[0]], draft: Self.draft(steps[1]))
                let candidates = ["37 + 5 = 42.\n", "37 + 5 = 43.\n", "So it is nothing at all.\n"].map(Self.draft)
                var tokens: [Int] = []
                for candidate in candidates { tokens.append(try await Self.count(candidate.text, supervisor)) }
                let before = try await supervisor.currentStatus()
                let rewards = try await prm.score(
                    session: session, messages: Self.messages, answer: steps, candidates: candidates)
                let after = try await supervisor.currentStatus()
                #expect(rewards.count == 3 && Set(rewards.map(\.raw)).count == 3)
                // The first two share a beginning, which is evaluated by both or by one.
                let evaluated = Int(after.evaluatedTokens - before.evaluatedTokens)
                print("scoring \(tokens) tokens of three candidates evaluated \(evaluated)")
                #expect(evaluated == tokens.reduce(0, +))
                #expect(after.decodes - before.decodes == 1)
                // One by one they are worth the same.
                for (draft, reward) in zip(candidates, rewards) {
                    let alone = try await prm.score(
                        session: UUID(), messages: Self.messages, answer: steps, draft: draft)
                    #expect(abs(alone.raw - reward.raw) < 0.02)
                }
            }
        }

        @Test("A model that is asked reads a step and the question about it, all candidates in one decode")
        func tokens() async throws {
            let file = try EngineFixture.model()
            try await EngineFixture.withModels { models in
                let supervisor = try await models.supervisor(file: file)
                let prm = try TokensRewardModel(supervisor: supervisor, settings: TokensRewardSettings())
                let session = UUID()
                let step = "17 + 25 is 17 + 20 + 5.\n"
                _ = try await prm.score(session: session, messages: Self.messages, answer: [], draft: Self.draft(step))
                let candidates = ["37 + 5 = 42.\n", "37 + 5 = 43.\n", "So it is nothing.\n"].map(Self.draft)
                let before = try await supervisor.currentStatus()
                let rewards = try await prm.score(
                    session: session, messages: Self.messages, answer: [step], candidates: candidates)
                let after = try await supervisor.currentStatus()
                #expect(rewards.count == 3)
                // The chat template's words around the question are as many.
                let suffix =
                    try await Self.count(
                        "\n\nIs the last step of this solution correct? Answer Yes or No.", supervisor) + 5
                var steps = 0
                for candidate in candidates { steps += try await Self.count(candidate.text, supervisor) }
                let evaluated = Int(after.evaluatedTokens - before.evaluatedTokens)
                print("scoring \(steps) tokens of steps with a question of \(suffix) evaluated \(evaluated)")
                // Where step and question meet, a token of each may become one.
                #expect(evaluated <= steps + candidates.count * (suffix + 2))
                // What all three begin with may be evaluated first, by one of them.
                #expect(after.decodes - before.decodes <= 2)
                for (draft, reward) in zip(candidates, rewards) {
                    let alone = try await prm.score(
                        session: UUID(), messages: Self.messages, answer: [step], draft: draft)
                    #expect(abs(alone.raw - reward.raw) < 0.02)
                }
            }
        }

        /// Tokens of a text of the model's answer.
        private static func count(_ text: String, _ supervisor: EngineSupervisor) async throws -> Int {
            let model = EngineModel(supervisor: supervisor, scope: EngineScope(tenant: 99))
            func prompt(_ answer: [AnswerSegment]) async throws -> Int {
                try await model.draft(DraftRequest(asking: "Hi", answer: answer, maxTokens: 1)).promptTokens
            }
            return try await prompt([.text(text)]) - prompt([])
        }

        /// A head whose weights mean nothing, but tell vectors apart.
        private static func writeHead(baseSHA256: String) throws -> String {
            let head = RewardHead(
                baseSHA256: baseSHA256, weights: (0..<576).map { Float($0 % 7) / 70 - 0.04 }, bias: 0,
                mean: Array(repeating: 0, count: 576), scale: Array(repeating: 1, count: 576),
                calibration: .identity, metrics: [:], seed: 1)
            let path = FileManager.default.temporaryDirectory.appending(path: "head-\(UUID()).json").path
            try head.encoded().write(to: URL(filePath: path))
            return path
        }
    }
}
