extension WordProblem {
    /// What a step says about this problem.
    package enum Verdict: Hashable, Sendable {
        /// It states something of the solution.
        case right
        /// It states something that is false, or true but no part of the solution.
        case wrong
        /// It states no number that is not given ("Let us count.").
        case nothing
    }

    /// The numbers that the question gives.
    package var givenNumbers: Set<Int> {
        var given: Set<Int> = []
        for (index, step) in steps.enumerated() {
            if leftSource[index] == nil { given.insert(step.left) }
            if rightSource[index] == nil { given.insert(step.right) }
        }
        return given
    }

    /// Whether `text` ends in the right answer: the last number on the line of the last "Answer:", or else the last
    /// number of the text.
    package func isCorrect(_ text: String) -> Bool {
        Self.finalNumber(of: text).map { ArithmeticClaim.same($0, Double(answer)) } ?? false
    }

    /// Whether `step` does no harm: what it states is right, and belongs to the solution.
    package func isStepCorrect(_ step: String) -> Bool { verdict(of: step) != .wrong }

    /// Judges one line of an answer.
    ///
    /// An equation is right if it is true and is one of the solution's (operands of + and * in any order), or if it
    /// joins several operations and comes to a number of the solution. Without an equation, every number must be
    /// given or be a result; on an "Answer:" line the last one must be the answer.
    package func verdict(of step: String) -> Verdict {
        let line = Self.withoutListMark(step)
        if let stated = Self.answerNumber(of: line) {
            return ArithmeticClaim.same(stated, Double(answer)) ? .right : .wrong
        }
        let reading = ArithmeticReading(line)
        let claims = reading.claims
        if !claims.isEmpty { return claims.allSatisfy(isPartOfSolution) ? .right : .wrong }
        let results = Set(steps.map { Double($0.result) })
        let given = Set(givenNumbers.map(Double.init))
        guard reading.numbers.allSatisfy({ results.contains($0) || given.contains($0) }) else { return .wrong }
        return reading.numbers.contains(where: results.contains) ? .right : .nothing
    }

    /// How many of the solution's steps `lines` cover, in order, up to the first wrong line: where to go on from.
    package func coveredSteps(by lines: [String]) -> Int {
        var covered = 0
        for line in lines {
            guard verdict(of: line) != .wrong else { return covered }
            if Self.answerNumber(of: line) != nil { return steps.count }
            for claim in ArithmeticReading(line).claims {
                let reached = steps.indices.dropFirst(covered).first {
                    ArithmeticClaim.same(Double(steps[$0].result), claim.stated)
                }
                if let reached { covered = reached + 1 }
            }
        }
        return covered
    }

    private func isPartOfSolution(_ claim: ArithmeticClaim) -> Bool {
        guard claim.isTrue else { return false }
        guard claim.operations.count == 1 else {
            return steps.contains { ArithmeticClaim.same(Double($0.result), claim.stated) }
        }
        return steps.contains { step in
            guard step.operation == claim.operations[0] else { return false }
            let operands = [Double(step.left), Double(step.right)]
            return operands == claim.operands
                || (step.operation.isCommutative && operands == claim.operands.reversed())
        }
    }

    private static func finalNumber(of text: String) -> Double? {
        answerNumber(of: text) ?? ArithmeticReading(text).numbers.last
    }

    /// What models put before their answer, in lower case: the label itself, prose, and the mark of a public data set
    /// that many were trained on.
    private static let answerMarks = [answerLabel.lowercased(), "answer is", "####"].map { Array($0.utf8) }

    /// The last number on the line of the last answer mark; nil where there is none.
    private static func answerNumber(of text: String) -> Double? {
        let bytes = Array(text.utf8)
        let lowered = bytes.map { (0x41...0x5a).contains($0) ? $0 + 0x20 : $0 }
        for start in bytes.indices.reversed() {
            guard let mark = answerMarks.first(where: { lowered[start...].starts(with: $0) }) else { continue }
            let line = bytes[(start + mark.count)...].prefix { $0 != 0x0a }
            return ArithmeticReading(String(decoding: line, as: UTF8.self)).numbers.last
        }
        return nil
    }

    /// Drops "1. ", "2) ", "- " and "Step 3:", whose numbers count lines.
    private static func withoutListMark(_ step: String) -> String {
        var line = step.drop(while: \.isWhitespace)
        if line.lowercased().hasPrefix("step ") {
            line = line.dropFirst(5)
        }
        let number = line.prefix { $0.isASCII && $0.isNumber }
        let rest = line.dropFirst(number.count)
        if !number.isEmpty, let mark = rest.first, mark == "." || mark == ")" || mark == ":" {
            // "3.5 apples" is a number, "3. Apples" a list.
            let after = rest.dropFirst().first
            if after == nil || after?.isNumber == false { return String(rest.dropFirst()) }
        }
        return step
    }
}
