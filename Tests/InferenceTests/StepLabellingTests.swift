import Foundation
import GatewayCore
import Testing

@testable import Inference
@testable import gboost

extension ModelTests {
    @Suite("Labelling steps")
    struct StepLabellingTests {
        private static func row(_ json: String) throws -> UnlabelledRow {
            try JSONDecoder().decode(UnlabelledRow.self, from: Data(json.utf8))
        }

        @Test("Labels are shares of completions that reach the answer, the same for a seed; the last step's is certain")
        func labels() async throws {
            let model = try await EngineFixture.sharedModel()
            let labelling = StepLabelling(
                judge: AnswerChecker(kind: .regex), completions: 3, temperature: 0.8, maxTokens: 12, seed: 5)
            // Every text matches, so every prefix leads to the answer; or none does.
            for (answer, share) in [(".", 1.0), ("no such words at all", 0)] {
                let row = try Self.row(
                    "{\"id\":\"a\",\"question\":\"What is 2 + 2?\",\"answer\":\"\(answer)\","
                        + "\"slm\":{\"steps\":[\"2 + 2\",\"is 4\"]}}")
                let labelled = try await labelling.label(row, number: 3, model: model)
                #expect(labelled.slm.stepLabels == [share, share])
                #expect(labelled.slm.correct == (share == 1) && labelled.id == "a" && labelled.answer == answer)
                #expect(try await labelling.label(row, number: 3, model: model) == labelled)
            }
            // Without steps, the SLM writes them.
            let own = try await labelling.label(
                Self.row("{\"id\":\"b\",\"question\":\"Say hello.\",\"answer\":\".\"}"), number: 0, model: model)
            #expect(!own.slm.steps.isEmpty && own.slm.stepLabels?.count == own.slm.steps.count)
        }
    }
}
