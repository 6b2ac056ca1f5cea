/// An equation that a text states, such as "12 + 7 = 19" in "Anna has 12 + 7 = 19 apples."
struct ArithmeticClaim: Hashable, Sendable {
    /// The side with the operations: one more operand than operations.
    var operands: [Double]
    var operations: [ArithmeticOperation]
    /// The value that the text gives it.
    var stated: Double

    private static let tolerance = 1e-6

    static func same(_ one: Double, _ other: Double) -> Bool { (one - other).magnitude <= tolerance }

    var isTrue: Bool {
        ArithmeticExpression(operands: operands, operations: operations).value
            .map { Self.same($0, stated) } ?? false
    }
}

/// Numbers joined by operations; multiplication and division first, else from the left.
struct ArithmeticExpression: Hashable, Sendable {
    var operands: [Double]
    var operations: [ArithmeticOperation]

    var value: Double? {
        guard let first = operands.first, operands.count == operations.count + 1 else { return nil }
        var sums: [(operation: ArithmeticOperation, value: Double)] = [(.plus, first)]
        for (operation, operand) in zip(operations, operands.dropFirst()) {
            if operation.bindsTighter {
                guard let last = sums.popLast(), let value = operation.apply(last.value, operand) else { return nil }
                sums.append((last.operation, value))
            } else {
                sums.append((operation, operand))
            }
        }
        return sums.reduce(0) { $1.operation == .plus ? $0 + $1.value : $0 - $1.value }
    }
}

/// Reads the numbers and the equations of a text the way models write them: "12 + 7 = 19", "$1,200 × 3 = $3,600",
/// "12 apples plus 7 apples is 19 apples", "80+50=<<80+50=130>>130".
struct ArithmeticReading: Sendable {
    enum Token: Hashable {
        case number(Double)
        case operation(ArithmeticOperation)
        case equals
        case word
        case end
    }

    private(set) var tokens: [Token] = []

    /// Words between a number and its operation ("12 red apples + 7") that are read over.
    private static let maxUnitWords = 3

    init(_ text: String) {
        var lexer = ArithmeticLexer(text)
        while let token = lexer.next() { tokens.append(token) }
    }

    var numbers: [Double] {
        tokens.compactMap { if case .number(let value) = $0 { value } else { nil } }
    }

    /// Every equation with an operation on one side at least.
    var claims: [ArithmeticClaim] {
        tokens.split(separator: .end).flatMap { sentence -> [ArithmeticClaim] in
            let sides = sentence.split(separator: .equals, omittingEmptySubsequences: false)
            return zip(sides, sides.dropFirst()).compactMap { claim(left: Array($0), right: Array($1)) }
        }
    }

    private func claim(left: [Token], right: [Token]) -> ArithmeticClaim? {
        // The expression next to the equals sign: the end of the left side, the beginning of the right one.
        let reversed = expression(Array(left.reversed()))
        let lhs = ArithmeticExpression(
            operands: reversed.operands.reversed(), operations: reversed.operations.reversed())
        let rhs = expression(right)
        if !lhs.operations.isEmpty, let value = rhs.value {
            return ArithmeticClaim(operands: lhs.operands, operations: lhs.operations, stated: value)
        }
        if !rhs.operations.isEmpty, let value = lhs.value {
            return ArithmeticClaim(operands: rhs.operands, operations: rhs.operations, stated: value)
        }
        return nil
    }

    /// The longest "number operation number …" at the beginning of `tokens`, with unit words read over.
    private func expression(_ tokens: [Token]) -> ArithmeticExpression {
        var result = ArithmeticExpression(operands: [], operations: [])
        var pending: ArithmeticOperation?
        var words = 0
        for token in tokens {
            switch token {
            case .number(let value):
                if result.operands.isEmpty {
                    result.operands.append(value)
                } else if let operation = pending {
                    result.operations.append(operation)
                    result.operands.append(value)
                    pending = nil
                } else {
                    return result
                }
                words = 0
            case .operation(let operation):
                guard pending == nil, !result.operands.isEmpty else { return result }
                pending = operation
                words = 0
            case .word:
                words += 1
                if words > Self.maxUnitWords { return result }
            case .equals, .end:
                return result
            }
        }
        return result
    }
}
