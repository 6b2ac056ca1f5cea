internal import Foundation
internal import GatewayCore
internal import Inference

/// Has a model read the answers of data files, and keeps what it makes of them: whoever interrupts it goes on where it
/// stopped.
struct AnswerReadings {
    let model: SmallModel
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
        try await model.run { model in
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
}
