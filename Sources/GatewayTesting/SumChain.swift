package import GatewayCore

/// A sum of a few numbers, such as "Work out 12 + 5 + 3.", that is worked out one addition a line.
///
/// Problems at the edge of what the smallest models can do once they are shown how: they get some and not others, and
/// where they slip it is in a step that can be looked at.
package struct SumChain: Hashable, Sendable {
    /// Summands of a chain that is read; longer ones are none of ours.
    static let terms = 3...12
    private static let opening = Array("Work out ".utf8)
    private static let largest = 99_999

    /// How long chains are made.
    package enum Length: Sendable {
        /// Three or four numbers.
        case short
        /// Six to twelve.
        case long

        fileprivate var terms: ClosedRange<Int> {
            switch self {
            case .short: 3...4
            case .long: 6...SumChain.terms.upperBound
            }
        }

        fileprivate var largest: [Int] {
            switch self {
            case .short: [9, 19, 39]
            case .long: [9, 39, 99]
            }
        }
    }

    package var numbers: [Int]

    package init(numbers: [Int]) { self.numbers = numbers }

    /// E.g. "Work out 12 + 5 + 3."
    package var question: String { "Work out \(numbers.map(String.init).joined(separator: " + "))." }

    /// The problem with its solution; nil of fewer than two numbers.
    package var problem: WordProblem? {
        guard numbers.count >= 2 else { return nil }
        var problem = WordProblem(question: question, steps: [], leftSource: [], rightSource: [])
        var sum = numbers[0]
        for (index, number) in numbers.dropFirst().enumerated() {
            problem.steps.append(
                .init(operation: .plus, left: sum, right: number, result: sum + number, before: "", after: ""))
            problem.leftSource.append(index == 0 ? nil : index - 1)
            problem.rightSource.append(nil)
            sum += number
        }
        return problem
    }

    /// Two that are solved, as a conversation: a client sends them before the question, and a small model answers the
    /// next one in the same form.
    package static let examples: [ChatMessage] = [[12, 5, 3], [4, 16, 9, 7]].flatMap { numbers in
        let problem = SumChain(numbers: numbers).problem
        return [
            ChatMessage(role: "user", content: problem?.question ?? ""),
            ChatMessage(role: "assistant", content: problem?.solution ?? ""),
        ]
    }

    /// Before longer chains, which are for models that have learned them and need no example.
    package static let instruction = ChatMessage(role: "system", content: "Add one number a line.")

    /// `count` different chains: some of one digit throughout, some of two.
    package static func problems(_ count: Int, seed: UInt64, length: Length = .short) -> [WordProblem] {
        var random = SplitMix64(seed: seed)
        var seen: Set<[Int]> = []
        var result: [WordProblem] = []
        while result.count < count {
            let largest = random.pick(length.largest) ?? 9
            let numbers = (0..<random.integer(in: length.terms)).map { _ in random.integer(in: 2...largest) }
            guard seen.insert(numbers).inserted, let problem = SumChain(numbers: numbers).problem else { continue }
            result.append(problem)
        }
        return result
    }

    /// The chain that a text has at a place; nil: none.
    static func read(_ text: [UInt8], at start: Int) -> SumChain? {
        guard text[start...].starts(with: opening) else { return nil }
        var index = start + opening.count
        var numbers: [Int] = []
        while numbers.count < terms.upperBound {
            let digits = text[index...].prefix { (0x30...0x39).contains($0) }
            guard let number = Int(String(decoding: digits, as: UTF8.self)), number <= largest else { return nil }
            numbers.append(number)
            index += digits.count
            guard text[index...].starts(with: [0x20, 0x2b, 0x20]) else { break }
            index += 3
        }
        let isWhole = index < text.count && text[index] == 0x2e
        return isWhole && terms.contains(numbers.count) ? SumChain(numbers: numbers) : nil
    }
}
