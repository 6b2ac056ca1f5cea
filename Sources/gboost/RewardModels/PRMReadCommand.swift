internal import ArgumentParser
internal import Foundation
internal import Inference
internal import Ledger

/// `gboost prm read`: the slow part of the other commands, done ahead.
struct PRMReadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read",
        abstract: "Has an SLM read the answers of data files and keeps what it makes of them for the other commands.")

    @OptionGroup var reading: ReadingOptions
    @Flag(help: "Print one JSON document.") var json = false

    /// What was done.
    struct Report: Encodable {
        var read: Int
        /// Those that had been read before among them.
        var answers: Int
    }

    func run() async throws {
        let cache = try await ReadingCache.opened(
            directory: reading.cache, modelSHA256: try await reading.model.identity())
        let readings = AnswerReadings(model: reading.model, cache: cache)
        var answers: [AnswerReadings.Wanted] = []
        for row in try (reading.data + reading.extra).flatMap(LabelledRow.read) {
            for answer in [row.slm] + row.alternatives {
                answers.append(.init(messages: row.messages, steps: answer.lines))
            }
        }
        let count = try await readings.read(answers)
        if json { return try CommandOutput.print(json: Report(read: count, answers: answers.count)) }
        CommandOutput.print("\(count) of \(answers.count) answers read, the others had been\n")
    }
}
