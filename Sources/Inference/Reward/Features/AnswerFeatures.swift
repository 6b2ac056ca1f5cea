internal import Foundation

/// Numbers that describe an answer as far as it has come, read off its text: how long it is, whether its arithmetic
/// holds, where its numbers come from, and what kind of question it answers.
///
/// All of it is deterministic and costs microseconds; a small model's hidden states say little of whether an equation
/// is true, and this says it exactly.
package struct AnswerFeatures: Sendable {
    /// Words of a question that tell easy ones from hard ones.
    private static let cues = [
        "each", "every", "per", "than", "twice", "half", "first", "then", "total", "same", "if", "other", "only",
        "percent", "as", "much", "ratio", "age", "old", "profit", "speed", "interest", "discount", "remaining",
        "additional", "another", "also", "instead", "least", "most", "times", "rest", "left", "average", "more",
        "less", "fewer", "third", "hour", "hours", "minutes", "day", "days", "week", "weeks", "month", "year",
        "between", "until", "after", "before", "how", "what", "when", "can", "not", "both", "all", "some",
    ]
    private static let hedges = ["let", "assume", "approximately", "since", "therefore", "however", "suppose", "so"]
    /// Quantities that words stand for.
    private static let words: [String: Double] = [
        "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
        "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100, "dozen": 12,
        "twice": 2, "double": 2, "triple": 3, "half": 0.5, "third": 1.0 / 3, "quarter": 0.25, "couple": 2,
        "fourth": 0.25, "fifth": 0.2, "week": 7, "hour": 60, "minutes": 60, "year": 12, "day": 24,
    ]

    package static let names: [String] = textNames + cues.map { "q_\($0)" } + hedges.map { "a_\($0)" }

    private static let textNames = [
        "steps", "log_steps", "log_length", "longest_step", "mean_step", "last_step", "is_end", "repeats",
        "q_length", "q_numbers", "q_sentences", "q_percent", "q_money", "q_fraction",
        "notes", "notes_share", "false_notes", "contradicted_notes", "true_claims", "false_claims", "any_false",
        "no_claims", "unsupported", "any_unsupported", "unused", "unused_share", "uncalculated_share",
        "operations_ratio", "steps_ratio", "marker", "last_numbers", "last_value", "last_whole", "last_negative",
        "last_words", "last_from_question", "last_repeats", "last_is_result", "last_seen", "cut_off", "variables",
        "decimals", "largest", "numbers", "operations", "percents", "negative_result",
    ]

    private let question: String
    private let questionNumbers: [Double]
    private let known: [Double]
    private let constant: [Double]
    private let questionCues: [Double]

    package init(question: String) {
        self.question = question
        let text = ArithmeticText(question)
        let lowered = Self.words(in: question)
        questionNumbers = Self.distinct(text.numbers)
        var known = questionNumbers
        for word in lowered { if let value = Self.words[word] { known.append(value) } }
        for number in questionNumbers { known += [number / 100, 1 - number / 100, 1 + number / 100] }
        self.known = known + [1, 2, 100]
        let count = Dictionary(lowered.map { ($0, 1.0) }, uniquingKeysWith: +)
        questionCues = Self.cues.map { min(3, count[$0] ?? 0) }
        constant = [
            log(Double(question.utf8.count) + 1), Double(text.numbers.count),
            Double(question.utf8.count { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "?") }),
            question.contains("%") ? 1 : 0, question.contains("$") ? 1 : 0, question.contains("/") ? 1 : 0,
        ]
    }

    /// What is known before the first step: of the question alone.
    package var questionValues: [Double] { constant + questionCues }

    /// As many as `names`.
    ///
    /// - Parameter isEnd: the answer is complete with the last of `steps`.
    package func values(_ steps: [String], isEnd: Bool) -> [Double] {
        let whole = ArithmeticText(steps.joined(separator: "\n"))
        let last = FinalStep(steps.last ?? "")
        return shape(steps, isEnd) + constant + claims(whole, steps) + ending(whole, last, steps) + questionCues
            + hedges(steps)
    }

    private func shape(_ steps: [String], _ isEnd: Bool) -> [Double] {
        let lengths = steps.map { Double($0.utf8.count) }
        let total = lengths.reduce(0, +)
        return [
            Double(steps.count), log(Double(max(1, steps.count))), log(total + 1), log((lengths.max() ?? 0) + 1),
            log(total / Double(max(1, steps.count)) + 1), log((lengths.last ?? 0) + 1), isEnd ? 1 : 0,
            Double(steps.count - Set(steps).count),
        ]
    }

    private func claims(_ text: ArithmeticText, _ steps: [String]) -> [Double] {
        var results: [Double] = []
        var unsupported = 0
        var used: [Double] = []
        for claim in text.claims {
            for operand in claim.operands {
                used.append(operand)
                let isSupported =
                    known.contains { ArithmeticText.isNear($0, operand) }
                    || results.contains { ArithmeticText.isNear($0, operand) }
                if !isSupported { unsupported += 1 }
            }
            results.append(claim.stated)
        }
        let wrong = text.claims.count { !$0.isTrue }
        let right = text.claims.count - wrong
        let steps = Double(max(1, steps.count))
        let numbers = Double(max(1, questionNumbers.count))
        let unused = questionNumbers.count { number in !text.numbers.contains(number) }
        let uncalculated = questionNumbers.count { number in
            !used.contains { ArithmeticText.isNear($0, number) || ArithmeticText.isNear($0, number / 100) }
        }
        let contradicted = text.contradictedNotes
        return [
            Double(text.noteCount), Double(text.noteCount) / steps, Double(min(3, text.falseNotes)),
            Double(min(3, contradicted)), Double(right), Double(min(3, wrong)),
            wrong + contradicted + text.falseNotes > 0 ? 1 : 0, text.claims.isEmpty ? 1 : 0,
            Double(min(4, unsupported)), unsupported > 0 ? 1 : 0, Double(unused), Double(unused) / numbers,
            Double(uncalculated) / numbers, Double(text.claims.count) / numbers,
            steps - Double(questionNumbers.count),
        ]
    }

    private func ending(_ text: ArithmeticText, _ last: FinalStep, _ steps: [String]) -> [Double] {
        let results = text.claims.map(\.stated)
        let value = last.numbers.last ?? 0
        // Where the last step only repeats the result, what counts is the number before it.
        let before = text.numbers.dropLast(last.numbers.count).last
        let decimals = text.numbers.count { ($0 - $0.rounded()).magnitude > 1e-6 }
        let percents = steps.reduce(0) { $0 + $1.utf8.count { $0 == UInt8(ascii: "%") } }
        func flag(_ condition: Bool) -> Double { condition ? 1 : 0 }
        return [
            flag(last.isMarked), Double(min(3, last.numbers.count)), log1p(value.magnitude),
            flag(!last.numbers.isEmpty && (value - value.rounded()).magnitude < 1e-6), flag(last.hasMinus),
            Double(min(4, last.words)), flag(questionNumbers.contains(value)),
            flag(before.map { ArithmeticText.isNear($0, value) } ?? false),
            flag(results.last.map { ArithmeticText.isNear($0, value) } ?? false),
            flag(results.contains { ArithmeticText.isNear($0, value) }), flag(last.isCutOff),
            flag(steps.contains { Self.hasVariable($0) }), Double(min(6, decimals)),
            log1p(text.numbers.max() ?? 0), Double(text.numbers.count), Double(text.operationCount),
            Double(percents), flag(results.contains { $0 < 0 }),
        ]
    }

    private func hedges(_ steps: [String]) -> [Double] {
        var counts: [String: Double] = [:]
        for step in steps { for word in Self.words(in: step) { counts[word, default: 0] += 1 } }
        return Self.hedges.map { min(3, counts[$0] ?? 0) }
    }

    /// "3x + 2 = 8", "x = 5".
    private static func hasVariable(_ step: String) -> Bool {
        let tokens = ArithmeticText.tokens(Array(step.utf8))
        return zip(tokens, tokens.dropFirst()).contains { $0 == .word && $1 == .equals }
    }

    private static func words(in text: String) -> [String] {
        text.utf8.split { byte in !((0x41...0x5A).contains(byte & 0xDF)) }
            .map { String(decoding: $0.map { $0 | 0x20 }, as: UTF8.self) }
    }

    private static func distinct(_ values: [Double]) -> [Double] {
        values.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}

/// The last step of an answer so far.
private struct FinalStep {
    /// It begins with a marker of the final answer ("#### 5", "A: 5", "Answer: 5").
    var isMarked = false
    var numbers: [Double]
    var hasMinus: Bool
    var words: Int
    var isCutOff: Bool

    private static let markers = ["####", "A:", "Answer:", "The answer is", "\\boxed"]

    init(_ step: String) {
        let text = step.trimmed
        isMarked = Self.markers.contains { text.hasPrefix($0) }
        numbers = ArithmeticText(String(text)).numbers
        hasMinus = text.contains("-")
        words = text.split { !$0.isLetter }.count
        isCutOff = !isMarked && !(text.last.map { ".!?)\"".contains($0) } ?? false)
    }
}

extension String {
    fileprivate var trimmed: Substring {
        let start = drop { $0.isWhitespace }
        return start[..<(start.lastIndex { !$0.isWhitespace }.map { start.index(after: $0) } ?? start.startIndex)]
    }
}
