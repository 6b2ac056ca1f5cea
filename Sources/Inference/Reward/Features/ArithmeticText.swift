/// The numbers of a text, and the equations that it states, as far as they can be checked by calculating.
///
/// Reads what models write: "12 + 7 = 19", "$1,200 x 3 = $3,600", "40 / 200 = 20%", "3 hours * 60 mph = 180 miles",
/// and a calculator's notes, "<<12+7=19>>19", whose result must be repeated behind them.
struct ArithmeticText {
    /// "12 + 7 = 19".
    struct Claim: Hashable {
        var operands: [Double]
        var stated: Double
        var isTrue: Bool
    }

    /// Outside of calculator's notes, in the order of the text.
    private(set) var numbers: [Double] = []
    private(set) var claims: [Claim] = []
    private(set) var noteCount = 0
    private(set) var falseNotes = 0
    /// Notes whose result is not what is written behind them.
    private(set) var contradictedNotes = 0
    private(set) var operationCount = 0

    /// Words between a number and its operation ("3 red apples * 2") that are read over.
    private static let maxUnitWords = 3
    /// An equation of more operands is not looked at.
    private static let maxOperands = 12

    init(_ text: String) {
        var rest = Array(text.utf8)[...]
        var plain: [UInt8] = []
        plain.reserveCapacity(rest.count)
        while let byte = rest.first {
            if byte == UInt8(ascii: "<"), rest.dropFirst().first == byte, let note = Self.note(rest) {
                rest = rest.dropFirst(note.count + 4)
                take(note: note, after: rest)
            } else {
                plain.append(byte)
                rest = rest.dropFirst()
            }
        }
        let tokens = Self.tokens(plain)
        for token in tokens {
            switch token {
            case .number(let value, _): numbers.append(value)
            case .operation: operationCount += 1
            case .equals, .word, .end: break
            }
        }
        for (index, token) in tokens.enumerated() where token == .equals {
            if let claim = Self.claim(tokens, at: index) { claims.append(claim) }
        }
    }

    /// As near as rounding to cents lets it be.
    static func isNear(_ a: Double, _ b: Double) -> Bool {
        (a - b).magnitude <= max(0.011, 0.001 * b.magnitude)
    }

    // MARK: - Notes

    /// The bytes between "<<" and ">>", nil where the note does not end.
    private static func note(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let inner = bytes.dropFirst(2)
        var index = inner.startIndex
        while index + 1 < inner.endIndex, index - inner.startIndex < 200 {
            if inner[index] == UInt8(ascii: ">"), inner[index + 1] == UInt8(ascii: ">") {
                return inner[inner.startIndex..<index]
            }
            index += 1
        }
        return nil
    }

    private mutating func take(note: ArraySlice<UInt8>, after: ArraySlice<UInt8>) {
        noteCount += 1
        let tokens = Self.tokens(Array(note))
        guard let equals = tokens.lastIndex(of: .equals) else { return }
        if let claim = Self.claim(tokens, at: equals), !claim.isTrue { falseNotes += 1 }
        guard case .number(let result, _)? = tokens[(equals + 1)...].first(where: { $0 != .word }),
            case .number(let repeated, _)? = Self.tokens(Array(after.prefix(24))).first
        else { return }
        if !Self.isNear(result, repeated) { contradictedNotes += 1 }
    }

    // MARK: - Equations

    private static func claim(_ tokens: [Token], at equals: Int) -> Claim? {
        guard let stated = stated(tokens[(equals + 1)...]) else { return nil }
        guard var sum = leftSide(tokens[..<equals]), sum.operations.count > 0 else { return nil }
        sum.reverse()
        guard let value = sum.value, value.isFinite else { return nil }
        let isTrue =
            isNear(value, stated.value) || (stated.isPercent && isNear(value * 100, stated.value))
        return Claim(operands: sum.operands, stated: stated.value, isTrue: isTrue)
    }

    /// The number right of an equals sign, unless a calculation goes on behind it.
    private static func stated(_ tokens: ArraySlice<Token>) -> (value: Double, isPercent: Bool)? {
        var sign = 1.0
        var rest = tokens
        if rest.first == .operation(.minus) {
            sign = -1
            rest = rest.dropFirst()
        }
        guard case .number(let value, let isPercent)? = rest.first else { return nil }
        let words = rest.dropFirst().prefix { $0 == .word }
        if words.count <= maxUnitWords, case .operation? = rest.dropFirst(1 + words.count).first { return nil }
        return (sign * value, isPercent)
    }

    /// The longest "number operation number …" that ends where `tokens` ends, last operand first.
    private static func leftSide(_ tokens: ArraySlice<Token>) -> Sum? {
        var sum = Sum()
        var pending: Operation?
        var words = 0
        for token in tokens.reversed() {
            switch token {
            case .number(let value, let isPercent):
                if let operation = pending {
                    sum.operations.append(operation)
                    pending = nil
                } else if !sum.operands.isEmpty {
                    return sum
                }
                guard sum.operands.count < maxOperands else { return nil }
                sum.operands.append(isPercent ? value / 100 : value)
                words = 0
            case .operation(let operation):
                guard pending == nil, !sum.operands.isEmpty else { return sum }
                pending = operation
                words = 0
            case .word:
                words += 1
                if words > maxUnitWords { return pending == nil ? sum : nil }
            case .equals, .end:
                return pending == nil ? sum : nil
            }
        }
        return pending == nil ? sum : nil
    }

    private struct Sum {
        var operands: [Double] = []
        var operations: [Operation] = []

        mutating func reverse() {
            operands.reverse()
            operations.reverse()
        }

        /// Multiplication and division first, else from the left; nil on division by zero.
        var value: Double? {
            guard var term = operands.first else { return nil }
            var total = 0.0
            var sign = 1.0
            for (operation, operand) in zip(operations, operands.dropFirst()) {
                switch operation {
                case .times: term *= operand
                case .divided:
                    guard operand != 0 else { return nil }
                    term /= operand
                case .plus, .minus:
                    total += sign * term
                    sign = operation == .plus ? 1 : -1
                    term = operand
                }
            }
            return total + sign * term
        }
    }
}

// MARK: - Tokens

extension ArithmeticText {
    enum Operation: Hashable { case plus, minus, times, divided }

    enum Token: Hashable {
        case number(Double, isPercent: Bool)
        case operation(Operation)
        case equals
        case word
        case end
    }

    static func tokens(_ bytes: [UInt8]) -> [Token] {
        var tokens: [Token] = []
        var index = 0
        func byte(_ at: Int) -> UInt8 { at < bytes.count ? bytes[at] : 0 }
        func isDigit(_ at: Int) -> Bool { (0x30...0x39).contains(byte(at)) }
        func isLetter(_ at: Int) -> Bool {
            let value = byte(at)
            return (0x41...0x5A).contains(value) || (0x61...0x7A).contains(value)
        }
        while index < bytes.count {
            if isDigit(index) || (byte(index) == UInt8(ascii: ".") && isDigit(index + 1)) {
                tokens.append(number(bytes, &index))
                continue
            }
            if isLetter(index) {
                let start = index
                while isLetter(index) { index += 1 }
                let isCross = index - start == 1 && (byte(start) | 0x20) == UInt8(ascii: "x")
                // "x" between numbers is a multiplication; elsewhere it is a variable.
                if isCross, case .number? = tokens.last, isDigit(index) || byte(index) == 0x20 {
                    tokens.append(.operation(.times))
                } else {
                    tokens.append(.word)
                }
                continue
            }
            index += append(bytes, index, to: &tokens)
        }
        return tokens
    }

    /// Reads a sign; how many bytes it takes.
    private static func append(_ bytes: [UInt8], _ index: Int, to tokens: inout [Token]) -> Int {
        switch bytes[index] {
        case UInt8(ascii: "+"): tokens.append(.operation(.plus))
        case UInt8(ascii: "-"): tokens.append(.operation(.minus))
        case UInt8(ascii: "*"): tokens.append(.operation(.times))
        case UInt8(ascii: "/"): tokens.append(.operation(.divided))
        case UInt8(ascii: "="): tokens.append(.equals)
        case UInt8(ascii: "."), UInt8(ascii: "\n"), UInt8(ascii: ";"), UInt8(ascii: "?"), UInt8(ascii: "!"),
            UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "("), UInt8(ascii: ")"):
            tokens.append(.end)
        case 0xC3 where index + 1 < bytes.count && (bytes[index + 1] == 0x97 || bytes[index + 1] == 0xB7):
            // × and ÷
            tokens.append(.operation(bytes[index + 1] == 0x97 ? .times : .divided))
            return 2
        default: break
        }
        return 1
    }

    private static func number(_ bytes: [UInt8], _ index: inout Int) -> Token {
        var value = 0.0
        var scale = 0.0
        func isDigit(_ at: Int) -> Bool { at < bytes.count && (0x30...0x39).contains(bytes[at]) }
        while index < bytes.count {
            let byte = bytes[index]
            if isDigit(index) {
                // Further decimals are read over: a model that repeats itself writes thousands of digits.
                if scale < 1e9 { (value, scale) = (min(1e15, value * 10 + Double(byte - 0x30)), scale * 10) }
            } else if byte == UInt8(ascii: "."), scale == 0, isDigit(index + 1) {
                scale = 1
            } else if byte != UInt8(ascii: ",") || scale != 0 || !(isDigit(index + 1) && isDigit(index + 2)) {
                break
            }
            index += 1
        }
        if scale > 0 { value /= scale }
        let isPercent = index < bytes.count && bytes[index] == UInt8(ascii: "%")
        if isPercent { index += 1 }
        return .number(value, isPercent: isPercent)
    }
}
