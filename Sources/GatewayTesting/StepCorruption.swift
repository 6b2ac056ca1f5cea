/// The ways in which a step goes wrong, as small models make them.
package enum StepCorruption: String, Hashable, Sendable, Codable, CaseIterable {
    /// The result is off by a little.
    case slip
    /// A carry is lost or invented: off by 10, or by 100 for larger numbers.
    case carry
    /// Two digits of the result are exchanged, or one is another.
    case digits
    /// Another operation, with its right result.
    case operation
    /// Another number of the question in place of an operand, with the right result.
    case operand
    /// A zero too many or a digit too few.
    case magnitude
}

extension WordProblem {
    private static let corruptionAttempts = 64
    private static let largestSlip = 9
    private static let otherNumbers = 2...99

    /// A plausible wrong form of step `index`, in the same words. `kind` nil: any kind.
    package func corrupted(step index: Int, kind: StepCorruption? = nil, using random: inout SplitMix64) -> String {
        let wrong = corruptedStep(index, kind: kind, using: &random)
        return wrong.text
    }

    /// A wrong last line.
    package func corruptedAnswerLine(using random: inout SplitMix64) -> String {
        let results = steps.dropLast().map(\.result).filter { $0 != answer }
        // Stopping at an earlier result is as usual a mistake as miscounting.
        if random.integer(in: 0...1) == 0, let earlier = random.pick(results) {
            return "\(Self.answerLabel) \(earlier)"
        }
        let off = random.integer(in: 1...Self.largestSlip)
        let wrong = random.integer(in: 0...1) == 0 && answer > off ? answer - off : answer + off
        return "\(Self.answerLabel) \(wrong)"
    }

    /// The solution's lines from step `start` on with a mistake in step `wrong` that the later steps go on from.
    package func derailedSolution(from start: Int = 0, wrong: Int, using random: inout SplitMix64) -> [String] {
        var results = steps.map(\.result)
        var lines: [String] = []
        for index in start..<max(start, steps.count) {
            if index == wrong {
                let step = corruptedStep(index, kind: nil, using: &random)
                results[index] = step.result
                lines.append(step.text)
                continue
            }
            let step = steps[index]
            let left = leftSource[index].map { results[$0] } ?? step.left
            let right = rightSource[index].map { results[$0] } ?? step.right
            // A division that no longer comes out even is rounded down, as a careless solver would.
            let result = step.operation.apply(left, right) ?? (right == 0 ? left : left / right)
            results[index] = result
            lines.append(step.text(equation: Step.equation(left, step.operation, right, result)))
        }
        // Rounding may have brought the right number back.
        let final = results.last.map { $0 == answer ? $0 + 1 : $0 } ?? 0
        lines.append("\(Self.answerLabel) \(final)")
        return lines
    }

    private func corruptedStep(_ index: Int, kind: StepCorruption?, using random: inout SplitMix64) -> Step {
        let gold = steps[index]
        for _ in 0..<Self.corruptionAttempts {
            let drawn = kind ?? random.pick(StepCorruption.allCases) ?? .slip
            guard let wrong = corruption(drawn, of: gold, using: &random), wrong.result >= 0 else { continue }
            if verdict(of: wrong.text) == .wrong { return wrong }
        }
        var wrong = gold
        wrong.result += 1
        return wrong
    }

    private func corruption(_ kind: StepCorruption, of gold: Step, using random: inout SplitMix64) -> Step? {
        var wrong = gold
        let sign = random.integer(in: 0...1) == 0 ? 1 : -1
        switch kind {
        case .slip:
            wrong.result += sign * random.integer(in: 1...Self.largestSlip)
        case .carry:
            wrong.result += sign * (gold.result >= 200 && random.integer(in: 0...1) == 0 ? 100 : 10)
        case .digits:
            wrong.result = Self.misread(gold.result, using: &random)
        case .operation:
            guard let operation = random.pick(ArithmeticOperation.allCases.filter { $0 != gold.operation }),
                let result = operation.apply(gold.left, gold.right)
            else { return nil }
            (wrong.operation, wrong.result) = (operation, result)
        case .operand:
            let candidates = givenNumbers.union(steps.map(\.result)).sorted() + [random.integer(in: Self.otherNumbers)]
            guard let other = random.pick(candidates) else { return nil }
            if random.integer(in: 0...1) == 0 { wrong.left = other } else { wrong.right = other }
            guard let result = wrong.operation.apply(wrong.left, wrong.right) else { return nil }
            wrong.result = result
        case .magnitude:
            let (tenfold, overflow) = gold.result.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            wrong.result = gold.result >= 10 && sign < 0 ? gold.result / 10 : tenfold
        }
        return wrong
    }

    private static func misread(_ number: Int, using random: inout SplitMix64) -> Int {
        var digits = Array(String(number).utf8)
        if digits.count >= 2, random.integer(in: 0...1) == 0 {
            let at = random.integer(in: 0...(digits.count - 2))
            digits.swapAt(at, at + 1)
        } else {
            digits[random.integer(in: 0...(digits.count - 1))] = UInt8(0x30 + random.integer(in: 0...9))
        }
        return Int(String(decoding: digits, as: UTF8.self)) ?? number + 1
    }
}
