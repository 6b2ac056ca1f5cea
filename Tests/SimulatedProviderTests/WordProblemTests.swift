import Foundation
import GatewayTesting
import Testing

struct WordProblemTests {
    static let many = WordProblemGenerator.problems(2_000, seed: 11, difficulties: 0...6, sizes: NumberSize.allCases)

    @Test("the same seed makes the same problems, another seed others")
    func seeded() {
        #expect(WordProblemGenerator.problems(50, seed: 5) == WordProblemGenerator.problems(50, seed: 5))
        #expect(WordProblemGenerator.problems(50, seed: 5) != WordProblemGenerator.problems(50, seed: 6))
    }

    @Test("every problem is recovered from its text")
    func parseIsInverse() {
        #expect(Self.many.count == 2_000)
        for problem in Self.many {
            #expect(WordProblem.parse(question: problem.question) == problem)
        }
    }

    @Test("a problem is recovered from within a longer message with other line breaks")
    func parseEmbedded() {
        for problem in Self.many.prefix(200) {
            let wrapped = problem.question.replacingOccurrences(of: ". ", with: ".\n")
            let text = "Solve this, please, in 3 or 4 steps.\n\nQ: \(wrapped)\n\nThink of 12 + 7 = 19. Thanks!"
            #expect(WordProblem.parse(question: text) == problem)
        }
    }

    @Test("of several problems the last one counts; other texts hold none")
    func parseLast() {
        let two = Self.many[1].question + "\n" + Self.many[2].question
        #expect(WordProblem.parse(question: two) == Self.many[2])
        for text in ["", "Hello", "What is the capital of France?", "Anna has 12 apples.", "What is 7 divided by 0?"] {
            #expect(WordProblem.parse(question: text) == nil)
        }
    }

    @Test("problems have the asked-for steps, and the numbers follow from one another")
    func wellFormed() {
        var generator = WordProblemGenerator(seed: 3)
        for difficulty in 1...6 {
            for size in NumberSize.allCases {
                let problem = generator.next(difficulty: difficulty, size: size)
                #expect(problem.difficulty == difficulty)
                for step in problem.steps {
                    #expect(step.operation.apply(step.left, step.right) == step.result)
                }
            }
        }
        let questions = Self.many.map(\.question)
        #expect(Set(questions).count == questions.count)
    }

    @Test("the gold solution is right in every line, and its end is the answer")
    func goldIsRight() {
        for problem in Self.many {
            for line in problem.goldSteps { #expect(problem.verdict(of: line) == .right) }
            #expect(problem.verdict(of: problem.answerLine) == .right)
            #expect(problem.isCorrect(problem.solution))
            #expect(problem.coveredSteps(by: problem.goldSteps) == problem.steps.count)
        }
    }

    @Test("every kind of corruption makes a wrong step")
    func corruptionIsWrong() {
        var random = SplitMix64(seed: 1)
        for problem in Self.many.prefix(600) {
            for kind in StepCorruption.allCases {
                let index = random.integer(in: 0...(problem.steps.count - 1))
                let wrong = problem.corrupted(step: index, kind: kind, using: &random)
                #expect(problem.verdict(of: wrong) == .wrong, "\(wrong) | \(problem.question)")
            }
            #expect(!problem.isCorrect(problem.corruptedAnswerLine(using: &random)))
            let wrong = random.integer(in: 0...(problem.steps.count - 1))
            let derailed = problem.derailedSolution(wrong: wrong, using: &random)
            #expect(derailed.count == problem.steps.count + 1)
            #expect(!problem.isCorrect(derailed.joined(separator: "\n")))
            #expect(problem.coveredSteps(by: derailed) == wrong)
        }
    }

    @Test(
        "steps are judged the way models write them",
        arguments: [
            ("Anna has 5 + 7 = 12 apples.", true), ("7 + 5 = 12", true), ("First, 5 apples plus 7 apples is 12.", true),
            ("1. 5 + 7 = 12", true), ("Step 2: 12 × 3 = 36", true), ("5 + 7 = <<5+7=12>>12 apples", true),
            ("(5 + 7) = 12", true), ("5 + 7 = 12 and 12 * 3 = 36", true), ("12 x 3 = 36", true),
            ("Let us begin.", true), ("Anna has 5 apples.", true), ("So she has 36 apples.", true),
            ("Answer: 36", true), ("**Answer:** 36.", true), ("5 + 7 + 24 = 36", true), ("$12 * 3 = $36.00", true),
            ("5 + 7 = 13", false), ("5 - 7 = -2", false), ("12 + 3 = 15", false), ("So she has 37 apples.", false),
            ("Answer: 12", false), ("So the answer is 36.", true), ("The answer is 5.", false), ("#### 12", false),
            ("5 + 7 = 12 and 12 * 3 = 35", false), ("7 - 5 = 2", false),
        ])
    func judged(step: String, isRight: Bool) throws {
        let question = "Anna has 5 apples. Anna finds 7 more apples. After a swap Anna has 3 times as many apples. "
        let problem = try #require(WordProblem.parse(question: question + "How many apples does Anna have now?"))
        #expect(problem.isStepCorrect(step) == isRight)
    }

    @Test("final answers are found behind the label or at the end")
    func finalAnswers() throws {
        let problem = try #require(WordProblem.parse(question: "What is 600 times 7?"))
        for text in ["Answer: 4200", "answer: $4,200.00", "So it is 4200.", "Answer: 600 * 7 = 4200\n(in 1 step)"] {
            #expect(problem.isCorrect(text), "\(text)")
        }
        for text in ["", "Answer: 420", "4200 or 4201", "Answer: 4\n4200"] {
            #expect(!problem.isCorrect(text), "\(text)")
        }
    }

    @Test("labelled steps are balanced, judged alike by the problem, and survive a file")
    func dataset() throws {
        let problems = WordProblemGenerator.problems(200, seed: 4)
        let examples = StepDataset.examples(problems: problems, perProblem: 2, seed: 9)
        let labels = examples.flatMap(\.labels).compactMap(\.self)
        #expect(labels.count(where: \.self) == labels.count / 2)
        for example in examples {
            let problem = try #require(WordProblem.parse(question: example.question))
            for (step, label) in zip(example.steps, example.labels) where label != nil {
                #expect(problem.isStepCorrect(step) == label)
            }
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "steps-\(UUID()).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        try StepDataset.write(examples, to: file)
        #expect(try StepDataset.read(file) == examples)
    }
}
