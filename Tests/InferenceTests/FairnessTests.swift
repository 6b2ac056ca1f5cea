import Foundation
import GatewayCore
import GatewayTesting
import Inference
import Testing

extension HostTests {
    @Suite("One tenant's flood, with real hosts")
    struct FairnessTests {
        /// Requests of the tenant that behaves, and of the one that does not.
        static let polite = 7
        static let flood = 200
        /// The end of an answer is forbidden: how long it gets does not depend on the model.
        static let endless: Sampling = {
            var sampling = Sampling()
            sampling.logitBias = [2: -100]
            return sampling
        }()

        @Test("200 long requests of one tenant at most double what another's share predicts for its median latency")
        func flooded() async throws {
            // What is compared are tokens, so a model will do that evaluates them quickly.
            let files = try TinyModels()
            defer { files.remove() }
            let record = try files.record("tiny", TinyModel().file)
            var settings = try EngineFixture.settings()
            settings.maxQueued = 256
            try await EngineFixture.withModels(settings) { models in
                let supervisor = try await models.supervisor(file: record.file)
                let model = EngineModel(supervisor: supervisor)
                var (noisy, polite) = (model, model)
                noisy.scope.tenant = 1
                polite.scope.tenant = 2
                let alone = try await Self.latencies(polite, supervisor)
                let tasks = (0..<Self.flood).map { index in
                    Task { [noisy] in
                        try await noisy.draft(
                            DraftRequest(
                                asking: "Write a very long story, number \(index).", maxTokens: 300,
                                sampling: Self.endless))
                    }
                }
                while try await supervisor.currentStatus().generatedTokens < 200 {
                    try await Task.sleep(for: .milliseconds(20))
                }
                let flooded = try await Self.latencies(polite, supervisor)
                let status = try await supervisor.currentStatus()
                for task in tasks { task.cancel() }
                for task in tasks { _ = await task.result }
                #expect(status.queued + status.active > 150, "the flood was over too soon")
                let (before, median) = (alone[Self.polite / 2], flooded[Self.polite / 2])
                print(
                    "latency in tokens that all evaluated meanwhile: alone \(before), flooded \(median) (most "
                        + "\(flooded[Self.polite - 1])), predicted \(2 * before); paused \(status.paused)")
                // Half of the tokens are its share.
                #expect(median <= 2 * 2 * before)
            }
        }

        @Test("A request that is paused for another tenant goes on where it was, its grammar and its numbers included")
        func paused() async throws {
            var settings = try EngineFixture.settings()
            settings.sequences = 1
            try await EngineFixture.withModel(settings) { model, supervisor in
                var (first, second) = (model, model)
                first.scope.tenant = 1
                second.scope.tenant = 2
                var sampling = Sampling(temperature: 0.8, seed: 5)
                sampling.grammar = "root ::= [0-9]{80}"
                let request = DraftRequest(asking: "Write a long number.", maxTokens: 200, sampling: sampling)
                let task = Task { [first] in try await first.draft(request) }
                while try await supervisor.currentStatus().generatedTokens < 10 {
                    try await Task.sleep(for: .milliseconds(5))
                }
                for _ in 0..<2 {
                    _ = try await second.draft(DraftRequest(asking: "Hi", maxTokens: 2))
                }
                let status = try await supervisor.currentStatus()
                #expect(status.active + status.queued == 1, "the long one was done before")
                let draft = try await task.value
                #expect(try await supervisor.currentStatus().paused >= 1)
                #expect(draft.text.wholeMatch(of: /[0-9]{80}/) != nil, "\(draft.text)")
                #expect(draft.end == .answer && draft.reusedTokens == 0)
            }
        }

        @Test("A reading that is paused for another tenant comes out as one that was not")
        func pausedReading() async throws {
            var settings = try EngineFixture.settings()
            settings.sequences = 1
            try await EngineFixture.withModel(settings) { model, supervisor in
                var (first, second) = (model, model)
                first.scope.tenant = 1
                second.scope.tenant = 2
                let messages = [ChatMessage(role: "user", content: "Count.")]
                let steps = (0..<24).map { line in (0..<20).map { "\(line * 20 + $0)" }.joined(separator: " ") + "\n" }
                let whole = try await first.read(session: UUID(), messages: messages, steps: steps)
                let before = try await supervisor.currentStatus().evaluatedTokens
                let task = Task { [first] in
                    try await first.read(session: UUID(), messages: messages, steps: steps)
                }
                while try await supervisor.currentStatus().evaluatedTokens < before + 100 {
                    try await Task.sleep(for: .milliseconds(2))
                }
                for _ in 0..<2 { _ = try await second.draft(DraftRequest(asking: "Hi", maxTokens: 2)) }
                let paused = try await task.value
                #expect(try await supervisor.currentStatus().paused >= 1)
                #expect(paused.steps.map(\.likelihoods.tokens.count) == whole.steps.map(\.likelihoods.tokens.count))
                for (one, other) in zip(paused.steps, whole.steps) {
                    // Other batches round otherwise.
                    let apart = zip(one.mean, other.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
                    #expect(apart < 0.0004 * other.mean.reduce(0) { $0 + $1 * $1 })
                }
            }
        }

        /// Tokens that the engine evaluated for anybody while each of some short requests was answered, ascending.
        private static func latencies(
            _ model: EngineModel, _ supervisor: EngineSupervisor
        ) async throws -> [Int] {
            var result: [Int] = []
            for index in 0..<polite {
                let before = try await supervisor.currentStatus().evaluatedTokens
                // A word at the very beginning that differs: nothing of the prompt is there already.
                var request = DraftRequest(asking: "", maxTokens: 16, sampling: endless)
                request.messages = [
                    ChatMessage(role: "system", content: "Assistant \(UUID()) \(index)."),
                    ChatMessage(role: "user", content: "What is the capital of France?"),
                ]
                _ = try await model.draft(request)
                result.append(Int(try await supervisor.currentStatus().evaluatedTokens - before))
            }
            return result.sorted()
        }
    }
}
