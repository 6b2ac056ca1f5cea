/// A generated arithmetic word problem with its solution, one operation a step.
///
/// The project's own material: tests, the demo and the simulated provider need questions whose right answer, and
/// whose right steps, are known without a side table.
package struct WordProblem: Hashable, Sendable, Codable {
    /// One line of the solution: an equation between some words.
    package struct Step: Hashable, Sendable, Codable {
        package var operation: ArithmeticOperation
        package var left: Int
        package var right: Int
        package var result: Int
        /// The words around the equation.
        var before: String
        var after: String

        /// E.g. "12 + 7 = 19".
        package var equation: String { Self.equation(left, operation, right, result) }
        /// E.g. "Anna has 12 + 7 = 19 apples."
        package var text: String { before + equation + after }

        static func equation(_ left: Int, _ operation: ArithmeticOperation, _ right: Int, _ result: Int) -> String {
            "\(left) \(operation.rawValue) \(right) = \(result)"
        }

        /// The same line around another equation.
        func text(equation: String) -> String { before + equation + after }
    }

    package var question: String
    package var steps: [Step]
    /// The number that each step goes on from, for propagating a wrong result: index of an earlier step per operand,
    /// nil for numbers given in the question.
    var leftSource: [Int?]
    var rightSource: [Int?]

    package var answer: Int { steps.last?.result ?? 0 }
    /// The solution's lines without the last.
    package var goldSteps: [String] { steps.map(\.text) }
    /// The solution's last line, e.g. "Answer: 42".
    package var answerLine: String { "\(Self.answerLabel) \(answer)" }
    /// The whole solution, one line a step.
    package var solution: String { (goldSteps + [answerLine]).joined(separator: "\n") }
    /// Number of operations.
    package var difficulty: Int { steps.count }

    package static let answerLabel = "Answer:"
}

/// How a problem is told, from which its text and its solution follow.
struct StoryPlot: Hashable, Sendable {
    enum Event: Hashable, Sendable {
        case change(ArithmeticOperation, variant: Int, number: Int)
        case group(variant: Int, count: Int, size: Int)
    }
    var story: Int
    var subject: String
    var object: String
    var opening: Int
    var start: Int
    var events: [Event] = []
    var closing: Int

    /// The problem; nil where a number is not whole or does not fit.
    func problem() -> WordProblem? {
        let story = Story.all[self.story]
        let names = StoryTemplate.Values(subject: subject, object: object)
        func tell(_ pattern: String, _ first: Int? = nil, _ second: Int? = nil, equation: String = "") -> String {
            var values = names
            (values.first, values.second) = (first, second)
            return StoryTemplate(pattern).tell(values, equation: equation)
        }
        func around(_ pattern: String) -> (String, String) {
            let parts = tell(pattern, equation: "\u{0}").split(separator: "\u{0}", omittingEmptySubsequences: false)
            return (String(parts.first ?? ""), String(parts.last ?? ""))
        }
        var problem = WordProblem(question: "", steps: [], leftSource: [], rightSource: [])
        var sentences = [tell(story.openings[opening], start)]
        var value = start
        var source: Int?
        func add(
            _ operation: ArithmeticOperation, _ left: Int, _ right: Int, _ sources: (Int?, Int?), _ pattern: String
        )
            -> Int?
        {
            guard let result = operation.apply(left, right) else { return nil }
            let (before, after) = around(pattern)
            problem.steps.append(
                .init(operation: operation, left: left, right: right, result: result, before: before, after: after))
            problem.leftSource.append(sources.0)
            problem.rightSource.append(sources.1)
            return result
        }
        for event in events {
            switch event {
            case .change(let operation, let variant, let number):
                guard let sentence = story.changes[operation]?[variant] else { return nil }
                sentences.append(tell(sentence, number))
                guard let next = add(operation, value, number, (source, nil), story.statement) else { return nil }
                value = next
            case .group(let variant, let count, let size):
                sentences.append(tell(story.groups[variant], count, size))
                guard let added = add(.times, count, size, (nil, nil), story.groupStatement) else { return nil }
                let group = problem.steps.count - 1
                guard let next = add(.plus, value, added, (source, group), story.statement) else { return nil }
                value = next
            }
            source = problem.steps.count - 1
        }
        sentences.append(tell(story.closings[closing]))
        problem.question = sentences.joined(separator: " ")
        return problem.steps.isEmpty ? nil : problem
    }
}

/// A question of one operation without a story, such as "What is 3 plus 4?".
struct BareQuestion: Hashable, Sendable {
    var operation: ArithmeticOperation
    var variant: Int
    var left: Int
    var right: Int

    func problem() -> WordProblem? {
        guard let result = operation.apply(left, right), let pattern = Story.bare[operation]?[variant] else {
            return nil
        }
        let question = StoryTemplate(pattern).tell(.init(first: left, second: right))
        let step = WordProblem.Step(
            operation: operation, left: left, right: right, result: result, before: "", after: "")
        return WordProblem(question: question, steps: [step], leftSource: [nil], rightSource: [nil])
    }
}
