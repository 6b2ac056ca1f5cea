internal import Foundation
internal import GatewayCore
internal import Inference
internal import Logging

/// Has a model read the answers of data files, and keeps what it makes of them: whoever interrupts it goes on where it
/// stopped.
struct AnswerReadings {
    let model: String
    let cache: ReadingCache

    /// An answer to be read.
    struct Wanted: Sendable {
        var messages: [ChatMessage]
        var steps: [String]
        /// A question alone keeps the key that it has had.
        var key: Data {
            let isAlone = messages.count == 1
            let asked = messages.map { isAlone ? $0.content : "\($0.role)\n\($0.content)" }
            return ReadingCache.key(question: asked.joined(separator: "\n\n"), steps: steps)
        }
    }

    /// Reads what is missing; how many that was.
    func read(_ answers: [Wanted]) async throws -> Int {
        var seen: Set<Data> = []
        let missing = answers.filter { !cache.contains($0.key) && seen.insert($0.key).inserted }
        guard !missing.isEmpty else { return 0 }
        try await Self.withModel(model) { model in
            let session = UUID()
            for (index, answer) in missing.enumerated() {
                let reading = try await Self.again {
                    try await model.read(
                        session: session, messages: answer.messages, steps: answer.steps)
                }
                try cache.add(reading, for: answer.key)
                CommandOutput.progress("reading answers", index + 1, of: missing.count)
            }
        }
        return missing.count
    }

    /// Tries again where the engine host died or was held up: an hour of reading shall not end for that.
    static func again<R>(_ body: () async throws -> R) async throws -> R {
        for pause in [1, 5, 30, 60] {
            do {
                return try await body()
            } catch LocalModelError.interrupted {
                try await Task.sleep(for: .seconds(pause))
            } catch LocalModelError.overloaded {
                try await Task.sleep(for: .seconds(pause))
            }
        }
        return try await body()
    }

    /// Runs `body` with the model in an engine host of its own.
    static func withModel<R: Sendable>(_ file: String, _ body: (EngineModel) async throws -> R) async throws -> R {
        let quiet = Logger(label: "gboost") { _ in SwiftLogNoOpLogHandler() }
        let models = try EngineModels(settings: EngineSettings(), logger: quiet)
        do {
            let result = try await body(EngineModel(supervisor: try await models.supervisor(file: file)))
            await models.shutdown()
            return result
        } catch {
            await models.shutdown()
            throw error
        }
    }
}
