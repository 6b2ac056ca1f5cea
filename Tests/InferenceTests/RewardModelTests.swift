import Foundation
import GatewayCore
import Testing

@testable import Inference

extension ModelTests {
    @Suite("Reward models with the demo model")
    struct RewardModelTests {
        private static func record(_ kind: RewardKind, file: String) -> ModelRecord {
            ModelRecord(
                id: 2, tenantID: 1, name: "judge", kind: .prm, file: file, sha256: String(repeating: "c", count: 64),
                base: "demo", rewardKind: kind)
        }

        private static let draft = StepDraft(
            text: "2 + 2 = 4.\n", tokens: [1], logProbabilities: [0], hidden: [], end: .boundary, promptTokens: 1,
            reusedTokens: 0)

        @Test("A model that is asked gives a probability, and reads only what is new of a longer answer")
        func tokens() async throws {
            let file = try EngineFixture.model()
            try await EngineFixture.withModels { models in
                let prm = try await models.prm(Self.record(.tokens, file: file), base: nil)
                #expect(!prm.needsHidden)
                let session = UUID()
                let messages = [ChatMessage(role: "user", content: "What is 2 + 2, and then 3 more?")]
                let first = try await prm.score(session: session, messages: messages, answer: [], draft: Self.draft)
                #expect((0...1).contains(first.raw) && first.calibrated == first.raw)
                let supervisor = try await models.supervisor(file: file)
                let before = try await supervisor.currentStatus().evaluatedTokens
                let again = try await prm.score(session: session, messages: messages, answer: [], draft: Self.draft)
                #expect(again == first)
                #expect(try await supervisor.currentStatus().evaluatedTokens == before)
                _ = try await prm.score(
                    session: session, messages: messages, answer: [Self.draft.text], draft: Self.draft)
                #expect(try await supervisor.currentStatus().evaluatedTokens < before + 60)
            }
        }

        @Test("A head trained on the model's hidden states scores its drafts; another model's head is refused")
        func sharedHead() async throws {
            let file = try EngineFixture.model()
            let base = EngineFixture.record(file: file)
            let model = try await EngineFixture.sharedModel()
            var rows: [RewardHeadTrainer.Row] = []
            for index in 0..<8 {
                let states = try await model.hiddenStates(
                    messages: [ChatMessage(role: "user", content: "What is \(index) plus 1?")],
                    steps: ["It is \(index + 1).\n", "Banana banana banana \(index).\n"])
                #expect(states.count == 2 && states.allSatisfy { $0.count == 576 })
                rows.append(.init(hidden: states[0], label: 1, group: index))
                rows.append(.init(hidden: states[1], label: 0, group: index))
            }
            var trainer = RewardHeadTrainer(seed: 1)
            trainer.folds = 2
            trainer.penalties = [0.3]
            let head = try trainer.train(rows, baseSHA256: base.sha256)
            #expect((head.metrics["auroc"] ?? 0) > 0.9)
            let path = FileManager.default.temporaryDirectory.appending(path: "head-\(UUID()).json").path
            try head.encoded().write(to: URL(filePath: path))
            defer { try? FileManager.default.removeItem(atPath: path) }
            try await EngineFixture.withModels { models in
                let record = Self.record(.sharedHead, file: path)
                let prm = try await models.prm(record, base: base)
                #expect(prm.needsHidden)
                let draft = try await models.slm(base).draft(
                    DraftRequest(asking: "What is 20 plus 1?", maxTokens: 12, boundary: .newline, wantsHidden: true))
                let reward = try await prm.score(session: UUID(), messages: [], answer: [], draft: draft)
                #expect((0...1).contains(reward.raw) && (0...1).contains(reward.calibrated))
                var other = base
                other.sha256 = String(repeating: "d", count: 64)
                await #expect(throws: LocalModelError.self) { _ = try await models.prm(record, base: other) }
                await #expect(throws: LocalModelError.self) { _ = try await models.prm(record, base: nil) }
            }
            var settings = try EngineFixture.settings()
            settings.digest = { String(repeating: $0 == path ? "e" : "a", count: 64) }
            try await EngineFixture.withModels(settings) { models in
                var record = Self.record(.sharedHead, file: path)
                await #expect {
                    _ = try await models.prm(record, base: base)
                } throws: {
                    "\($0)".contains("is not the file that was registered")
                }
                record.sha256 = String(repeating: "e", count: 64)
                _ = try await models.prm(record, base: base)
            }
        }

        @Test("A host ends when the process that started it lets go")
        func lifeline() async throws {
            let loop = EngineLoop()
            let process = HostProcess(loop: loop)
            let socket = "/tmp/gboost-test-\(UUID().uuidString.prefix(8)).sock"
            defer { for path in [socket, socket + ".log"] { unlink(path) } }
            let options = EngineHostOptions(model: try EngineFixture.model(), socket: socket)
            let problem = await process.start(
                executable: try EngineFixture.executable(), arguments: ["engine-host"] + options.arguments,
                log: socket + ".log")
            #expect(problem == nil)
            let client = EngineClient(loop: loop)
            while await !client.connect(path: socket) { try await Task.sleep(for: .milliseconds(10)) }
            await process.letGo()
            #expect(await process.waitForExit() == .code(0))
            await client.close()
        }

        @Test("A host has the gateway's environment, and threads that do not spin for long")
        func environment() async throws {
            let process = HostProcess(loop: EngineLoop())
            let log = "/tmp/gboost-test-\(UUID().uuidString.prefix(8)).log"
            defer { unlink(log) }
            #expect(await process.start(executable: "/bin/sh", arguments: ["-c", "env >&2"], log: log) == nil)
            #expect(await process.waitForExit() == .code(0))
            let lines = Set(try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init))
            #expect(lines.contains("GOMP_SPINCOUNT=2000"))
            let path = try #require(ProcessInfo.processInfo.environment["PATH"])
            #expect(lines.contains("PATH=\(path)"))
        }

        @Test("What cannot be started says so")
        func noExecutable() async throws {
            var settings = try EngineFixture.settings()
            settings.executable = "/nonexistent/gboost"
            settings.readinessLimit = .seconds(60)
            try await EngineFixture.withModel(settings) { model, _ in
                await #expect {
                    _ = try await model.info()
                } throws: { error in
                    guard case LocalModelError.unavailable(let text) = error else { return false }
                    return text.contains("/nonexistent/gboost")
                }
            }
        }
    }
}
