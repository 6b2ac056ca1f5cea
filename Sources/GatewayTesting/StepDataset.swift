package import Foundation

/// Labelled steps made from word problems, for training and testing a reward head by teacher forcing.
package enum StepDataset {
    /// A line of a data file that cannot be read.
    package struct ReadError: Error, Hashable, Sendable, CustomStringConvertible {
        package var line: Int
        package var reason: String
        package var description: String { "line \(line): \(reason)" }
    }

    /// Longer files are refused.
    package static let maxFileBytes = 256 << 20

    /// For every problem one right answer, of which up to `perProblem` steps carry the label "right", and for each of
    /// these steps an answer that is right up to it and wrong there: as many wrong steps as right ones, at the same
    /// depths and after the same words, so that neither tells a right step from a wrong one.
    ///
    /// The last line ("Answer: …") counts as a step. Steps end with a newline, as a route cuts them.
    package static func examples(
        problems: [WordProblem], perProblem: Int = 2, kinds: [StepCorruption] = StepCorruption.allCases, seed: UInt64
    ) -> [StepExample] {
        var random = SplitMix64(seed: seed)
        var result: [StepExample] = []
        for (number, problem) in problems.enumerated() {
            let gold = (problem.goldSteps + [problem.answerLine]).map { $0 + "\n" }
            let chosen = random.shuffled(Array(gold.indices)).prefix(max(1, perProblem)).sorted()
            result.append(
                StepExample(
                    id: "word-\(seed)-\(number)", question: problem.question, steps: gold,
                    labels: gold.indices.map { chosen.contains($0) ? true : nil }))
            for index in chosen {
                let wrong =
                    index == problem.steps.count
                    ? problem.corruptedAnswerLine(using: &random)
                    : problem.corrupted(step: index, kind: random.pick(kinds), using: &random)
                let steps = gold[..<index] + [wrong + "\n"]
                result.append(
                    StepExample(
                        id: "word-\(seed)-\(number)-wrong-\(index)", question: problem.question, steps: Array(steps),
                        labels: [Bool?](repeating: nil, count: index) + [false]))
            }
        }
        return result
    }

    /// Writes one line of JSON an example.
    package static func write(_ examples: [StepExample], to file: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var data = Data()
        for example in examples {
            data.append(try encoder.encode(example))
            data.append(0x0a)
        }
        try data.write(to: file, options: .atomic)
    }

    /// Reads what `write` wrote, or any file of the same form.
    package static func read(_ file: URL) throws -> [StepExample] {
        let data = try Data(contentsOf: file)
        guard data.count <= maxFileBytes else { throw ReadError(line: 0, reason: "file is too large") }
        let decoder = JSONDecoder()
        return try data.split(separator: 0x0a).enumerated().map { number, line in
            do {
                return try decoder.decode(StepExample.self, from: line)
            } catch {
                throw ReadError(line: number + 1, reason: "no labelled answer: \(error)")
            }
        }
    }
}
