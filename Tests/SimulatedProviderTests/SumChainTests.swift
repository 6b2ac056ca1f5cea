import GatewayCore
import GatewayTesting
import Testing

struct SumChainTests {
    static let many = SumChain.problems(300, seed: 4)

    @Test("every sum is recovered from its text, alone and behind solved ones")
    func parse() {
        #expect(Set(Self.many.map(\.question)).count == 300)
        for problem in Self.many {
            #expect(WordProblem.parse(question: problem.question) == problem)
            #expect(problem.isCorrect(problem.solution))
            for line in problem.goldSteps { #expect(problem.verdict(of: line) == .right) }
        }
        let shown = SumChain.examples.map(\.content).joined(separator: "\n")
        #expect(WordProblem.parse(question: shown + "\n" + Self.many[7].question) == Self.many[7])
        let long = "Work out \((1...13).map(String.init).joined(separator: " + "))."
        for text in ["Work out 3.", "Work out 3 + .", "Work out 3 + 4 + 5", long] {
            #expect(WordProblem.parse(question: text) == nil)
        }
    }

    @Test("long chains are read like short ones, and reach as far as what is read")
    func long() {
        let problems = SumChain.problems(300, seed: 4, length: .long)
        for problem in problems { #expect(WordProblem.parse(question: problem.question) == problem) }
        #expect(Set(problems.map(\.steps.count)) == Set(5...11))
    }

    @Test("the same seed makes the same sums, and a wrong solution goes on from its slip")
    func seeded() {
        #expect(SumChain.problems(20, seed: 1) == SumChain.problems(20, seed: 1))
        #expect(SumChain.problems(20, seed: 1) != SumChain.problems(20, seed: 2))
        var random = SplitMix64(seed: 3)
        for problem in Self.many.prefix(50) {
            let lines = problem.derailedSolution(wrong: 0, using: &random)
            #expect(lines.count == problem.steps.count + 1)
            #expect(!problem.isCorrect(lines.joined(separator: "\n")))
        }
    }
}
