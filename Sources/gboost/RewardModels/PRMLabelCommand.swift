internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Inference

/// `gboost prm label`: step labels where only the answer is known, as Math-Shepherd makes them: from each prefix the
/// SLM completes several times, and the label is the share of completions that reach the answer.
struct PRMLabelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "label",
        abstract: "Labels the steps of answers by how often the SLM, going on from there, reaches the known answer.",
        discussion: """
            Lines are {"id", "question", "answer", "slm": {"steps"}}; where the steps are missing, the SLM drafts \
            them. Lines that the output has already are not labelled again: interrupt it and go on. Lines are told \
            apart by their id, context, question, answer and steps, and those that share all of it by their order: \
            each of them is labelled.
            """)

    @OptionGroup var model: SmallModel
    @Option(help: "JSON lines with known answers.") var data: String
    @Option(help: "File to write; what it holds already is kept.") var out: String
    @Option(help: "How answers are compared: exact, numeric, choice, regex or command.")
    var checker: AnswerChecker.Kind = .numeric
    @Option(help: "With --checker command: the program.") var program: String?
    @Option(help: "Completions from each prefix.") var completions = 4
    @Option(help: "Temperature of the completions.") var temperature = 0.7
    @Option(help: "Most tokens of a completion.") var maxTokens = 256
    @Option(help: "Seed of the completions.") var seed: UInt32 = 1
    @Flag(help: "Print one JSON document.") var json = false

    /// What was done.
    struct Report: Encodable {
        var labelled: Int
        /// Lines that the output had.
        var kept: Int
        /// Lines that repeat an id.
        var repeated: Int
        var out: String
    }

    func validate() throws {
        guard (1...16).contains(completions) else { throw ValidationError("--completions must be 1 to 16") }
        guard (1...4096).contains(maxTokens) else { throw ValidationError("--max-tokens must be 1 to 4096") }
        guard (0...2).contains(temperature) else { throw ValidationError("--temperature must be 0 to 2") }
        guard (checker == .command) == (program != nil) else {
            throw ValidationError("--program goes with --checker command")
        }
    }

    func run() async throws {
        let rows = try UnlabelledRow.read(data)
        try labelling.judge.check(rows, of: data)
        guard !OutputFile.isSame(data, out) else { throw OutputFile.refusal(out, "--out", "it is --data") }
        let (file, done) = try LabelOutput.opened(out)
        let missing = Self.missing(of: rows, done: done)
        if !missing.isEmpty { try await label(missing, to: file) }
        let repeated = rows.count - Set(rows.map(\.id)).count
        let report = Report(
            labelled: missing.count, kept: rows.count - missing.count, repeated: repeated, out: out)
        if json { return try CommandOutput.print(json: report) }
        let note = repeated == 0 ? "" : "; \(repeated) lines repeat an id, and each counts as a line of its own"
        CommandOutput.print("\(report.labelled) answers labelled, \(report.kept) had been\(note)\n")
    }

    private func label(_ missing: [(offset: Int, element: UnlabelledRow)], to file: FileHandle) async throws {
        try await model.run { model in
            for (count, item) in missing.enumerated() {
                let labelled = try await labelling.label(item.element, number: item.offset, model: model)
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                let line = try encoder.encode(labelled) + Data([0x0a])
                do { try file.write(contentsOf: line) } catch { throw OutputFile.failure(error, of: out) }
                CommandOutput.progress("labelling answers", count + 1, of: missing.count)
            }
        }
    }

    /// What tells one row from another. Rows without an id were given their line's number, which another line before
    /// them changes: it tells nothing apart.
    private struct Key: Hashable {
        var id: String?
        var context: [ChatMessage]
        var question: String
        var answer: String?
        /// Empty: the SLM drafts them.
        var steps: [String]

        init(_ row: UnlabelledRow) {
            (id, context, question) = (Self.told(row.id), row.context, row.question)
            (answer, steps) = (row.answer, row.steps)
        }

        init(_ row: LabelledRow) {
            (id, context, question) = (Self.told(row.id), row.context, row.question)
            (answer, steps) = (row.answer, row.slm.steps)
        }

        private static func told(_ id: String) -> String? {
            let number = id.hasPrefix("line-") ? id.dropFirst("line-".count) : ""
            return !number.isEmpty && number.allSatisfy(\.isNumber) ? nil : id
        }
    }

    /// The rows to be labelled yet, with their places. The output is in the order of the data, so of rows that are
    /// alike the first are done: an interruption changes nothing about which rows get a label.
    static func missing(of rows: [UnlabelledRow], done: [LabelledRow]) -> [(offset: Int, element: UnlabelledRow)] {
        var left: [Key: Int] = [:]
        for row in done { left[Key(row), default: 0] += 1 }
        var isDone = rows.map { !$0.steps.isEmpty && Self.take(Key($0), from: &left) }
        // What no given steps account for was drafted by the SLM.
        var drafted: [Key: Int] = [:]
        for (key, count) in left {
            var question = key
            question.steps = []
            drafted[question, default: 0] += count
        }
        for (place, row) in rows.enumerated() where row.steps.isEmpty {
            isDone[place] = Self.take(Key(row), from: &drafted)
        }
        return rows.enumerated().filter { !isDone[$0.offset] }
    }

    private static func take(_ key: Key, from left: inout [Key: Int]) -> Bool {
        guard let count = left[key], count > 0 else { return false }
        left[key] = count - 1
        return true
    }

    private var labelling: StepLabelling {
        StepLabelling(
            judge: AnswerChecker(kind: checker, program: program), completions: completions,
            temperature: temperature, maxTokens: maxTokens, seed: seed)
    }
}
