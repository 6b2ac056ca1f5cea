import Foundation
import GatewayCore
import Testing

@testable import Inference

@Suite("A reward model that another server holds") struct AskedRewardTests {
    private static let draft = StepDraft(
        text: "2 + 3 = 5.", tokens: [], logProbabilities: [], hidden: [], end: .boundary, promptTokens: 0,
        reusedTokens: 0)

    private static func score(_ tokens: [(String, Double)]) async throws -> ProcessReward {
        let model = try AskedRewardModel(settings: TokensRewardSettings()) { messages in
            #expect(messages.count == 1 && messages[0].content.contains("2 + 3 = 5."))
            return tokens.map { ($0.0, log($0.1)) }
        }
        return try await model.score(
            session: UUID(), messages: [ChatMessage(role: "user", content: "2 + 3?")], answer: [], draft: draft)
    }

    @Test("the reward is the good answer's share, however the tokens are cut")
    func reward() async throws {
        #expect(abs(try await Self.score([("Yes", 0.6), ("No", 0.2), ("Maybe", 0.1)]).raw - 0.75) < 1e-9)
        #expect(abs(try await Self.score([(" Yes", 0.3), ("Ye", 0.3), ("No", 0.2)]).raw - 0.75) < 1e-9)
        #expect(try await Self.score([("Yes", 0.6)]).raw == 1)
    }

    @Test("a model that answers something else gives no reward")
    func nothing() async throws {
        await #expect(throws: LocalModelError.self) { _ = try await Self.score([("The", 0.9), ("", 0.1)]) }
    }
}
