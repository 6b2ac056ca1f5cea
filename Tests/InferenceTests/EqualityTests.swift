import Foundation
import GatewayCore
import Inference
import Testing

extension ModelTests {
    @Suite("The engine against llama.cpp's own command-line tool")
    struct EqualityTests {
        static let prompts = [
            "The capital of France is", "Water boils at", "Once upon a time, there was a", "def fibonacci(n):",
            "The three primary colours are", "In 1969, the first man", "To make a cup of tea, you",
            "The largest planet in the solar system", "2, 4, 8, 16,", "Dear Sir or Madam,",
            "The mitochondrion is", "A triangle has", "Shakespeare wrote", "The quick brown fox",
            "Photosynthesis is the process by which", "#include <stdio.h>", "SELECT name FROM",
            "My favourite season is",
            "The opposite of hot is", "Q: What is 7 times 6?\nA:",
        ]
        static let tokens = Int(ProcessInfo.processInfo.environment["GBOOST_EQUALITY_TOKENS"] ?? "") ?? 24

        @Test("Greedy text of twenty prompts is the same, token for token")
        func twentyPrompts() async throws {
            let tool = try EngineFixture.commandLineTool()
            let file = try EngineFixture.model()
            let model = try await EngineFixture.sharedModel()
            var equal = 0
            for prompt in Self.prompts {
                // A thread each, at the same time.
                async let tools = run(
                    tool,
                    [
                        "-m", file, "-p", prompt, "-n", "\(Self.tokens)", "--temp", "0", "-no-cnv",
                        "--no-display-prompt", "--simple-io", "-t", "1", "--no-warmup",
                    ])
                let session = UUID()
                let draft = try await model.complete(
                    prompt, DraftRequest(asking: "", session: session, maxTokens: Self.tokens))
                await model.end(session: session)
                let theirs = try await tools
                if isSame(theirs, draft.text) {
                    equal += 1
                } else {
                    Issue.record("\(prompt): engine \(draft.text.debugDescription), tool \(theirs.debugDescription)")
                }
            }
            print("equal to the command-line tool: \(equal) of \(Self.prompts.count), \(Self.tokens) tokens each")
        }

        @Test("With the model's own chat template as well, its default system prompt included")
        func chatTemplate() async throws {
            let tool = try EngineFixture.commandLineTool()
            let file = try EngineFixture.model()
            let model = try await EngineFixture.sharedModel()
            for question in ["What is the capital of Italy?", "Name two colours."] {
                async let tools = run(
                    tool,
                    [
                        "-m", file, "-p", question, "-n", "\(Self.tokens)", "--temp", "0", "-cnv", "-st", "--jinja",
                        "--no-display-prompt", "--simple-io", "-t", "1", "--no-warmup",
                    ])
                let draft = try await model.draft(DraftRequest(asking: question, maxTokens: Self.tokens))
                let theirs = try await tools
                #expect(theirs.contains(draft.text.trimmingCharacters(in: .whitespacesAndNewlines)))
            }
        }

        /// The tool ends its output with a line end, and says so where the model ended its answer.
        private func isSame(_ theirs: String, _ ours: String) -> Bool {
            guard theirs.hasPrefix(ours) else { return false }
            let rest = theirs.dropFirst(ours.count).trimmingCharacters(in: .whitespacesAndNewlines)
            return rest.isEmpty || rest == "[end of text]"
        }

        private func run(_ executable: String, _ arguments: [String]) async throws -> String {
            let output = FileManager.default.temporaryDirectory.appending(path: "gboost-\(UUID()).txt")
            _ = FileManager.default.createFile(atPath: output.path, contents: nil)
            defer { try? FileManager.default.removeItem(at: output) }
            let process = Process()
            process.executableURL = URL(filePath: executable)
            process.arguments = arguments
            process.standardOutput = try FileHandle(forWritingTo: output)
            process.standardError = FileHandle.nullDevice
            process.standardInput = FileHandle.nullDevice
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                process.terminationHandler = { _ in continuation.resume() }
                do { try process.run() } catch { continuation.resume(throwing: error) }
            }
            return String(decoding: try Data(contentsOf: output), as: UTF8.self)
        }
    }
}
